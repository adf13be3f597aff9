"""Photos as a pinhole camera would have taken them: what depth maps are made from, and `undistorted.zip`.

The archive holds what trainers of Gaussian splats start from, in both of their usual layouts: `images`, `sparse/0` and
points as COLMAP's users expect them, and nerfstudio's transforms.json.
"""

import json
import shutil
import zipfile
from collections.abc import Callable
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


def undistort(  # noqa: PLR0913 - two inputs, one output, and options by keyword
    model: Path, photos: Path, workspace: Path, *, total: int, tell: Callable[[int], None], max_image_size: int = -1
) -> None:
    """Make a workspace of COLMAP's: the photos in `images`, their pinhole cameras in `sparse`.

    Args:
        model: Folder with COLMAP's model.
        photos: Folder of the photos as the model names them.
        workspace: A folder that does not exist yet; takes as much as the photos do.
        total: Photos that the model places.
        tell: Called with how many are done.
        max_image_size: Pixels of the longer side; larger photos are scaled down.
    """
    images = workspace / _IMAGES

    def look() -> None:
        tell(sum(file.is_file() for file in images.rglob("*")))

    with beating(look):
        pycolmap.undistort_images(
            workspace,
            model,
            photos,
            output_type="COLMAP",
            undistort_options=pycolmap.UndistortCameraOptions(max_image_size=max_image_size),
            jpeg_quality=_JPEG_QUALITY,
            num_threads=cpu_limit(),
        )
    tell(total)


def undistort_masks(
    model: pycolmap.Reconstruction, masks: Path, workspace: Path, *, scratch: Path, max_image_size: int
) -> None:
    """Do to masks, `<photo>.png` each, what `undistort` does to their photos, into `masks` of the photos' workspace.

    `scratch` is a folder that does not exist yet. A pixel that was masked in
    part is not black any more.
    """
    named = pycolmap.Reconstruction(model)
    for image in named.images.values():
        image.name = f"{image.name}.png"
    cameras = scratch / "named"
    cameras.mkdir(parents=True)
    named.write_binary(cameras)
    undistort(
        cameras,
        masks,
        scratch / "workspace",
        total=named.num_reg_images(),
        tell=lambda _done: None,
        max_image_size=max_image_size,
    )
    (scratch / "workspace" / _IMAGES).rename(workspace / "masks")


def write_undistorted(model: Path, photos: Path, folder: Path, *, scratch: Path, progress: Reporter) -> None:
    """Write the archive into `folder`, which holds the points, reporting the step `archive` in images.

    Args:
        model: Folder with COLMAP's model.
        photos: Folder of the photos as the model names them.
        folder: Holds points.ply and gets undistorted.zip.
        scratch: A folder that does not exist yet; takes as much as the photos do, and is gone afterwards.
        progress: Where to report.
    """
    total = pycolmap.Reconstruction(model).num_reg_images()
    images = scratch / _IMAGES
    undistort(model, photos, scratch, total=total, tell=lambda done: progress.update("archive", done, total, "images"))
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
