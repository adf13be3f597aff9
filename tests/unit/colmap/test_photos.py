"""Which photos share a camera."""

from pathlib import Path

import pycolmap
import pytest
from PIL import ExifTags, Image

from pointcloud_api.resource import CameraSharing
from pointcloud_api.stages import Artefact, Photo
from pointcloud_colmap.photos import CameraGroup, Photos, group_by_camera
from pointcloud_stage import Reporter


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


@pytest.fixture
def reporter() -> Reporter:
    reporter = Reporter(lambda _: None, nonce="pod")
    reporter.plan(inspect=1)
    return reporter


def group(folder: Path, reporter: Reporter, sharing: CameraSharing = CameraSharing.AUTO) -> list[CameraGroup]:
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg"))
    listed = {name: Photo(path=f"images/{name}", size=1, sha256=name, width=1, height=1) for name in names}
    return group_by_camera(Photos(folder=folder, by_name=listed), sharing, reporter)


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


def test_the_frames_of_a_video_share_a_camera_and_two_videos_do_not(tmp_path: Path, reporter: Reporter) -> None:
    for name in ("roof.mp4/0001.jpg", "roof.mp4/0002.jpg", "yard.mp4/0001.jpg", "yard.mp4/0002.jpg"):
        photo(tmp_path / name, size=(64, 48), date="2026:05:01 12:00:00")
    assert group(tmp_path, reporter) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("roof.mp4/0001.jpg", "roof.mp4/0002.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("yard.mp4/0001.jpg", "yard.mp4/0002.jpg")),
    ]


def test_a_photo_that_colmap_cannot_read_is_in_no_group(tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    assert group(tmp_path, reporter) == []


def test_one_camera_for_all_means_one_for_each_size_and_none_shared_means_none(
    tmp_path: Path, reporter: Reporter
) -> None:
    photo(tmp_path / "a.jpg", size=(64, 48), model="One")
    photo(tmp_path / "left" / "b.jpg", size=(64, 48), model="Two")
    photo(tmp_path / "left" / "c.jpg", size=(48, 64))
    assert group(tmp_path, reporter, CameraSharing.SINGLE) == [
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("a.jpg", "left/b.jpg")),
        CameraGroup(mode=pycolmap.CameraMode.SINGLE, names=("left/c.jpg",)),
    ]
    assert group(tmp_path, reporter, CameraSharing.PER_IMAGE) == [
        CameraGroup(mode=pycolmap.CameraMode.PER_IMAGE, names=("a.jpg", "left/b.jpg", "left/c.jpg"))
    ]


def test_features_of_a_photo_with_another_mask_are_others(tmp_path: Path) -> None:
    def origin(mask: str | None) -> str:
        stored = Artefact(path="masks/a.jpg.png", size=1, sha256=mask) if mask else None
        one = Photo(path="images/a.jpg", size=1, sha256="photo", width=1, height=1, mask=stored)
        return Photos(folder=tmp_path, by_name={"a.jpg": one}).origin("a.jpg")

    assert origin(None) == "photo"
    assert len({origin(None), origin("one"), origin("two")}) == 3
