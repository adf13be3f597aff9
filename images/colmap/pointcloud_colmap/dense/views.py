"""What the sparse model tells of each view: its camera, the depths it sees, and which others to compare it with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pycolmap

MatrixArray = npt.NDArray[np.float64]

FEWEST_NEIGHBOURS: Final = 2
"""With fewer others a depth could not be told from a chance likeness."""

_NARROWEST: Final = np.radians(1.5)
"""Median angle between the rays to shared points, below which depths are guesses."""
_WIDEST: Final = np.radians(45.0)
"""Above it surfaces look too different."""
_BEST: Final = np.radians(10.0)
_NARROWER: Final = np.radians(4.0)
"""Standard deviation of an angle's worth below the best one."""
_WIDER: Final = np.radians(10.0)
"""The same above it."""
_FEWEST_SHARED: Final = 15
"""Points that two views must share for their median angle to say something."""


@dataclass(frozen=True, kw_only=True)
class DenseView:
    """One image of the workspace. Its pixels are counted from their centres: the first one's is at (0, 0)."""

    name: str
    width: int
    height: int
    focal: tuple[float, float]
    principal: tuple[float, float]
    rotation: MatrixArray
    """(3, 3) world to camera."""
    translation: MatrixArray
    """(3,) world to camera."""
    nearest: float
    """The least depth that the sparse points have, with room to spare."""
    farthest: float
    neighbours: tuple[str, ...]
    """Names of other views to compare with, the best first."""

    @property
    def centre(self) -> MatrixArray:
        """(3,) in the world."""
        where: MatrixArray = -self.rotation.T @ self.translation
        return where

    @property
    def enough(self) -> bool:
        """Tell that depths can be found."""
        return len(self.neighbours) >= FEWEST_NEIGHBOURS and 0 < self.nearest < self.farthest


def read_views(workspace: Path, *, sources: int) -> dict[str, DenseView]:
    """The workspace's views by name, in the order of names, each with at most so many neighbours.

    ValueError when a camera is no pinhole camera.
    """
    model = pycolmap.Reconstruction(workspace / "sparse")
    stereo = pycolmap.MVSModel()
    stereo.read_from_colmap(workspace)
    names = [stereo.get_image_name(index) for index in range(model.num_reg_images())]
    angles, shared = stereo.compute_triangulation_angles(), stereo.compute_shared_points()
    ranges = stereo.compute_depth_ranges()
    by_name = {image.name: image for image in model.images.values()}
    return {
        name: _view(by_name[name], ranges[index], _neighbours(names, angles[index], shared[index], sources))
        for index, name in sorted(enumerate(names), key=lambda item: item[1])
    }


def _view(image: pycolmap.Image, depths: tuple[float, float], neighbours: tuple[str, ...]) -> DenseView:
    camera = image.camera
    if camera is None:
        raise ValueError(f"{image.name} has no camera; make the workspace again")
    if camera.model_name not in {"PINHOLE", "SIMPLE_PINHOLE"}:
        raise ValueError(f"{image.name} has a {camera.model_name} camera; undistort the images first")
    pose = image.cam_from_world().matrix()
    calibration = camera.calibration_matrix()
    return DenseView(
        name=image.name,
        width=camera.width,
        height=camera.height,
        focal=(float(calibration[0, 0]), float(calibration[1, 1])),
        # COLMAP's origin is the first pixel's corner.
        principal=(float(calibration[0, 2]) - 0.5, float(calibration[1, 2]) - 0.5),
        rotation=pose[:, :3],
        translation=pose[:, 3],
        nearest=float(depths[0]),
        farthest=float(depths[1]),
        neighbours=neighbours,
    )


def _neighbours(
    names: Sequence[str], angles: Mapping[int, float], shared: Mapping[int, int], count: int
) -> tuple[str, ...]:
    """The views that share most points, each worth as much as its angle is good for depths."""
    worth = {
        names[other]: shared[other] * _worth(angle)
        for other, angle in angles.items()
        if _NARROWEST <= angle <= _WIDEST and shared.get(other, 0) >= _FEWEST_SHARED
    }
    return tuple(sorted(worth, key=lambda name: (-worth[name], name))[:count])


def _worth(angle: float) -> float:
    spread = _NARROWER if angle < _BEST else _WIDER
    return float(np.exp(-0.5 * ((angle - _BEST) / spread) ** 2))
