"""Dense depth maps on the CPU: how complete, how exact, and what they cost.

    python -m tools.bench.dense [PHOTOS_FOLDER...] [--width 800] [--photos 18] [--qualities low,high] [--keep FOLDER]

Of two rendered scenes, whose truth is known (see tools.scene.depths for the words): a site from a drone, and a ruin
from all around. Of folders of photos: points, and how near the dense ones come to the sparse ones. Seconds are of
processors, so that other work on the machine does not count, and a million pixels of one view. Each scene is worked on
by a process of its own; its memory is told in bytes a pixel of one view, the images it keeps included.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from scipy.spatial import cKDTree

from pointcloud_api.resource import Quality
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.depth_maps import Pass
from tools.scene.camera import Camera
from tools.scene.depths import assess
from tools.scene.paths import orbit
from tools.scene.raycast import Solids
from tools.scene.ruin import ruin
from tools.scene.survey import site, strips
from tools.scene.workspace import Shot, shoot, write_workspace

SCENES: dict[str, tuple[Callable[[], Solids], Callable[..., tuple[Camera, ...]]]] = {
    "survey": (site, strips),
    "ruin": (ruin, orbit),
}
_KEPT_IMAGES = 1 << 26


@dataclass(frozen=True)
class Cost:
    """Of one workspace."""

    estimating: float
    """Processor seconds."""
    fusing: float
    memory: int
    """Bytes."""
    points: int


def estimate(workspace: Path, quality: Quality, threads: int) -> Cost:
    """Estimate all maps and fuse them into workspace/fused.ply."""
    from pointcloud_colmap.dense.fusion import AGREEING, fusion_workspace  # noqa: PLC0415 - in a process of its own
    from pointcloud_colmap.dense.numba_cache import compile_kernels  # noqa: PLC0415
    from pointcloud_colmap.dense.patch_match import estimate_maps  # noqa: PLC0415
    from pointcloud_colmap.dense.recipe import RECIPES  # noqa: PLC0415

    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value
    compile_kernels()
    before, begun = _peak(), time.process_time()
    estimate_maps(
        workspace, recipe=RECIPES[quality], threads=threads, memory=_KEPT_IMAGES, tell=lambda _done, _total: None
    )
    memory, estimated = _peak() - before, time.process_time()
    views = pycolmap.Reconstruction(workspace / "sparse").num_reg_images()
    cloud = pycolmap.stereo_fusion(
        workspace / "fused.ply",
        fusion_workspace(workspace),
        input_type="geometric",
        output_type="PLY",
        options=DENSE_PRESETS[quality].fusion(views=views, video=False, agreeing=AGREEING),
    )
    return Cost(estimated - begun, time.process_time() - estimated, memory, cloud.num_points3D())


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(workspace: Path, quality: Quality, threads: int) -> tuple[Cost, str]:
    """What it costs, and a line of figures."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        cost = pool.submit(estimate, workspace, quality, threads).result()
    cameras = pycolmap.Reconstruction(workspace / "sparse")
    sizes = [image.camera.width * image.camera.height for image in cameras.images.values()]
    pixels = sum(sizes) / 1e6
    return cost, (
        f"{cost.estimating / pixels:5.1f} CPU s/MPv, fusion {cost.fusing / pixels:4.2f}, "
        f"{cost.memory / max(sizes):4.0f} bytes a pixel ({cost.memory / 1e6:.0f} MB), {cost.points:,} points"
    )


def rendered(folder: Path, name: str, *, photos: int, width: int) -> tuple[Path, list[Shot]]:
    """The workspace of a scene and its truth."""
    solids, cameras = SCENES[name]
    shots = shoot(solids(), cameras(photos=photos, width=width))
    write_workspace(folder / name, shots)
    return folder / name, shots


def against_truth(workspace: Path, shots: list[Shot]) -> str:
    """A line of figures."""
    from pointcloud_colmap.dense.maps import MapFiles, read_map  # noqa: PLC0415 - as above

    files = {shot.camera.name: MapFiles.of(workspace, shot.camera.name, Pass.GEOMETRIC) for shot in shots}
    accuracy = assess({name: read_map(maps.depth)[0] for name, maps in files.items() if maps.exist()}, shots)
    return (
        f"complete {accuracy.complete:.3f} of {accuracy.ceiling:.3f}, median error {accuracy.median_error:.3f} "
        f"footprints, outliers {100 * accuracy.outliers:.2f} %"
    )


def reconstructed(folder: Path, photos: Path, *, width: int) -> Path:
    """A workspace of photos, which all have one camera."""
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


def against_sparse(workspace: Path) -> str:
    """How far the nearest dense point is from sparse ones that four photos and more see: a line of figures."""
    model = pycolmap.Reconstruction(workspace / "sparse")
    dense = pycolmap.Reconstruction()
    dense.import_PLY(workspace / "fused.ply")
    tree = cKDTree([point.xyz for point in dense.points3D.values()])
    sparse = [point for point in model.points3D.values() if point.track.length() >= 4]
    footprints = []
    for point in sparse:
        image = model.image(point.track.elements[0].image_id)
        focal = model.camera(image.camera_id).mean_focal_length()
        footprints.append((image.cam_from_world() * point.xyz)[2] / focal)
    away = tree.query([point.xyz for point in sparse])[0] / np.array(footprints)
    return f"sparse points met within {np.median(away):.2f} footprints (median), {np.mean(away < 3):.2f} within 3"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos_folders", nargs="*", type=Path)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--photos", type=int, default=18)
    parser.add_argument("--qualities", default="medium")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--keep", type=Path, help="where to work; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for quality in map(Quality, options.qualities.split(",")):
            folder = (options.keep or Path(temporary)) / quality
            for name in SCENES:
                workspace, shots = rendered(folder, name, photos=options.photos, width=options.width)
                _, line = measured(workspace, quality, options.threads)
                print(f"{name:16} {quality:7} {against_truth(workspace, shots)}; {line}", flush=True)
            for photos in options.photos_folders:
                workspace = reconstructed(folder / photos.name, photos, width=options.width)
                _, line = measured(workspace, quality, options.threads)
                print(f"{photos.name:16} {quality:7} {against_sparse(workspace)}; {line}", flush=True)


if __name__ == "__main__":
    main()
