"""What each photo gave to the reconstruction, from which a person sees what to photograph once more."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from pointcloud_api.base import ApiModel
from pointcloud_colmap.observations import Observations

_CELLS: Final = 10
"""Along each side of a photo, so that coverage counts in hundredths."""


class PhotoFigures(ApiModel):
    """One usable photo; what only a registered one has is None for the others."""

    name: str
    features: int
    registered: bool
    camera: int | None = None
    """COLMAP's number of its camera in the model."""
    points: int | None = None
    """Points of the cloud that it shows."""
    reprojection_error: float | None = None
    """Mean over these, in pixels."""
    coverage: float | None = None
    """Share of the photo's 10 x 10 cells that show at least one of these: 0.3 leaves most of it unused."""
    gps_error: float | None = None
    """Metres between its GPS position and where the georeferenced model has the camera."""


def photo_figures(
    observations: Observations, features: Mapping[str, int], gps_errors: Mapping[str, float]
) -> tuple[PhotoFigures, ...]:
    """Figures of all photos, by name.

    Args:
        observations: Of the final model.
        features: Number of features by name of each usable photo.
        gps_errors: Metres by name, of the photos that have any.
    """
    seen = np.bincount(observations.image, minlength=len(observations.images))
    errors = np.bincount(observations.image, observations.errors, minlength=len(observations.images))
    placed = {image.name: number for number, image in enumerate(observations.images)}
    covered = _covered(observations)
    return tuple(
        PhotoFigures(name=name, features=count, registered=False)
        if (number := placed.get(name)) is None
        else PhotoFigures(
            name=name,
            features=count,
            registered=True,
            camera=observations.images[number].camera_id,
            points=int(seen[number]),
            reprojection_error=round(float(errors[number] / seen[number]), 3) if seen[number] else None,
            coverage=round(covered[number] / _CELLS**2, 2),
            gps_error=gps_errors.get(name),
        )
        for name, count in sorted(features.items())
    )


def _covered(observations: Observations) -> list[int]:
    """How many cells of each registered photo show a point."""
    sizes = np.array([(camera.width, camera.height) for camera in observations.cameras])
    columns, rows = np.clip(
        (observations.pixels / sizes[observations.image] * _CELLS).astype(np.int64), 0, _CELLS - 1
    ).T
    hit = np.zeros((len(observations.images), _CELLS**2), bool)
    hit[observations.image, rows * _CELLS + columns] = True
    covered: list[int] = hit.sum(axis=1).tolist()
    return covered
