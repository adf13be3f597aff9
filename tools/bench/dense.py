"""Dense clouds on the CPU: how complete, how exact, and what they cost.

    python -m tools.bench.dense [PHOTOS_FOLDER...] [--width 800] [--photos 18] [--qualities low,high] [--keep FOLDER]
    python -m tools.bench.dense --memory 18,100,500 [--width 160]

Of three rendered scenes, whose truth is known: a site, and an estate whose houses have next to no texture, from a
drone, and a ruin from all around. What is told of their depth maps is in the words of tools.scene.depths. Of folders
of photos: how near dense points come to the sparse ones.
A footprint is the size of a pixel at the depth of the sparse points, in the median; a point is isolated when its eighth
neighbour is farther than six of them. Seconds are of processors, so that other work on the machine does not count, and
a million pixels of one view. Each step is done by a process of its own; its memory is told in bytes a pixel of one
view, with the images it keeps and all that it maps. What is kept with --keep is not made again, but fused again.

The second form tells the memory for as many views of the ruin.
"""

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from scipy.spatial import cKDTree

from pointcloud_api.resource import Quality
from pointcloud_colmap.depth_maps import Pass
from tools.bench.processor import peak_memory, reset_peak
from tools.scene.camera import Camera, FloatArray
from tools.scene.depths import assess
from tools.scene.paths import orbit
from tools.scene.raycast import Solids
from tools.scene.ruin import ruin
from tools.scene.surface import distances
from tools.scene.survey import estate, site, strips
from tools.scene.workspace import Shot, shoot, write_workspace

SCENES: dict[str, tuple[Callable[[], Solids], Callable[..., tuple[Camera, ...]]]] = {
    "survey": (site, strips),
    "estate": (estate, strips),
    "ruin": (ruin, orbit),
}
_KEPT_IMAGES = 1 << 26


_POINTS = 3_000
"""Of the sparse model, where memory is measured."""
_SAMPLE = 100_000
"""Points whose neighbours are looked for."""
_COMPARED = 5_000
"""Points of them that are compared with the surface, which takes a thousand times as long."""


@dataclass(frozen=True)
class Cost:
    """Of one step."""

    seconds: float
    """Of processors."""
    memory: int
    """Bytes."""
    points: int = 0


def estimate(workspace: Path, quality: Quality, threads: int) -> Cost:
    """Estimate all maps that are missing."""
    from pointcloud_colmap.dense.numba_cache import compile_kernels  # noqa: PLC0415 - in a process of its own
    from pointcloud_colmap.dense.patch_match import estimate_maps  # noqa: PLC0415
    from pointcloud_colmap.dense.recipe import RECIPES  # noqa: PLC0415
    from pointcloud_colmap.dense.views import read_views  # noqa: PLC0415

    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    compile_kernels()
    reset_peak()
    before, begun, recipe = peak_memory(), time.process_time(), RECIPES[quality]
    views = read_views(workspace, sources=recipe.sources)
    estimate_maps(
        workspace, views, recipe=recipe, threads=threads, memory=_KEPT_IMAGES, tell=lambda _done, _total: None
    )
    return Cost(time.process_time() - begun, peak_memory() - before)


def fuse(workspace: Path, threads: int) -> Cost:
    """Fuse the maps that are there into workspace/fused."""
    from pointcloud_colmap.dense.fusion import fuse_maps  # noqa: PLC0415 - as above
    from pointcloud_colmap.dense.numba_cache import compile_kernels  # noqa: PLC0415
    from pointcloud_colmap.depth_maps import has_maps  # noqa: PLC0415

    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    compile_kernels()
    names = [image.name for image in pycolmap.Reconstruction(workspace / "sparse").images.values()]
    shutil.rmtree(workspace / "packed", ignore_errors=True)
    reset_peak()
    before, begun = peak_memory(), time.process_time()
    points = fuse_maps(
        workspace,
        [name for name in names if has_maps(workspace, name, Pass.GEOMETRIC)],
        made_in=Pass.GEOMETRIC,
        pixel_centre=0.5,
        scratch=workspace / "packed",
        output=workspace / "fused",
        threads=threads,
        tell=lambda _done, _total: None,
    )
    return Cost(time.process_time() - begun, peak_memory() - before, points)


