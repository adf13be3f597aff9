import io
from pathlib import Path

import pytest
from PIL import Image

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import Arrival, UnusableError
from pointcloud_ingest.kinds import Kind
from pointcloud_ingest.memory import Room
from pointcloud_ingest.photos import SUFFIX, Checked, check

LIMITS, ROOM = IngestLimits(), Room(1 << 30)


def encoded(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    image.save(out, kind, **({"save_all": True, "append_images": [image.resize((9, 9))]} if kind == "MPO" else {}))
    return out.getvalue()


def arrival(tmp_path: Path, data: bytes, name: str = "a.jpg") -> Arrival:
    (tmp_path / "file").write_bytes(data)
    return Arrival(name, tmp_path / "file")


def complaint(photo: Arrival, limits: IngestLimits = LIMITS) -> str:
    with pytest.raises(UnusableError) as caught:
        check(photo, limits, ROOM)
    return str(caught.value)


@pytest.mark.parametrize("kind", sorted(SUFFIX))
def test_every_supported_format_is_told_by_content_and_measured(tmp_path: Path, kind: str) -> None:
    photo = arrival(tmp_path, encoded(kind), "no-suffix")
    assert photo.kind is Kind.IMAGE
    checked = check(photo, LIMITS, ROOM)
    assert checked == Checked(kind, 64, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_photo_that_is_cut_off_is_unusable(tmp_path: Path, kind: str, kept: float) -> None:
    data = encoded(kind, (640, 480))
    assert complaint(arrival(tmp_path, data[: int(kept * len(data))])).startswith("is damaged or cut off")


def test_a_progressive_jpeg_that_is_cut_off_is_unusable(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.effect_noise((640, 480), 50).save(out, "JPEG", progressive=True)
    assert check(arrival(tmp_path, out.getvalue()), LIMITS, ROOM) == Checked("JPEG", 640, 480)
    assert "cut off" in complaint(arrival(tmp_path, out.getvalue()[:-2000]))


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "a.jpg", "is empty"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20), "a.webp", "is damaged or cut off"),
        (b"a letter", "a.jpg", "is not an image"),
        (b"GIF89a" + bytes(20), "a.gif", "is damaged or cut off"),
        (b"\0\0\0\x18ftypheic" + bytes(20), "a.heic", "is damaged or cut off"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a.jpg", "is not an image of a supported format"),
        (encoded("PNG", (1, 1)), "a.png", "1 x 1 pixels, too few"),
        (encoded("PNG", (3000, 32)), "a.png", "3000 x 32 pixels, too narrow a strip"),
        (encoded("TIFF"), "a.dng", "camera's raw file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, name: str, words: str) -> None:
    assert words in complaint(arrival(tmp_path, data, name))


def test_limits_are_named_and_pixels_refused_by_the_header_alone(tmp_path: Path) -> None:
    data = encoded("JPEG", (640, 480))
    few_pixels = IngestLimits(max_image_pixels=1000)
    assert "maxImagePixels of 1,000" in complaint(arrival(tmp_path, data[:700]), few_pixels)
    assert "maxImageBytes of 100" in complaint(arrival(tmp_path, data), IngestLimits(max_image_bytes=100))
