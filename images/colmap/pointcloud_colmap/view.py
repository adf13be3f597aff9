"""Chooses where to look at the cloud from at first: from where a photographer stood, drawn back to see most of it."""

from typing import Final

import numpy as np
import pycolmap

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import Units
from pointcloud_colmap.orientation import FloatArray
from pointcloud_colmap.rows import Rows

_VISIBLE: Final = 0.9
"""Share of the points that must be in view; the others are often stray and far away."""
_OUTLYING: Final = 0.01
"""Share of the points along each axis, at either end, that are outside the core."""
_TELLING: Final = 1_000_000
_HALF_ANGLE: Final = np.radians(30)
"""Half of the vertical field of view that viewers open with: 60 degrees."""


class Core(ApiModel):
    """A box without the outliers."""

    min: tuple[float, float, float]
    max: tuple[float, float, float]


class View(ApiModel):
    """`view.json`, in the coordinates of the points, whose up is +Z."""

    title: str
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    position: tuple[float, float, float]
    """Of the eye."""
    target: tuple[float, float, float]
    """What it looks at."""
    core: Core
    """Where most of the points are, for whatever would drown in the bounds of all: a ramp of colours, a slider."""
    units: Units
    """What a length of 1 is."""


def choose_view(reconstruction: pycolmap.Reconstruction, points: Rows, *, title: str, units: Units) -> View:
    """A view of points (N, 3), whose up is +Z, in the direction from which the most telling photo was taken.

    Of very many points a part is enough.
    """
    some: FloatArray = points[:: 1 + len(points) // _TELLING]
    telling = max(
        (reconstruction.image(image_id) for image_id in reconstruction.reg_image_ids()),
        key=lambda image: (image.num_points3D, image.name),
    )
    target = np.median(some, axis=0)
    position = draw_back(some, target=target, towards=telling.projection_center())
    return View(title=title, position=_triple(position), target=_triple(target), core=core_of(some), units=units)


def core_of(points: FloatArray) -> Core:
    """The box of the points (N, 3) but for `_OUTLYING` of them at either end of each axis."""
    least, most = np.quantile(points, [_OUTLYING, 1 - _OUTLYING], axis=0)
    return Core(min=_triple(least), max=_triple(most))


def draw_back(points: FloatArray, *, target: FloatArray, towards: FloatArray) -> FloatArray:
    """The place (3,) on the ray from `target` to `towards` that has `_VISIBLE` of the points (N, 3) in view."""
    direction = (towards - target) / np.linalg.norm(towards - target)
    offsets = points - target
    depths = offsets @ direction
    radii = np.linalg.norm(offsets - np.outer(depths, direction), axis=1)
    # A point is in view from the distance at which the cone's edge passes through it.
    distance = np.quantile(depths + radii / np.tan(_HALF_ANGLE), _VISIBLE)
    place: FloatArray = target + distance * direction
    return place


def _triple(vector: FloatArray) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) for value in vector)
    return x, y, z