def _apart(step: Callable[..., Cost], *arguments: Any) -> Cost:
    """Do a step in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(step, *arguments).result()


def measured(workspace: Path, quality: Quality, threads: int) -> str:
    """Estimate and fuse: a line of figures."""
    estimating, fusing = _apart(estimate, workspace, quality, threads), _apart(fuse, workspace, threads)
    cameras = pycolmap.Reconstruction(workspace / "sparse")
    sizes = [image.camera.width * image.camera.height for image in cameras.images.values()]
    pixels = sum(sizes) / 1e6

    def told(cost: Cost) -> str:
        memory = f"{cost.memory / max(sizes):.0f} bytes a pixel ({cost.memory / 1e6:.0f} MB)"
        return f"{cost.seconds / pixels:.2f} CPU s/MPv, {memory}"

    return f"{fusing.points:,} points; maps {told(estimating)}; fusion {told(fusing)}"


def of_memory(views: int, width: int, threads: int) -> str:
    """What so many views take: a line of figures."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "ruin"
        # The model's size is COLMAP's affair: as many points for any number of views.
        write_workspace(workspace, shoot(ruin(), orbit(photos=views, width=width)), points=_POINTS // views)
        return measured(workspace, Quality.MEDIUM, threads)


def rendered(folder: Path, name: str, *, photos: int, width: int) -> tuple[Path, list[Shot]]:
    """The workspace of a scene and its truth."""
    solids, cameras = SCENES[name]
    shots = shoot(solids(), cameras(photos=photos, width=width))
    if not (folder / name).exists():
        write_workspace(folder / name, shots)
    return folder / name, shots


def against_truth(workspace: Path, shots: list[Shot]) -> str:
    """A line of figures."""
    from pointcloud_colmap.dense.maps import MapFiles, read_map  # noqa: PLC0415 - as above

    files = {shot.camera.name: MapFiles.of(workspace, shot.camera.name, Pass.GEOMETRIC) for shot in shots}
    accuracy = assess({name: read_map(maps.depth)[0] for name, maps in files.items() if maps.exist()}, shots)
    return (
        f"complete {accuracy.complete:.3f} of {accuracy.ceiling:.3f}, median error {accuracy.median_error:.3f} "
        f"footprints, outliers {100 * accuracy.outliers:.2f} %, in the sky {100 * accuracy.fringes:.2f} %"
    )


def reconstructed(folder: Path, photos: Path, *, width: int) -> Path:
    """A workspace of photos, which all have one camera."""
    if (folder / "dense").exists():
        return folder / "dense"
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "database.db"
    extraction, matching = pycolmap.FeatureExtractionOptions(), pycolmap.FeatureMatchingOptions()
    extraction.max_image_size, extraction.use_gpu, matching.use_gpu = 1600, False, False
    single = pycolmap.CameraMode.SINGLE
    pycolmap.extract_features(database, photos, camera_mode=single, extraction_options=extraction)
    pycolmap.match_exhaustive(database, matching_options=matching)
    models = pycolmap.incremental_mapping(database, photos, folder / "models")
    best = max(models.values(), key=pycolmap.Reconstruction.num_reg_images)
    (folder / "best").mkdir()
    best.write(folder / "best")
    options = pycolmap.UndistortCameraOptions()
    options.max_image_size = width
    pycolmap.undistort_images(folder / "dense", folder / "best", photos, undistort_options=options)
    return folder / "dense"


def places(workspace: Path) -> FloatArray:
    """(N, 3): the dense points."""
    from pointcloud_colmap.dense_cloud import DenseCloud  # noqa: PLC0415 - as above

    found: FloatArray = DenseCloud.mapped(workspace / "fused").positions[:]
    return found


def footprints(model: pycolmap.Reconstruction) -> tuple[FloatArray, FloatArray]:
    """Sparse points that four photos and more see (N, 3), and their footprints (N,)."""
    sparse = [point for point in model.points3D.values() if point.track.length() >= 4]
    sizes = []
    for point in sparse:
        image = model.image(point.track.elements[0].image_id)
        sizes.append((image.cam_from_world() * point.xyz)[2] / model.camera(image.camera_id).mean_focal_length())
    return np.array([point.xyz for point in sparse]), np.array(sizes)


def of_points(workspace: Path, solids: Solids | None) -> str:
    """How near dense points are to the sparse ones, to one another, and to the surface: a line of figures."""
    dense, (sparse, sizes) = places(workspace), footprints(pycolmap.Reconstruction(workspace / "sparse"))
    tree, footprint = cKDTree(dense), np.median(sizes)
    away = tree.query(sparse)[0] / sizes
    some = dense[np.random.default_rng(0).permutation(len(dense))[:_SAMPLE]]
    isolated = np.mean(tree.query(some, [9])[0] > 6 * footprint)
    line = (
        f"sparse points met within {np.median(away):.2f} footprints (median), {np.mean(away < 3):.3f} within 3; "
        f"{100 * isolated:.3f} % isolated"
    )
    if solids is None:
        return line
    off = distances(some[:_COMPARED], solids) / footprint
    return f"{line}; off the surface {np.median(off):.3f} footprints (median), {100 * np.mean(off > 6):.2f} % beyond 6"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos_folders", nargs="*", type=Path)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--photos", type=int, default=18)
    parser.add_argument("--qualities", default="medium")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--memory", help="numbers of views, of which nothing but the memory is told")
    options = parser.parse_args()
    if options.memory:
        for views in map(int, options.memory.split(",")):
            print(f"{views:4} views: {of_memory(views, options.width, options.threads)}", flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        for quality in map(Quality, options.qualities.split(",")):
            folder = (options.keep or Path(temporary)) / quality
            for name in SCENES:
                workspace, shots = rendered(folder, name, photos=options.photos, width=options.width)
                line = measured(workspace, quality, options.threads)
                truth = f"{against_truth(workspace, shots)}; {of_points(workspace, SCENES[name][0]())}"
                print(f"{name:16} {quality:7} {truth}; {line}", flush=True)
            for photos in options.photos_folders:
                workspace = reconstructed(folder / photos.name, photos, width=options.width)
                line = measured(workspace, quality, options.threads)
                print(f"{photos.name:16} {quality:7} {of_points(workspace, None)}; {line}", flush=True)


if __name__ == "__main__":
    main()
