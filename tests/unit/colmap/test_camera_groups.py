"""Which photos share a camera."""

from pathlib import Path

import pycolmap
import pytest
from PIL import ExifTags, Image

from pointcloud_api.resource import CameraSharing
from pointcloud_api.stages import Photo
from pointcloud_colmap.camera_groups import CameraGroup, group_by_camera
from pointcloud_colmap.exif import read_shots
from pointcloud_colmap.photos import Photos


def photo(path: Path, *, size: tuple[int, int], model: str | None = None, date: str | None = None) -> None:
    tags = Image.Exif()
    if date:
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = date
    if model:
        tags[ExifTags.Base.Make] = "Maker"
        tags[ExifTags.Base.Model] = model
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 28
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path, "JPEG", exif=tags)


def group(folder: Path, sharing: CameraSharing = CameraSharing.AUTO) -> list[CameraGroup]:
    """Of photos as ingest lists them."""
    listed = {}
    for file in sorted(folder.rglob("*.jpg")):
        name = file.relative_to(folder).as_posix()
        width, height = Image.open(file).size
        listed[name] = Photo(path=f"images/{name}", size=1, sha256=name, width=width, height=height)
    photos = Photos(folder=folder, by_name=listed)
    return group_by_camera(photos, read_shots(photos), sharing)


def test_photos_with_exif_are_left_to_colmap(tmp_path: Path) -> None:
    photo(tmp_path / "left" / "a.jpg", size=(64, 48), model="One")
    photo(tmp_path / "right" / "a.jpg", size=(64, 48), model="Two")
    expected = CameraGroup(mode=pycolmap.CameraMode.AUTO, names=("left/a.jpg", "right/a.jpg"))
    assert group(tmp_path) == [expected]


def test_photos_without_exif_share_a_camera_if_of_one_size(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", size=(64, 48))
    photo(tmp_path / "b.jpg", size=(48, 64))
    photo(tmp_path / "c.jpg", size=(64, 48))
    assert group(tmp_path) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("a.jpg", "c.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("b.jpg",)),
    ]


def test_the_frames_of_a_video_share_a_camera_and_two_videos_do_not(tmp_path: Path) -> None:
    for name in ("roof.mp4/0001.jpg", "roof.mp4/0002.jpg", "yard.mp4/0001.jpg", "yard.mp4/0002.jpg"):
        photo(tmp_path / name, size=(64, 48), date="2026:05:01 12:00:00")
    assert group(tmp_path) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("roof.mp4/0001.jpg", "roof.mp4/0002.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("yard.mp4/0001.jpg", "yard.mp4/0002.jpg")),
    ]


@pytest.mark.parametrize(("make", "model", "focal"), [(True, False, True), (False, True, True), (True, True, False)])
def test_what_colmap_takes_for_no_camera_is_none(tmp_path: Path, *, make: bool, model: bool, focal: bool) -> None:
    tags = Image.Exif()
    if make:
        tags[ExifTags.Base.Make] = "Maker"
    if model:
        tags[ExifTags.Base.Model] = "One"
    if focal:
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLength] = 4.2
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", "JPEG", exif=tags)
    bitmap = pycolmap.Bitmap.read(tmp_path / "a.jpg", as_rgb=False)
    assert bitmap is not None
    assert bitmap.exif_camera_model() is None
    assert group(tmp_path) == [CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("a.jpg",))]


def test_one_camera_for_all_means_one_for_each_size_and_none_shared_means_none(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", size=(64, 48), model="One")
    photo(tmp_path / "left" / "b.jpg", size=(64, 48), model="Two")
    photo(tmp_path / "left" / "c.jpg", size=(48, 64))
    assert group(tmp_path, CameraSharing.SINGLE) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("a.jpg", "left/b.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("left/c.jpg",)),
    ]
    assert group(tmp_path, CameraSharing.PER_IMAGE) == [
        CameraGroup(mode=pycolmap.CameraMode.PER_IMAGE, names=("a.jpg", "left/b.jpg", "left/c.jpg"))
    ]
