"""How exact a reconstruction is: the table of docs/photos.md.

    python -m tools.bench.accuracy [--scenes orbit,grid,corridor,video] [--quality low] [--width 640] [--keep FOLDER]

Renders scenes whose cameras and surfaces are known, through a lens that bends straight lines, and with GPS positions
that are wrong by 0.3 m (standard deviation along each axis); reconstructs them by the stage's real program; and
compares. `--keep` is where rendered photos stay for the next time.
"""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pointcloud_api.resource import Density, Matching, Quality
from pointcloud_api.stages import REPORT_FILE, ReconstructSettings
from tests.fixtures.store import StoreServer, run_store
from tools.bench.checkpoint import WITH, Cost, ingested, measure
from tools.scene.accuracy import Accuracy, Pose, compare, read_images_txt, read_points_txt, to_truth
from tools.scene.camera import FloatArray, Truth
from tools.scene.gps import geotag, in_the_scene
from tools.scene.photos import Scene, render
from tools.scene.scenes import LENS, NAMES, scene
from tools.scene.surface import distances

PHOTOS: Final = {"orbit": 20, "grid": 25, "corridor": 20, "video": 24}
_TITLES: Final = {
    "orbit": "once around",
    "grid": "in a grid, straight down",
    "corridor": "along a corridor and back",
    "video": "frames of a video",
}
NOISE: Final = 0.3
"""Metres."""
_HEAD: Final = (
    "Photos",
    "Registered",
    "Centres, of the scene",
    "Centres, on the map",
    "Rotation",
    "Points to surface: median, 95 %",
    "Reprojection",
    "CPU",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table."""

    name: str
    photos: Path
    """A folder."""
    scene: Scene
    truth: Truth
    settings: ReconstructSettings


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """How far a reconstruction is from the truth."""

    cameras: Accuracy
    on_the_map: FloatArray | None
    """Metres (N,) between where cameras are and where they were, by the georeference alone; None without one."""
    to_surface: FloatArray
    """Metres (N,) of the points, once the cameras are on the true ones."""


def cases(name: str, folder: Path, *, width: int, quality: Quality) -> Iterator[Case]:
    """One scene through a lens, and with GPS, which frames of videos have not; renders what is missing.

    The orbit is taken without distortion too, for comparison.
    """
    for radial in ((0.0, 0.0), LENS) if name == "orbit" else (LENS,):
        made = scene(name, photos=PHOTOS[name], width=width, radial=radial)
        place = folder / f"{name}-{'distorted' if any(radial) else 'plain'}"
        truth = render(place, made)
        settings = ReconstructSettings(
            quality=quality,
            matching=Matching.AUTO if made.tells else Matching.SEQUENTIAL,
            density=Density.SPARSE,
        )
        title = f"{PHOTOS[name]} {_TITLES[name]}" + (", no distortion" if not any(radial) else "")
        case = Case(name=title, photos=place / "photos", scene=made, truth=truth, settings=settings)
        yield case
    if made.tells:
        tagged = place / "tagged"
        shutil.rmtree(tagged, ignore_errors=True)
        geotag(case.photos, tagged, truth, noise=NOISE)
        yield Case(name=f"{case.name}, GPS", photos=tagged, scene=made, truth=truth, settings=settings)


def reconstructed(case: Case, store: StoreServer, scratch: Path) -> Cost:
    """One run of the stage."""
    key = case.name.replace(", ", "-").replace(" ", "-").lower()
    ingested(store, sorted(case.photos.glob("*.jpg")), key=f"photos-{key}")
    return measure(WITH, key, case.settings, store, scratch, photos=f"photos-{key}")


def exactness(case: Case, cost: Cost) -> Exactness:
    """What the run's files are worth."""
    poses = read_images_txt(cost.run.folder / "sparse" / "images.txt")
    points = read_points_txt(cost.run.folder / "sparse" / "points3D.txt")
    placed = cost.run.json(REPORT_FILE)["georeference"]
    return Exactness(
        cameras=compare(poses, case.truth),
        on_the_map=_on_the_map(poses, case.truth, placed["origin"]) if placed else None,
        to_surface=distances(to_truth(poses, case.truth).apply(points), case.scene.solids),
    )


def _on_the_map(poses: dict[str, Pose], truth: Truth, origin: dict[str, float]) -> FloatArray:
    cameras = [camera for camera in truth.cameras if camera.name in poses]
    centres = np.array([poses[camera.name].centre for camera in cameras])
    there = in_the_scene(centres, np.array([origin["latitude"], origin["longitude"], origin["altitude"]]))
    off: FloatArray = np.linalg.norm(there - np.array([camera.centre for camera in cameras]), axis=1)
    return off


def row(case: Case, cost: Cost) -> tuple[str, ...]:
    """Of the table; figures are root mean squares and, after them, the worst."""
    found = exactness(case, cost)
    figures: dict[str, Any] = cost.run.json(REPORT_FILE)["figures"]
    cameras, off = found.cameras, found.on_the_map
    median, most = 1000 * np.percentile(found.to_surface, (50, 95))
    return (
        case.name,
        f"{cameras.registered} of {cameras.expected}",
        f"{100 * cameras.centre_error_rms:.3f}, {100 * cameras.centre_error_max:.3f} %",
        f"{np.sqrt((off**2).mean()):.2f}, {off.max():.2f} m" if off is not None else "",
        f"{cameras.rotation_error_deg:.3f}°",
        f"{median:.1f}, {most:.1f} mm",
        f"{figures['meanReprojectionError']:.2f} px",
        f"{cost.processor:.0f} s",
    )


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", default=",".join(NAMES))
    parser.add_argument("--quality", type=Quality, default=Quality.LOW)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, run_store(Path(name) / "store") as store:
        _tell(_HEAD)
        _tell(["---"] * len(_HEAD))
        for chosen in options.scenes.split(","):
            folder = options.keep or Path(name) / "scenes"
            for case in cases(chosen, folder, width=options.width, quality=options.quality):
                _tell(row(case, reconstructed(case, store, Path(name))))


def _tell(cells: tuple[str, ...] | list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
