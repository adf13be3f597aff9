"""Where a picture of a cloud is taken from, and where on it each point lies."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from pointcloud_api.base import ApiModel

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Triple = tuple[float, float, float]

# As the viewer page opens: camera.ts of the viewer.
_UP: Final = (0.0, 0.0, 1.0)
_EYE: Final = (-0.4, -0.8, 0.5)
_TANGENT: Final = float(np.tan(np.radians(30)))
"""Of half the vertical field of view of the viewer page."""
# The picture shows this share of the points on either axis: strays at the rim would make the rest small.
_RIM: Final = 0.01
_MARGIN: Final = 0.94
"""Of the picture, taken by what it shows."""
_ZOOM: Final = (0.7, 5.0)
"""How much narrower than the viewer page's the picture's field of view may be."""


class View(ApiModel):
    """`view.json`, as far as it is given."""

    up: Triple = _UP
    position: Triple | None = None
    """Of the eye."""
    target: Triple | None = None
    """What it looks at."""


@dataclass(frozen=True, kw_only=True)
class Projected:
    """Points on a picture, those that lie on it or just beside it.

    Attributes:
        x: float32 (N,), pixels from the left edge.
        y: float32 (N,), pixels from the upper edge.
        depth: float32 (N,), before the eye, in the cloud's unit.
        rows: int64 (N,), of the points that were given.
        focal: Pixels that a length at that distance takes.
    """

    x: Floats
    y: Floats
    depth: Floats
    rows: npt.NDArray[np.int64]
    focal: float


@dataclass(frozen=True)
class Eye:
    """A place to look from, and the axes of what is seen from there: right, up and forward, row by row (3, 3)."""

    position: Vector
    axes: Vector

    @classmethod
    def of(cls, view: View, positions: Vector) -> Self:
        """The view's, or where it says nothing, one from above and aside towards the middle of the points (N, 3)."""
        target = np.median(positions, axis=0) if view.target is None else np.array(view.target)
        if view.position is None or view.position == view.target:
            size = np.linalg.norm(np.quantile(positions, 1 - _RIM, axis=0) - np.quantile(positions, _RIM, axis=0))
            position = target + np.array(_EYE) * (float(size) or 1.0)
        else:
            position = np.array(view.position)
        return cls(position, _axes(target - position, up=np.array(view.up if any(view.up) else _UP)))

    def project(self, positions: Vector, *, width: int, height: int) -> Projected:
        """Points (N, 3) on a picture of that many pixels, which shows nearly all of what the viewer page would.

        Raises:
            ValueError: None of them is in sight.
        """
        seen = (positions - self.position) @ self.axes.T
        slopes = seen[:, :2] / np.where(seen[:, 2:] > 0, seen[:, 2:], np.nan)
        with np.errstate(invalid="ignore"):
            near = (np.abs(slopes) < [_TANGENT * width / height, _TANGENT]).all(axis=1)
        if not near.any():
            raise ValueError("no point is in sight of the view")
        low, high = np.quantile(slopes[near], [_RIM, 1 - _RIM], axis=0)
        usual = height / 2 / _TANGENT
        fitting = _MARGIN * np.min(np.array([width, height]) / np.maximum(high - low, 1e-9))
        focal = float(np.clip(fitting, usual * _ZOOM[0], usual * _ZOOM[1]))
        places = (slopes - (low + high) / 2) * [focal, -focal] + [width / 2, height / 2]
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero(
                (np.abs(places - [width / 2, height / 2]) < [0.55 * width, 0.55 * height]).all(axis=1)
            )
        x, y, depth = (np.ascontiguousarray(v, np.float32) for v in (*places[rows].T, seen[rows, 2]))
        return Projected(x=x, y=y, depth=depth, rows=rows, focal=focal)


def _axes(forward: Vector, *, up: Vector) -> Vector:
    """Right, up and forward of an eye that looks forward, whose up is as near to `up` as can be."""
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-6:  # straight up or down
        right = np.cross(forward, np.roll(up, 1))
    right /= np.linalg.norm(right)
    return np.array([right, np.cross(right, forward), forward])
