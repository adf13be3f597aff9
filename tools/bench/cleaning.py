"""What cleaning takes away, beside how far each point is from the true surface: the figures of `cleaning.py`.

    python -m tools.bench.cleaning [--width 1000] [--quality medium] [--keep FOLDER]

Reconstructs twenty rendered photos by COLMAP alone, and asks of each of its points what the two rules say.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_api.resource import Quality
from pointcloud_colmap.cleaning import outliers, uncertainties
from pointcloud_colmap.observations import Observations
from tools.bench.alone import command
from tools.scene.accuracy import Pose, to_truth
from tools.scene.camera import FloatArray, Truth
from tools.scene.photos import PHOTOS, WIDTH, render
from tools.scene.scenes import scene
from tools.scene.surface import distances

_FAR: Final = 0.05
"""Metres from the surface: a point that should go."""
_OFF: Final = 0.02


def from_surface(observations: Observations, truth: Truth) -> FloatArray:
    """Metres (N,) of the points, once the cameras are on the true ones."""
    poses = {}
    for image in observations.images:
        rotation = image.cam_from_world().rotation.matrix().T
        poses[image.name] = Pose(rotation=rotation, centre=image.projection_center())
    solids = scene("orbit", photos=len(truth.cameras), width=truth.cameras[0].width).solids
    return distances(to_truth(poses, truth).apply(observations.positions), solids)


def row(name: str, away: FloatArray, removed: NDArray[np.bool_]) -> str:
    """What is left, and what is gone, under one rule."""
    left, far = away[~removed], away > _FAR
    off = f"{(away[removed] > _OFF).mean():.0%}" if removed.any() else ""
    return (
        f"| {name} | {removed.sum()} | {off} | {(removed & far).sum()} of {far.sum()} "
        f"| {100 * np.sqrt((left**2).mean()):.2f} cm | {100 * left.max():.0f} cm |"
    )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--quality", type=Quality, default=Quality.MEDIUM)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name) / "scene"
        truth = render(folder, scene("orbit", photos=PHOTOS, width=options.width))
        model = Path(name) / "model"
        model.mkdir()
        alone = command(folder / "photos", model, options.quality)
        subprocess.run(alone, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        observations = Observations.of(pycolmap.Reconstruction(model))
    away = from_surface(observations, truth)
    uncertain, lonely = outliers(observations.positions, uncertainties(observations))
    print(f"{len(away):,} points, half of them less than {1000 * np.median(away):.1f} mm off")
    print("| rule | removed | more than 2 cm off | of those more than 5 cm off | root mean square left | worst left |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    nothing = np.zeros(len(away), np.bool_)
    for rule, removed in (
        ("none", nothing),
        ("uncertain", uncertain),
        ("lonely", lonely),
        ("both", uncertain | lonely),
    ):
        print(row(rule, away, removed))


if __name__ == "__main__":
    main()
