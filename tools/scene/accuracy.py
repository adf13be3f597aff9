"""Measures a reconstruction against the true cameras: a similarity fit, then what it leaves.

`python -m tools.scene.accuracy MODEL_DIR TRUTH.json` reads a COLMAP text model.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np

from tools.scene.camera import FloatArray, Truth

_TRIPLES: Final = 1000
"""Most triples of cameras that the robust fit tries: all of them up to 19 cameras."""


@dataclass(frozen=True)
class Pose:
    """A reconstructed camera, in the reconstruction's own frame."""

    rotation: FloatArray
    """(3, 3) camera to world."""
    centre: FloatArray
    """(3,)"""


@dataclass(frozen=True)
class Similarity:
    """Maps x to scale * rotation @ x + translation."""

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def apply(self, points: FloatArray) -> FloatArray:
        """Map points (N, 3)."""
        mapped: FloatArray = self.scale * points @ self.rotation.T + self.translation
        return mapped


@dataclass(frozen=True)
class Accuracy:
    """How well a reconstruction agrees with the truth."""

    centre_error_max: float
    """Worst distance of a camera centre from the truth, relative to the scene's extent: 0.01 is 1 %."""
    centre_error_rms: float
    """Root mean square of the same."""
    rotation_error_deg: float
    """Worst angle in degrees between a camera's orientation and the truth."""
    registered: int
    expected: int


def fit_similarity(source: FloatArray, target: FloatArray) -> Similarity:
    """Give the least-squares similarity from points (N, 3) to points (N, 3), N at least 3.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE PAMI 13 (1991).
    ValueError when the source points lie on one line, where the rotation is not determined.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    spread, wanted = source - source_mean, target - target_mean
    singular = np.linalg.svd(spread, compute_uv=False)
    if len(source) < 3 or singular[1] <= 1e-9 * singular[0]:
        raise ValueError("a similarity needs three points that are not on one line")
    left, strength, right = np.linalg.svd(wanted.T @ spread)
    mirror = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = left @ np.diag(mirror) @ right
    scale = float(strength @ mirror / (spread**2).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def fit_robust_similarity(source: FloatArray, target: FloatArray) -> Similarity:
    """Fit as fit_similarity does, but to the points that agree: a camera far off does not bend the others' fit.

    The triple of points with the least median residual tells which ones agree (least median of squares, Rousseeuw
    1984); the fit is then to all of those.
    """
    triples = np.array(list(combinations(range(len(source)), 3)))
    if len(triples) > _TRIPLES:
        triples = np.random.default_rng(0).choice(triples, _TRIPLES, replace=False)
    best = np.full(len(source), np.inf)
    for triple in triples:
        try:
            fit = fit_similarity(source[triple], target[triple])
        except ValueError:
            continue
        residuals = np.linalg.norm(fit.apply(source) - target, axis=1)
        if np.median(residuals) < np.median(best):
            best = residuals
    if not np.all(np.isfinite(best)):
        raise ValueError("a similarity needs three points that are not on one line")
    # 1.4826 medians are a standard deviation of normally distributed residuals. A triple's own residuals are almost
    # nothing, so with few points the median may be too: hence the floor.
    limit = max(3 * 1.4826 * float(np.median(best)), 1e-9 * float(np.ptp(target)))
    agree = best <= limit
    return fit_similarity(source[agree], target[agree])


def to_truth(poses: Mapping[str, Pose], truth: Truth) -> Similarity:
    """Give what maps the reconstruction to the scene; ValueError when under three cameras can be compared."""
    cameras = [camera for camera in truth.cameras if camera.name in poses]
    if len(cameras) < 3:
        known, total = len(cameras), len(truth.cameras)
        raise ValueError(f"{known} of {total} true cameras are in the model, where a fit needs 3; are names the same?")
    return fit_robust_similarity(
        np.array([poses[camera.name].centre for camera in cameras]), np.array([camera.centre for camera in cameras])
    )


def compare(poses: Mapping[str, Pose], truth: Truth) -> Accuracy:
    """Compare reconstructed cameras, by photo name, with the truth; ValueError when under three can be compared."""
    cameras = [camera for camera in truth.cameras if camera.name in poses]
    fit = to_truth(poses, truth)
    centres = np.array([poses[camera.name].centre for camera in cameras])
    true_centres = np.array([camera.centre for camera in cameras])
    errors = np.linalg.norm(fit.apply(centres) - true_centres, axis=1) / truth.extent
    angles = [_angle(fit.rotation @ poses[camera.name].rotation, np.array(camera.rotation)) for camera in cameras]
    return Accuracy(
        centre_error_max=float(errors.max()),
        centre_error_rms=float(np.sqrt((errors**2).mean())),
        rotation_error_deg=max(angles),
        registered=len(cameras),
        expected=len(truth.cameras),
    )


def read_images_txt(path: Path) -> dict[str, Pose]:
    """Read the poses of COLMAP's images.txt (https://colmap.github.io/format.html#images-txt), by photo name."""
    if not path.exists():
        raise ValueError(f"{path} is missing; export text: `colmap model_converter --output_type TXT`")
    rows = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.startswith("#")]
    poses = {}
    for row in rows[::2]:  # every other line is the image's keypoints, which may be an empty line
        if not row:
            continue
        columns = row.split(maxsplit=9)
        if len(columns) != 10:
            raise ValueError(f"{path} is cut short or no images.txt: {row[:80]!r} has not 10 columns; export it again")
        quaternion, translation = np.array(columns[1:5], float), np.array(columns[5:8], float)
        rotation = _camera_to_world(quaternion)
        poses[columns[9]] = Pose(rotation=rotation, centre=-rotation @ translation)
    return poses


def read_points_txt(path: Path) -> FloatArray:
    """Read the points (N, 3) of COLMAP's points3D.txt (https://colmap.github.io/format.html#points3d-txt)."""
    rows = [line.split(maxsplit=4)[1:4] for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    return np.array(rows, float).reshape(-1, 3)


def _camera_to_world(quaternion: FloatArray) -> FloatArray:
    """Give the inverse of the rotation that a unit quaternion (w, x, y, z) makes from world to camera."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _angle(one: FloatArray, other: FloatArray) -> float:
    """Give the angle in degrees between two rotations, exactly even where it is tiny."""
    return float(np.degrees(2 * np.arcsin(min(1.0, np.linalg.norm(one - other) / np.sqrt(8)))))


def main() -> None:
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.scene.accuracy", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="holds COLMAP's images.txt")
    parser.add_argument("truth", type=Path, metavar="TRUTH.json", help="written by `python -m tools.scene`")
    arguments = parser.parse_args()
    try:
        accuracy = compare(read_images_txt(arguments.model / "images.txt"), Truth.read(arguments.truth))
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    for name, value in asdict(accuracy).items():
        print(f"{name} {value:.6g}")


if __name__ == "__main__":
    main()
