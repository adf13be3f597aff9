"""How far points are from the true surface of a scene: exact outside of its solids, which is where points belong."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

import numpy as np

from tools.scene.camera import FloatArray
from tools.scene.raycast import BOX, ELLIPSOID, FRUSTUM, Solids

_HALVINGS: Final = 60
"""Of the bracket of an ellipsoid's nearest point: as far as floats go."""
_LEAST: Final = 1e-9


def distances(points: FloatArray, solids: Solids) -> FloatArray:
    """Give the distance (N,) in metres from points (N, 3) to the surface that is seen from outside.

    Where solids run into each other, what lies within one of them is no surface: a point there is as far as it is deep
    in the solid that hides it the most, and perhaps farther.
    """
    nearest = np.full(len(points), np.inf)
    for kind, axes, centre, size in zip(solids.kind, solids.axes, solids.centre, solids.size, strict=True):
        nearest = np.minimum(nearest, _SIGNED[int(kind)]((points - centre) @ axes, size))
    result: FloatArray = np.abs(nearest)
    return result


def _box(points: FloatArray, half: FloatArray) -> FloatArray:
    """Signed distance (N,) of local points (N, 3): negative inside."""
    beyond = np.abs(points) - half
    outside: FloatArray = np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)
    return outside


def _frustum(points: FloatArray, size: FloatArray) -> FloatArray:
    """As `_box`; reckoned in the half plane through the axis, where the solid is a trapezium."""
    bottom, top, half = size
    flat = np.column_stack([np.hypot(points[:, 0], points[:, 1]), points[:, 2]])
    corners = np.array([[0.0, -half], [bottom, -half], [top, half], [0.0, half]])
    away = np.min([_to_segment(flat, a, b) for a, b in pairwise(corners)], axis=0)
    radius = bottom + (top - bottom) * (flat[:, 1] + half) / (2 * half)
    inside = (np.abs(flat[:, 1]) <= half) & (flat[:, 0] <= radius)
    signed: FloatArray = np.where(inside, -away, away)
    return signed


def _to_segment(points: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Distance (N,) of points (N, 2) to a segment."""
    along = end - start
    part = np.clip((points - start) @ along / max(float(along @ along), _LEAST**2), 0, 1)
    distance: FloatArray = np.linalg.norm(points - start - part[:, None] * along, axis=1)
    return distance


def _ellipsoid(points: FloatArray, size: FloatArray) -> FloatArray:
    """As `_box`. The nearest point of the surface is x * size^2 / (size^2 + t) for the t at which it lies on it.

    Eberly, "Distance from a point to an ellipse, an ellipsoid, or a hyperellipsoid" (2013): the only root above minus
    the least size squared.
    """
    squares = size**2
    places = np.abs(points) + _LEAST  # off the planes of symmetry, where there may be no root
    low = -squares.min() + size.min() * places[:, size.argmin()]
    high = -squares.min() + np.linalg.norm(places * size, axis=1)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_far = ((size * places / (squares + middle[:, None])) ** 2).sum(axis=1) > 1
        low, high = np.where(too_far, middle, low), np.where(too_far, high, middle)
    nearest = places * squares / (squares + high[:, None])
    away: FloatArray = np.linalg.norm(places - nearest, axis=1)
    return np.where(((points / size) ** 2).sum(axis=1) < 1, -away, away)


_SIGNED: Final[Mapping[int, Callable[[FloatArray, FloatArray], FloatArray]]] = {
    BOX: _box,
    FRUSTUM: _frustum,
    ELLIPSOID: _ellipsoid,
}
