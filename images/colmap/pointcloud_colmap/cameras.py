"""The cameras that COLMAP makes of the photos: their model, and what is assumed of a focal length that EXIF lacks."""

from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import CameraModel
from pointcloud_api.stages import ExitCode, Reason
from pointcloud_colmap.photos import Photos
from pointcloud_colmap.wording import listed
from pointcloud_stage import StageFailure

_FISHEYE_FOCAL: Final = 0.4
"""Focal length of a fisheye lens over the longer side of its photos, where EXIF has none: 143 degrees across.

COLMAP 4.2 guesses 1.2 for any lens, and verifies no pair of photos of a fisheye camera whose focal length is a guess
("cannot be recovered from a fundamental matrix"): no photo is registered at all. Given one it refines it.
"""
_USUAL_FOCAL: Final = 1.2
"""COLMAP's guess for other lenses (`default_focal_length_factor`), which it refines without relying on it."""
_FOCAL_RATIOS: Final = (0.1, 10.0)
"""Focal lengths over the longer side that COLMAP takes for possible once it has refined them: `min_focal_length_ratio`
and `max_focal_length_ratio`. On EXIF's it relies whatever they are, and no model comes
of photos with such ones: `test_focal_lengths_that_lie_do_not_stop_a_reconstruction`."""
_PANORAMA_ASPECT: Final = 2
"""A whole sphere is 360 by 180 degrees."""


def reader_options(model: CameraModel, masks: Path | None = None) -> pycolmap.ImageReaderOptions:
    """How COLMAP enters photos."""
    options = pycolmap.ImageReaderOptions()
    options.camera_model = model.value
    if masks is not None:
        options.mask_path = str(masks)
    return options


def check_shapes(model: CameraModel, photos: Photos) -> None:
    """Raise StageFailure(BAD_SETTINGS) when photos that are to be whole panoramas have not the shape of one."""
    if model is not CameraModel.EQUIRECTANGULAR:
        return
    others = [name for name, photo in photos.by_name.items() if photo.width != _PANORAMA_ASPECT * photo.height]
    if others:
        raise StageFailure(
            Reason.BAD_SETTINGS,
            f"The camera model EQUIRECTANGULAR takes panoramas, twice as wide as high, which these are not: "
            f"{listed(others)}.",
            "Set spec.reconstruction.camera.model to SIMPLE_RADIAL for ordinary photos, or to OPENCV_FISHEYE for those "
            "of a fisheye lens; give panoramas in a job of their own.",
            exit_code=ExitCode.BAD_SETTINGS,
        )


def settle_focal_lengths(database: Path) -> None:
    """Replace focal lengths that EXIF cannot mean, and give fisheye cameras a likely one, before photos are matched."""
    with pycolmap.Database.open(database) as connection:
        for camera in connection.read_all_cameras():
            fisheye = camera.is_perspective_fisheye()
            told = camera.has_prior_focal_length
            if camera.is_spherical() or (_is_plausible(camera) and (told or not fisheye)):
                continue
            if told:
                print(f"camera {camera.camera_id}: EXIF's focal length of {camera.mean_focal_length():.0f} px is none")
            focal = (_FISHEYE_FOCAL if fisheye else _USUAL_FOCAL) * max(camera.width, camera.height)
            indices = set(camera.focal_length_idxs())
            camera.params = [focal if index in indices else value for index, value in enumerate(camera.params)]
            camera.has_prior_focal_length = fisheye
            connection.update_camera(camera)


def _is_plausible(camera: pycolmap.Camera) -> bool:
    ratio = camera.mean_focal_length() / max(camera.width, camera.height)
    return _FOCAL_RATIOS[0] <= ratio <= _FOCAL_RATIOS[1]
