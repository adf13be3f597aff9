"""What COLMAP cannot read becomes what it can, with what EXIF tells it."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image, ImageOps
from PIL.ExifTags import IFD, Base

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.exif import kept_of
from pointcloud_ingest.memory import Room
from pointcloud_ingest.photos import Checked, check
from tests.fixtures.pictures import deep, encoded, picture, tags, warm


def checked(tmp_path: Path, data: bytes, name: str = "file.jpg") -> tuple[Checked, pycolmap.Bitmap]:
    """The verdict, and the file as COLMAP reads it afterwards."""
    file = tmp_path / name
    file.write_bytes(data)
    verdict = check(Arrival(name, file), IngestLimits(), Room(1 << 30))
    assert [left.name for left in tmp_path.iterdir()] == [name]
    bitmap = pycolmap.Bitmap.read(file, as_rgb=True)
    assert bitmap is not None
    return verdict, bitmap


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
def test_a_photo_that_colmap_cannot_read_becomes_a_jpeg_with_its_camera_position_and_time(
    tmp_path: Path, kind: str
) -> None:
    verdict, bitmap = checked(tmp_path, encoded(picture(), kind, exif=tags(), quality=95))
    assert verdict == Checked("JPEG", 96, 64)
    assert bitmap.exif_camera_model() == "DJI-FC300S-20.000000-96x64"
    assert bitmap.exif_focal_length() == pytest.approx(96 * 20 / 36, rel=0.1)
    assert bitmap.exif_latitude() == pytest.approx(46 + 50 / 60 + 33.5 / 3600, abs=1e-5)
    assert bitmap.exif_altitude() == pytest.approx(431.5)
    assert np.abs(bitmap.to_array().astype(int) - np.asarray(picture())).mean() < 10
    with Image.open(tmp_path / "file.jpg") as image:
        assert image.getexif().get_ifd(IFD.Exif)[Base.DateTimeOriginal] == "2026:05:01 12:00:00"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_heic_keeps_the_pixels_as_the_sensor_gave_them(tmp_path: Path, orientation: int) -> None:
    upright = picture()
    verdict, _ = checked(tmp_path, encoded(upright, "HEIF", exif=tags(orientation=orientation), quality=95))
    assert (verdict.width, verdict.height) == ((64, 96) if orientation >= 5 else (96, 64))
    assert verdict.orientation == orientation
    with Image.open(tmp_path / "file.jpg") as stored:
        seen = np.asarray(ImageOps.exif_transpose(stored)).astype(int)
    assert np.abs(seen - np.asarray(upright)).mean() < 10


def test_a_still_gif_loses_nothing(tmp_path: Path) -> None:
    palette = picture().quantize(64)
    verdict, bitmap = checked(tmp_path, encoded(palette, "GIF"))
    assert verdict.format == "PNG"
    assert np.array_equal(bitmap.to_array(), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF"])
def test_an_animation_is_no_photo(tmp_path: Path, kind: str) -> None:
    data = encoded(picture(), kind, save_all=True, append_images=[picture(1), picture(2)])
    with pytest.raises(UnusableError, match="an animation of 3 pictures"):
        checked(tmp_path, data)


@pytest.mark.parametrize(
    ("image", "rewritten"), [(deep(16), False), (deep(15), False), (deep(14), True), (deep(10), True), (warm(), True)]
)
def test_dark_deep_pixels_are_stretched(tmp_path: Path, image: Image.Image, *, rewritten: bool) -> None:
    verdict, bitmap = checked(tmp_path, encoded(image, "TIFF"))
    assert verdict.format == ("PNG" if rewritten else "TIFF")
    assert bitmap.to_array().std() > 15


def test_what_colmap_reads_is_not_touched(tmp_path: Path) -> None:
    for kind, image in [("JPEG", picture().convert("CMYK")), ("PNG", picture().convert("RGBA")), ("TIFF", picture())]:
        data = encoded(image, kind, exif=tags())
        _, bitmap = checked(tmp_path, data)
        assert (tmp_path / "file.jpg").read_bytes() == data
        assert np.abs(bitmap.to_array().astype(int) - np.asarray(picture())).mean() < 10


def test_exif_that_cannot_be_written_is_left_out_and_the_rest_kept() -> None:
    image = picture()
    exif = image.getexif()
    exif[Base.Make] = "Maker"
    exif[Base.Model] = "M" * 5000
    exif.get_ifd(IFD.Exif)[Base.MakerNote] = b"x" * 60000
    exif.get_ifd(IFD.Exif)[Base.FocalLength] = 8.8
    kept = kept_of(image)
    assert kept[Base.Make] == "Maker"
    assert Base.Model not in kept
    assert set(kept.get_ifd(IFD.Exif)) == {Base.FocalLength}
    assert len(kept.tobytes()) < 1000
