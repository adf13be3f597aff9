"""What of a photo's EXIF goes with it into another file: what COLMAP and surveyors read, and nothing that could break.

Tags: CIPA DC-008 (EXIF 2.32). EXIF is a stranger's too: each value is tried by itself, and one that cannot be written
is left out, whatever is wrong with it.
"""

import struct
from typing import Any, Final

from PIL import Image
from PIL.ExifTags import IFD, Base

ORIENTATION: Final = Base.Orientation
_OF_THE_FILE: Final = (
    Base.Make, Base.Model, Base.Orientation, Base.DateTime, Base.Artist, Base.Copyright, Base.Software,
)  # fmt: skip
_OF_THE_SHOT: Final = (
    Base.ExposureTime, Base.FNumber, Base.ISOSpeedRatings, Base.DateTimeOriginal, Base.DateTimeDigitized,
    Base.OffsetTime, Base.OffsetTimeOriginal, Base.OffsetTimeDigitized, Base.SubsecTime, Base.SubsecTimeOriginal,
    Base.SubsecTimeDigitized, Base.FocalLength, Base.FocalLengthIn35mmFilm, Base.FocalPlaneXResolution,
    Base.FocalPlaneYResolution, Base.FocalPlaneResolutionUnit, Base.ExifImageWidth, Base.ExifImageHeight,
    Base.LensMake, Base.LensModel, Base.LensSpecification, Base.BodySerialNumber, Base.ImageUniqueID,
)  # fmt: skip
_GPS_TAGS: Final = range(0x20)
_MAX_VALUE_BYTES: Final = 1000


def orientation_of(image: Image.Image) -> int:
    """How the photo is to be turned to be seen upright, 1 (as it is) to 8; 1 where EXIF says nothing sensible."""
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:  # noqa: BLE001 - what Pillow raises for damaged EXIF is documented nowhere
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def kept_of(image: Image.Image) -> Image.Exif:
    """The part of the image's EXIF that is worth keeping and can be written, at most some kilobytes."""
    kept = Image.Exif()
    try:
        given = image.getexif()
        groups = (
            (None, given, _OF_THE_FILE),
            (IFD.Exif, given.get_ifd(IFD.Exif), _OF_THE_SHOT),
            (IFD.GPSInfo, given.get_ifd(IFD.GPSInfo), _GPS_TAGS),
        )
    except Exception:  # noqa: BLE001 - as above
        return kept
    for ifd, values, tags in groups:
        for tag in tags:
            if tag in values and _can_be_written(ifd, tag, values[tag]):
                (kept if ifd is None else kept.get_ifd(ifd))[tag] = values[tag]
    return kept


def _can_be_written(ifd: IFD | None, tag: int, value: Any) -> bool:
    alone = Image.Exif()
    (alone if ifd is None else alone.get_ifd(ifd))[tag] = value
    try:
        return len(alone.tobytes()) <= _MAX_VALUE_BYTES
    except (struct.error, ValueError, TypeError, OverflowError, ArithmeticError, AttributeError, KeyError):
        return False
