"""What `report.json` says of how a dense cloud was made."""

from pointcloud_api.base import ApiModel
from pointcloud_colmap.dense_presets import DensePreset


class ViewWithoutMaps(ApiModel):
    """A registered photo that gave nothing to the dense cloud."""

    name: str
    why: str


class DenseReport(ApiModel):
    """What was done to get a dense cloud."""

    engine: str
    """What made the depth maps."""
    settings: DensePreset
    """What the quality meant."""
    views: int
    """Photos that depth was to be computed for."""
    without_maps: tuple[ViewWithoutMaps, ...]
    """Those of them that there is none of, and why."""
    maps: int
    """Maps of all passes that there are to be."""
    maps_from_attempts: int
    """Maps of them that earlier pods of this run had stored."""
    points: int
