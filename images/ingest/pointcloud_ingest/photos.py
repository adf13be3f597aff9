"""Checks that a file is a photo that COLMAP will be able to read, by decoding it from end to end, or makes it one.

A truncated photo would be found hours later otherwise, or never: COLMAP's extractor warns and goes on without it.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import RAW_SUFFIXES, Arrival, UnusableError
from pointcloud_ingest.budget import limit_text
from pointcloud_ingest.conversion import CONVERTED, READ_BY_COLMAP, converted
from pointcloud_ingest.exif import orientation_of
from pointcloud_ingest.kinds import Kind
from pointcloud_ingest.memory import Room, decoding
from pointcloud_stage import StageFailure

SUFFIXES: Final = {
    "JPEG": frozenset({".jpg", ".jpeg"}),
    "MPO": frozenset({".jpg", ".jpeg"}),
    "PNG": frozenset({".png"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "BMP": frozenset({".bmp"}),
}
"""File name suffixes by Pillow's names of the formats. MPO is a JPEG with further pictures behind it, as many phones
and drones write; its first picture is the photo."""
SUFFIX: Final = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "TIFF": ".tif", "BMP": ".bmp"}
FORMATS: Final = "JPEG, PNG, TIFF, WebP, HEIC, AVIF, BMP or GIF"
"""What a message lists."""
_FORMATS: Final = sorted(READ_BY_COLMAP - {"MPO"} | CONVERTED)
"""Those that Pillow may take a file for; it knows dozens more, each a parser for strangers' bytes."""
MIN_SIDE: Final = 32
"""Pixels. COLMAP finds 9 features in 32x32 pixels of a good photo, and 30 are the least to place it."""
MAX_ASPECT: Final = 50
"""Longer over shorter side. COLMAP scales the longer side down to 1000 pixels and more; where nothing is left of the
shorter one, it ends by a segmentation fault (30,000x1), and a strip of 30,000x100 has 2 features."""

Image.MAX_IMAGE_PIXELS = None  # the install's limit is asked for instead, before anything is decoded


@dataclass(frozen=True)
class Checked:
    """What a usable photo is."""

    format: str
    """Pillow's name of it."""
    width: int
    height: int
    """Pixels, as stored: before EXIF's orientation is applied."""
    orientation: int = 1
    """EXIF's: how to turn it to see it upright."""


def check(arrival: Arrival, limits: IngestLimits, room: Room) -> Checked:
    """Decodes a photo whole, and writes it anew in its place where COLMAP cannot read it.

    Raises UnusableError, or StageFailure(OUT_OF_MEMORY) where there is no room to decode it.
    """
    size = arrival.file.stat().st_size
    if size == 0:
        raise UnusableError("is empty")
    if size > limits.max_image_bytes:
        raise UnusableError(f"has {size:,} bytes, more than {limit_text(limits, 'max_image_bytes')}")
    if arrival.suffix in RAW_SUFFIXES:
        raise UnusableError("is a camera's raw file, which is not supported: export it as JPEG")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(arrival, limits, room)
        except UnidentifiedImageError:
            if arrival.kind is Kind.IMAGE:
                raise UnusableError("is damaged or cut off (its beginning alone is a photo's)") from None
            raise UnusableError(f"is not an image of a supported format ({FORMATS})") from None
        except (MemoryError, StageFailure, UnusableError):
            raise
        except Exception as error:  # what decoders raise for damaged data is documented nowhere
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's fault, not the photo's
            raise UnusableError(f"is damaged or cut off ({error})") from None


def _decode(arrival: Arrival, limits: IngestLimits, room: Room) -> Checked:
    file = arrival.file
    needed = _needed(arrival, limits, room)
    with room.taken(needed, by=arrival.described), Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        # A JPEG reduced to an eighth is still read to its last byte, at a fraction of the time and the memory.
        image.draft(None, (1, 1))
        image.load()
        rewritten = file.with_name(f"{file.name}.rewritten")
        if kind := converted(image, rewritten):
            rewritten.rename(file)
            return _measured(file, kind)
        return Checked(image.format or "", width, height, orientation_of(image))


def _needed(arrival: Arrival, limits: IngestLimits, room: Room) -> int:
    """Bytes that it takes to decode a photo, by its header. Raises UnusableError for a size that cannot be used."""
    size = arrival.file.stat().st_size  # some formats are read whole when they are opened
    with room.taken(size, by=arrival.described), Image.open(arrival.file, formats=_FORMATS) as image:
        _check_size(*image.size, limits)
        return size + decoding(image)


def _measured(file: Path, kind: str) -> Checked:
    with Image.open(file, formats=[kind]) as image:
        return Checked(kind, *image.size, orientation_of(image))


def _check_size(width: int, height: int, limits: IngestLimits) -> None:
    pixels = f"has {width} x {height} pixels"
    if width * height > limits.max_image_pixels:
        raise UnusableError(f"{pixels}, more than {limit_text(limits, 'max_image_pixels')}")
    if min(width, height) < MIN_SIDE:
        raise UnusableError(f"{pixels}, too few to recognise anything by: give the photo in its full size")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise UnusableError(f"{pixels}, too narrow a strip: give the photos that it was made of")
