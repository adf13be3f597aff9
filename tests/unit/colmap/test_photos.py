"""Which photos share a camera."""

from pathlib import Path

import pycolmap
import pytest
from PIL import ExifTags, Image

from pointcloud_colmap.photos import CameraGroup, Photos, group_by_camera
from pointcloud_stage import Reporter


def photo(path: Path, *, size: tuple[int, int], model: str | None = None) -> None:
    tags = Image.Exif()
    if model:
        tags[ExifTags.Base.Make] = "Maker"
        tags[ExifTags.Base.Model] = model
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 28
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path, "JPEG", exif=tags)


@pytest.fixture
def reporter() -> Reporter:
    reporter = Reporter(lambda _: None, nonce="pod")
    reporter.plan(inspect=1)
    return reporter


def group(folder: Path, reporter: Reporter) -> list[CameraGroup]:
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg"))
    return group_by_camera(Photos(folder=folder, sizes=dict.fromkeys(names, (1, 1))), reporter)


def test_photos_with_exif_are_left_to_colmap(tmp_path: Path, reporter: Reporter) -> None:
    photo(tmp_path / "left" / "a.jpg", size=(64, 48), model="One")
    photo(tmp_path / "right" / "a.jpg", size=(64, 48), model="Two")
    expected = CameraGroup(mode=pycolmap.CameraMode.AUTO, names=("left/a.jpg", "right/a.jpg"))
    assert group(tmp_path, reporter) == [expected]


def test_photos_without_exif_share_a_camera_if_of_one_size(tmp_path: Path, reporter: Reporter) -> None:
    photo(tmp_path / "a.jpg", size=(64, 48))
    photo(tmp_path / "b.jpg", size=(48, 64))
    photo(tmp_path / "c.jpg", size=(64, 48))
    assert group(tmp_path, reporter) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("a.jpg", "c.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("b.jpg",)),
    ]


def test_a_photo_that_colmap_cannot_read_is_in_no_group(tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    assert group(tmp_path, reporter) == []
