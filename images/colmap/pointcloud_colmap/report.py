"""`report.json`: everything about a reconstruction that a person may ask for afterwards."""

from typing import Self

import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.resource import Density, Georeferencing, Mapper, Matching, Quality, ReconstructionExport
from pointcloud_api.stages import Figures, StageWarning, Units
from pointcloud_colmap.cleaning import Removed
from pointcloud_colmap.dense_report import DenseReport
from pointcloud_colmap.georeference import Georeference
from pointcloud_colmap.pairing import Pairing
from pointcloud_colmap.photo_figures import PhotoFigures
from pointcloud_colmap.presets import Preset
from pointcloud_colmap.unregistered import Unregistered


class Model(ApiModel):
    """One of the models that mapping made."""

    images: int
    points: int

    @classmethod
    def of(cls, model: pycolmap.Reconstruction) -> Self:
        """Count."""
        return cls(images=model.num_reg_images(), points=model.num_points3D())


class MatchingReport(ApiModel):
    """Which pairs were compared."""

    asked: Matching
    used: Pairing
    why: str
    matched: int
    """Pairs that were compared; `seconds` says how long that took."""
    possible: int
    """Pairs that there are of the photos."""
    verified: int
    """Pairs that turned out to share something."""


class TakenOver(ApiModel):
    """What this pod did not compute itself."""

    features_from_attempts: int
    """Photos whose features earlier pods of this run had stored."""
    features_from_run: int
    """Photos whose features an earlier run had stored."""
    pairs_from_attempts: int
    """Pairs that earlier pods of this run had stored."""
    pairs_from_run: int
    """Pairs that an earlier run had stored."""


class Report(ApiModel):
    """The report."""

    figures: Figures
    """As in the stage's result."""
    unregistered: tuple[Unregistered, ...]
    """The usable photos that the exported model does not place, and why."""
    cameras: int
    """Of the exported model; photos of one camera share its calibration."""
    units: Units
    """Of all lengths but the georeference's, which are metres."""
    georeference: Georeference | None
    """None where the photos have no GPS positions, these are not to be used, or a warning says why they cannot be."""
    removed: Removed
    """Points that were likely wrong."""
    points_per_image: float
    """Mean number of points that a registered photo shows."""
    images: tuple[PhotoFigures, ...]
    """Every usable photo, by name."""
    matching: MatchingReport
    mapper: Mapper
    density: Density
    """As it was asked for; `figures` says what the cloud is, and a warning why it is another."""
    sparse_points: int
    """Points of the model, by which the photos were placed."""
    dense: DenseReport | None
    """None where no dense cloud was tried for."""
    taken_over: TakenOver
    models: tuple[Model, ...]
    """The exported one first, the others from large to small."""
    models_merged: int
    """Models that shared photos with the exported one and were joined to it."""
    seconds: dict[str, float]
    """Wall time by step."""
    versions: dict[str, str]
    quality: Quality
    georeferencing: Georeferencing
    exports: tuple[ReconstructionExport, ...]
    settings: Preset
    """What the quality meant on the device."""
    warnings: tuple[StageWarning, ...]
