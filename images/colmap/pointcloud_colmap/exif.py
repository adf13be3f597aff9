"""Reads when, where and with what photos were taken from their EXIF: from the file's head alone.

COLMAP's bitmaps are decoded whole and tell no time, and its database no position without an altitude. Pillow would tell
all, but in one process with pycolmap it corrupts the heap.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

import exifread
from exifread.core.ifd_tag import IfdTag
from exifread.utils import get_gps_coords

from pointcloud_colmap.photos import Photos

logging.getLogger("exifread").setLevel(logging.CRITICAL)  # a photo without EXIF is no news

_ALTITUDE, _ALTITUDE_REF = "GPS GPSAltitude", "GPS GPSAltitudeRef"
_TIME, _FRACTION = "EXIF DateTimeOriginal", "EXIF SubSecTimeOriginal"
_CAMERA: Final = ("Image Make", "Image Model")
_FOCAL_LENGTHS: Final = ("EXIF FocalLengthIn35mmFilm", "EXIF FocalLength")
_BELOW_SEA_LEVEL: Final = 1
_READS: Final = 50_000
"""Of a photo at most, a tenth of a second; cameras' photos take some hundred. A hostile file can ask for millions."""
_READ_BYTES: Final = 1 << 20
"""At once at most: a hostile file can call itself all of one text."""


class Position(NamedTuple):
    """Where a photo was taken: WGS84."""

    latitude: float
    """Degrees, north positive."""
    longitude: float
    """Degrees, east positive."""
    altitude: float | None
    """Metres above sea level, as cameras mean it, or above the ellipsoid, as some write it."""


@dataclass(frozen=True)
class Shot:
    """When, where and with what a photo was taken, as far as it says so."""

    taken: datetime | None = None
    """By the camera's clock, which knows no time zone: for the order of one camera's photos."""
    position: Position | None = None
    camera: bool = False
    """Whether it says make, model and a focal length, by which COLMAP tells cameras apart."""


class _Bounded:
    """A stream, as far as the library uses one, that has had enough at some time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._left = _READS
        self.seek = stream.seek
        self.tell = stream.tell
        self._read = stream.read

    def read(self, size: int) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has no end")
        return self._read(min(size, _READ_BYTES))


def read_shot(file: Path) -> Shot:
    """What a photo's EXIF says. Damaged EXIF says nothing."""
    with file.open("rb") as stream:
        try:
            tags = exifread.process_file(cast("BinaryIO", _Bounded(stream)), details=False, extract_thumbnail=False)
        except Exception as error:  # noqa: BLE001 - what the library raises for damaged data is documented nowhere
            print(f"the EXIF of {file.name} cannot be read: {error!r}")
            return Shot()
    camera = all(tag in tags for tag in _CAMERA) and any(tag in tags for tag in _FOCAL_LENGTHS)
    return Shot(_taken(tags), _position(tags), camera)


def read_shots(photos: Photos) -> dict[str, Shot]:
    """What each photo's EXIF says, by name, in the photos' order."""
    return {name: read_shot(photos.folder / name) for name in photos.names}


def _taken(tags: Mapping[str, IfdTag]) -> datetime | None:
    try:
        taken = datetime.strptime(str(tags[_TIME].values).strip("\0 "), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - see Shot
        fraction = str(tags[_FRACTION].values).strip("\0 ") if _FRACTION in tags else ""
        return taken + timedelta(seconds=float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
    except (KeyError, ValueError, OverflowError):
        return None


def _position(tags: Mapping[str, IfdTag]) -> Position | None:
    """None too for 0° N 0° E, which receivers write that have found no satellite yet."""
    try:
        found = get_gps_coords(dict(tags))
    except (AttributeError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if found is None or found == (0, 0):
        return None
    latitude, longitude = found
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return Position(latitude, longitude, _altitude(tags))


def _altitude(tags: Mapping[str, IfdTag]) -> float | None:
    try:
        altitude = float(tags[_ALTITUDE].values[0])
        below = _ALTITUDE_REF in tags and tags[_ALTITUDE_REF].values[0] == _BELOW_SEA_LEVEL
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return -altitude if below else altitude
