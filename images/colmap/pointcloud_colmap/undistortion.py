"""`undistorted.zip`: photos as a pinhole camera would have taken them, with their cameras, ready for training on.

It holds what trainers of Gaussian splats start from, in both of their usual layouts: `images`, `sparse/0` and points as
COLMAP's users expect them, and nerfstudio's transforms.json.
"""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import CameraModel
from pointcloud_api.stages import POINTS_FILE, TRANSFORMS_FILE, UNDISTORTED_FILE, StageWarning
from pointcloud_colmap.beating import beating
from pointcloud_colmap.transforms import transforms
from pointcloud_stage import Reporter
from pointcloud_stage.limits import cpu_limit

_JPEG_QUALITY: Final = 95
_IMAGES: Final = "images"


def warn_of_panoramas(model: pycolmap.Reconstruction) -> StageWarning | None:
    """Say that there is no pinhole camera which sees all that these photos do, where one of them is a panorama.

    COLMAP ends by abort() when it is asked for one.
    """
    if not any(camera.model_name == CameraModel.EQUIRECTANGULAR for camera in model.cameras.values()):
        return None
    return StageWarning(
        reason="NotUndistorted",
        message="No undistorted photos are made, as no pinhole camera sees what a panorama does: cut the panoramas "
        "into perspective views, and reconstruct from those.",
    )


def write_undistorted(model: Path, photos: Path, folder: Path, *, scratch: Path, progress: Reporter) -> None:
    """Write the archive into `folder`, which holds the points, reporting the step `undistort` in images.

    Args:
        model: Folder with COLMAP's model.
        photos: Folder of the photos as the model names them.
        folder: Holds points.ply and gets undistorted.zip.
        scratch: A folder that does not exist yet; takes as much as the photos do, and is gone afterwards.
        progress: Where to report.
    """
    total = pycolmap.Reconstruction(model).num_reg_images()
    images = scratch / _IMAGES

    def look() -> None:
        progress.update("undistort", sum(file.is_file() for file in images.rglob("*")), total, "images")

    with beating(look):
        pycolmap.undistort_images(
            scratch, model, photos, jpeg_quality=_JPEG_QUALITY, num_threads=cpu_limit(), output_type="COLMAP"
        )
    look()
    undistorted = pycolmap.Reconstruction(scratch / "sparse")
    document = transforms(undistorted, images=_IMAGES, points=POINTS_FILE)
    # Compressing photos again would gain next to nothing.
    with zipfile.ZipFile(folder / UNDISTORTED_FILE, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        archive.write(folder / POINTS_FILE, POINTS_FILE)
        archive.writestr(TRANSFORMS_FILE, json.dumps(document, indent=1))
        for file in sorted((scratch / "sparse").iterdir()):
            archive.write(file, f"sparse/0/{file.name}")
        for file in sorted(file for file in images.rglob("*") if file.is_file()):
            archive.write(file, file.relative_to(scratch).as_posix())
            file.unlink()
    shutil.rmtree(scratch)
