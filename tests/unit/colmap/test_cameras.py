"""What COLMAP is told of cameras: EXIF's focal length where it can be one, a likely one for fisheye lenses without."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base

from pointcloud_api.resource import CameraModel
from pointcloud_colmap.cameras import reader_options, settle_focal_lengths

WIDTH = 100


def entered(folder: Path, model: CameraModel, focal_35mm: int | None, *, orientation: int = 1) -> pycolmap.Camera:
    """The camera of two photos, one of them turned, after all is settled."""
    for name, turned in (("a.jpg", 1), ("b.jpg", orientation)):
        exif = Image.Exif()
        exif[Base.Make], exif[Base.Model], exif[Base.Orientation] = "Maker", "Model", turned
        if focal_35mm is not None:
            exif.get_ifd(IFD.Exif)[Base.FocalLengthIn35mmFilm] = focal_35mm
        noise = np.random.default_rng(1).integers(0, 255, (60, WIDTH, 3), np.uint8)
        Image.fromarray(noise).save(folder / name, exif=exif)
    database = folder / "database.db"
    pycolmap.Database.open(database).close()
    mode = pycolmap.CameraMode.AUTO if focal_35mm else pycolmap.CameraMode.SINGLE
    pycolmap.import_images(
        database, folder, camera_mode=mode, image_names=["a.jpg", "b.jpg"], options=reader_options(model)
    )
    settle_focal_lengths(database)
    with pycolmap.Database.open(database) as connection:
        [camera] = connection.read_all_cameras()
        return camera


@pytest.mark.parametrize("model", CameraModel)
def test_every_model_that_is_offered_is_one_of_colmaps_and_starts_from_exif(tmp_path: Path, model: CameraModel) -> None:
    camera = entered(tmp_path, model, 24)
    assert camera.model_name == model
    if model is not CameraModel.EQUIRECTANGULAR:
        diagonal = np.hypot(WIDTH, 60) / np.hypot(36, 24)
        assert camera.mean_focal_length() == pytest.approx(24 * diagonal, rel=0.01)
        assert camera.has_prior_focal_length


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_photos_taken_upright_and_level_share_the_camera(tmp_path: Path, orientation: int) -> None:
    assert entered(tmp_path, CameraModel.SIMPLE_RADIAL, 24, orientation=orientation).width == WIDTH


def test_a_fisheye_without_exif_gets_a_likely_focal_length_to_be_relied_on(tmp_path: Path) -> None:
    camera = entered(tmp_path, CameraModel.OPENCV_FISHEYE, None)
    assert camera.has_prior_focal_length
    assert list(camera.params) == [40, 40, 50, 30, 0, 0, 0, 0]


def test_other_lenses_without_exif_are_left_to_colmaps_guess(tmp_path: Path) -> None:
    camera = entered(tmp_path, CameraModel.SIMPLE_RADIAL, None)
    assert not camera.has_prior_focal_length
    assert camera.mean_focal_length() == 1.2 * WIDTH


@pytest.mark.parametrize("focal", [1, 65535])
def test_a_focal_length_that_cannot_be_is_not_relied_on(tmp_path: Path, focal: int) -> None:
    camera = entered(tmp_path, CameraModel.SIMPLE_RADIAL, focal)
    assert not camera.has_prior_focal_length
    assert camera.mean_focal_length() == 1.2 * WIDTH
