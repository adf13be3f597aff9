"""The true cameras: what they project where, and the JSON file that tells a test so.

Conventions are COLMAP's: camera axes x right, y down, z forward; the centre of the first pixel is (0.5, 0.5)
(https://colmap.github.io/format.html, https://colmap.github.io/cameras.html).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

FloatArray = NDArray[np.float64]
Vector = tuple[float, float, float]

WORLD_UP = np.array([0.0, 0.0, 1.0])


class Camera(BaseModel):
    """One photo's camera in a right-handed world whose z axis points up; lengths in metres."""

    model_config = ConfigDict(frozen=True)

    name: str
    """File name of the photo."""
    width: int
    height: int
    focal: float
    """Focal length in pixels, the same along x and y."""
    principal_point: tuple[float, float]
    radial: tuple[float, float] = (0.0, 0.0)
    """Distortion of the lens, as k1 and k2 of COLMAP's model RADIAL; without any it is a pinhole's."""
    rotation: tuple[Vector, Vector, Vector]
    """Camera to world, as rows: its columns are the camera's axes in the world."""
    centre: Vector

    def project(self, points: FloatArray) -> FloatArray:
        """Give the pixel coordinates (N, 2) of world points (N, 3), which must lie before the camera."""
        local = (points - np.array(self.centre)) @ np.array(self.rotation)
        if np.any(local[:, 2] <= 0):
            raise ValueError(f"{self.name} cannot project points behind it; drop those first")
        slopes = local[:, :2] / local[:, 2:]
        squared = (slopes**2).sum(axis=1, keepdims=True)
        k1, k2 = self.radial
        bent = slopes * (1 + squared * (k1 + squared * k2))
        pixels: FloatArray = self.focal * bent + np.array(self.principal_point)
        return pixels


class Truth(BaseModel):
    """What is known of a folder of rendered photos: the content of truth/cameras.json."""

    model_config = ConfigDict(frozen=True)

    generator: str
    """Hash of the code and the settings that made the photos."""
    extent: float
    """Diameter of the scene in metres: what errors are relative to."""
    cameras: tuple[Camera, ...]

    @classmethod
    def read(cls, path: Path) -> "Truth":
        """Read the JSON file; ValueError when it is not one that tools.scene wrote."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            message = f"{path} is no truth file; render one with `python -m tools.scene OUT_DIR`: {error}"
            raise ValueError(message) from error

    def to_json(self) -> str:
        """Give the text of the JSON file."""
        return self.model_dump_json(indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Write the JSON file in one step, so that a reader never meets half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(self.to_json(), encoding="utf-8")
        partial.replace(path)


def look_at(*, centre: FloatArray, target: FloatArray) -> FloatArray:
    """Give the camera-to-world rotation (3, 3) of a level camera at `centre` that looks at `target`."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, WORLD_UP)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(forward, right), forward])
