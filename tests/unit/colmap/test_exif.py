"""What photos say of when and where they were taken, told by honest cameras and by hostile files."""

import struct
import time
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pointcloud_colmap.exif import Position, Shot, read_shot

EXIF, GPS = 0x8769, 0x8825


def photo(file: Path, *, exif: dict[int, object] | None = None, gps: dict[int, object] | None = None) -> Path:
    tags = Image.Exif()
    tags.get_ifd(EXIF).update(exif or {})
    tags.get_ifd(GPS).update(gps or {})
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=tags)
    return file


def gps(
    latitude: object = (46, 50, 33.3855), longitude: object = (91, 59, 40.4156), **more: object
) -> dict[int, object]:
    numbers = {"altitude_ref": 5, "altitude": 6}
    tags = {1: "N", 2: latitude, 3: "W", 4: longitude}
    return tags | {numbers[name]: value for name, value in more.items()}


def test_time_and_place_are_read(tmp_path: Path) -> None:
    shot = read_shot(
        photo(
            tmp_path / "a.jpg",
            exif={0x9003: "2016:06:23 16:31:59", 0x9291: "250"},
            gps=gps(altitude_ref=b"\0", altitude=198.309),
        )
    )
    assert shot.taken == datetime.fromisoformat("2016-06-23T16:31:59.250")
    assert shot.position == pytest.approx((46.842607, -91.994560, 198.309), abs=1e-5)


def test_places_below_the_sea_and_without_altitude_are_places(tmp_path: Path) -> None:
    below = read_shot(photo(tmp_path / "a.jpg", gps=gps(altitude_ref=b"\1", altitude=12.5))).position
    without = read_shot(photo(tmp_path / "b.jpg", gps=gps())).position
    assert below
    assert below.altitude == -12.5
    assert without
    assert without.altitude is None


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [((0, 0, 0), (0, 0, 0)), ((91, 0, 0), (10, 0, 0)), ((10, 0, 0), (181, 0, 0)), ((46, 50), (91, 59, 40))],
)
def test_what_is_no_place_is_none(tmp_path: Path, latitude: object, longitude: object) -> None:
    shot = read_shot(photo(tmp_path / "a.jpg", gps=gps(latitude, longitude)))
    assert shot.position is None or shot.position == Position(46 + 50 / 60, -(91 + 59 / 60 + 40 / 3600), None)


@pytest.mark.parametrize("time", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "9999:12:31 23:59:60"])
def test_what_is_no_time_is_none(tmp_path: Path, time: str) -> None:
    assert read_shot(photo(tmp_path / "a.jpg", exif={0x9003: time})).taken is None


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xffExif\0\0", b"II*\0\xff\xff\xff\xff"])
def test_what_is_no_photo_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert read_shot(tmp_path / "a.jpg") == Shot()


def test_a_file_of_endless_exif_costs_little(tmp_path: Path) -> None:
    """Each of 60,000 entries counts 999 numbers, all at one place: a minute's work."""
    entry = struct.pack("<HHII", 0x9999, 3, 999, 8)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, 60_000) + entry * 60_000 + bytes(4))
    begun = time.process_time()
    assert read_shot(tmp_path / "a.tif") == Shot()
    assert time.process_time() - begun < 2


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.lists(st.tuples(st.integers(20, 400), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6))
def test_damaged_exif_is_never_fatal(tmp_path: Path, damage: list[tuple[int, bytes]]) -> None:
    file = photo(
        tmp_path / "a.jpg",
        exif={0x9003: "2016:06:23 16:31:59", 0x9291: "250"},
        gps=gps(altitude_ref=b"\0", altitude=9.0),
    )
    content = bytearray(file.read_bytes())
    for at, what in damage:
        content[at : at + len(what)] = what
    file.write_bytes(content)
    shot = read_shot(file)
    assert shot.position is None or abs(shot.position.latitude) <= 90
