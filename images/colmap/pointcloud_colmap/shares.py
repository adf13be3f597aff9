"""What part of the stage's time each step takes: extraction grows with the photos, matching and mapping with pairs.

`python -m tests.fixtures.traces` measured low and medium quality on two CPU cores, with 16 to 40 photos; the rest
follows from what the qualities and a GPU make slower or quicker.
"""

from typing import Final

from pointcloud_api.resource import Quality
from pointcloud_colmap.device import Device

USUAL_PHOTOS: Final = 40
"""What a stage is taken to have before its photos are counted."""

_EXTRACT: Final = {Quality.LOW: 30.0, Quality.MEDIUM: 12.0, Quality.HIGH: 25.0, Quality.EXTREME: 60.0}
"""A photo, in the time of comparing two."""
_MAP: Final = {Quality.LOW: 1.0, Quality.MEDIUM: 0.3, Quality.HIGH: 0.3, Quality.EXTREME: 0.3}
"""A pair that is compared: every photo is placed among the others, and all are adjusted again and again."""
_ALIKE: Final = 0.15
"""A photo that is looked up in a vocabulary."""
_UNDISTORT: Final = 0.5
"""A photo that is undistorted."""
_FUSE: Final = 1.0
"""A view whose maps are fused."""
_QUICKER: Final = {Device.CPU: 1.0, Device.CUDA: 20.0}
"""How many times as quick extraction and matching are; mapping is not."""


def all_pairs(photos: int) -> int:
    """How many pairs there are of so many photos."""
    return photos * (photos - 1) // 2


def shares(  # noqa: PLR0913 - what the steps grow with
    photos: int, pairs: int, quality: Quality, device: Device, *, depth: float = 0, archive: bool = False
) -> dict[str, float]:
    """The plan of the stage's progress, when so many pairs of the photos are compared.

    `depth` is what the maps of a view take in the time of comparing two photos, where a dense cloud is made.
    """
    dense = {"undistort": _UNDISTORT * photos, "patch_match": depth * photos, "fuse": _FUSE * photos}
    return {
        "download": 0.5 * photos,
        "reuse": 0.1 * photos,
        "enter": 0.1 * photos,
        "extract": _EXTRACT[quality] / _QUICKER[device] * photos,
        "alike": _ALIKE * photos if pairs < all_pairs(photos) else 0,
        "match": pairs / _QUICKER[device],
        "map": _MAP[quality] * pairs,
        **(dense if depth else {}),
        "export": 5,
        **({"archive": _UNDISTORT * photos} if archive else {}),
        "upload": 0.5 * photos,
    }
