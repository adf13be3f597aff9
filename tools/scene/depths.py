"""Measures depth maps against the truth, and against one another as fusion does.

A pixel is *complete* when its depth agrees with that of at least two other views: within 1 %, and coming back from
there to within one pixel. The *ceiling* is what is complete of the true depths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tools.scene.camera import Camera, FloatArray
from tools.scene.workspace import Shot

_DEPTH: Final = 0.01
_PIXEL: Final = 1.0
_VIEWS: Final = 2
_OUTLIER: Final = 0.02


@dataclass(frozen=True)
class DepthAccuracy:
    """How good the depth maps of a scene are."""

    complete: float
    """Share of all pixels."""
    ceiling: float
    median_error: float
    """Of complete pixels, in footprints: sizes of a pixel at that depth."""
    outliers: float
    """Share of complete pixels that are wrong by more than 2 % of the depth."""
    fringes: float
    """Share of complete pixels where there is no surface at all, but the sky."""


def assess(found: Mapping[str, Any], shots: Sequence[Shot]) -> DepthAccuracy:
    """Compare maps (height, width), by photo, with the truth; a missing map counts as empty."""
    cameras = [shot.camera for shot in shots]
    maps = [np.asarray(found.get(shot.camera.name, np.zeros_like(shot.depths)), float) for shot in shots]
    agreed = complete(maps, cameras)
    possible = complete([shot.depths for shot in shots], cameras)
    relative, pixels, sky = [], [], 0
    for shot, depths, good in zip(shots, maps, agreed, strict=True):
        known = good & (shot.depths > 0)
        relative.append(np.abs(depths - shot.depths)[known] / shot.depths[known])
        pixels.append(relative[-1] * shot.camera.focal)
        sky += int(np.count_nonzero(good & (shot.depths <= 0)))
    return DepthAccuracy(
        complete=float(np.mean([good.mean() for good in agreed])),
        ceiling=float(np.mean([good.mean() for good in possible])),
        median_error=float(np.median(np.concatenate(pixels))),
        outliers=float(np.mean(np.concatenate(relative) > _OUTLIER)),
        fringes=sky / max(sum(int(np.count_nonzero(good)) for good in agreed), 1),
    )


def complete(maps: Sequence[FloatArray], cameras: Sequence[Camera]) -> list[NDArray[np.bool_]]:
    """Tell for each map (height, width) which of its pixels at least two other maps agree with."""
    agreed = []
    for index, (depths, camera) in enumerate(zip(maps, cameras, strict=True)):
        count = np.zeros(depths.shape, np.int16)
        rows, columns = np.nonzero(depths > 0)
        places = _lifted(camera, columns + np.float64(0.5), rows + np.float64(0.5), depths[rows, columns])
        for other, there in enumerate(cameras):
            if other != index:
                count[rows, columns] += _agrees(camera, columns, rows, places, there, maps[other])
        agreed.append(count >= _VIEWS)
    return agreed


def _lifted(camera: Camera, columns: FloatArray, rows: FloatArray, depths: FloatArray) -> FloatArray:
    """(N, 3): points of the world."""
    x, y = (columns - camera.principal_point[0]) / camera.focal, (rows - camera.principal_point[1]) / camera.focal
    turned: FloatArray = np.stack([x * depths, y * depths, depths], axis=1) @ np.array(camera.rotation).T
    turned += np.array(camera.centre)
    return turned


def _projected(camera: Camera, places: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Columns, rows and depths of N points; depths may be negative, and columns are then nonsense."""
    local = (places - np.array(camera.centre)) @ np.array(camera.rotation)
    ahead = np.where(np.abs(local[:, 2]) > 1e-9, local[:, 2], 1e-9)
    x, y = camera.principal_point
    return camera.focal * local[:, 0] / ahead + x, camera.focal * local[:, 1] / ahead + y, local[:, 2]


def _agrees(  # noqa: PLR0913, PLR0917 - pixels of one view against another
    camera: Camera,
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    places: FloatArray,
    other: Camera,
    depths: FloatArray,
) -> NDArray[np.bool_]:
    x, y, ahead = _projected(other, places)
    inside = (ahead > 0) & (x >= 0) & (y >= 0) & (x < other.width) & (y < other.height)
    there = np.zeros(len(places))
    there[inside] = depths[y[inside].astype(int), x[inside].astype(int)]
    near = (there > 0) & (np.abs(there - ahead) <= _DEPTH * np.abs(ahead))
    back_x, back_y, _ = _projected(camera, _lifted(other, x[near], y[near], there[near]))
    agrees = near.copy()
    agrees[near] = np.hypot(back_x - columns[near] - 0.5, back_y - rows[near] - 0.5) <= _PIXEL
    return agrees
