"""Checks that a file is a photo that COLMAP will be able to read, by decoding it from end to end.

A truncated photo would be found hours later otherwise, or never: COLMAP's extractor warns and goes on without it.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image, UnidentifiedImageError

from pointcloud_api.stages import IngestLimits
from pointcloud_ingest.arrivals import RAW_SUFFIXES, Arrival, head_of, is_heif, is_webp
from pointcloud_ingest.budget import limit_text

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
_FORMATS: Final = ("JPEG", "PNG", "TIFF", "BMP")

Image.MAX_IMAGE_PIXELS = None  # the install's limit is asked for instead, before anything is decoded


class UnusableError(Exception):
    """Says in a few words why a file is no usable photo."""


@dataclass(frozen=True)
class Checked:
    """What a usable photo is."""

    format: str
    """Pillow's name of it."""
    width: int
    height: int
    """Pixels, as stored: before EXIF's orientation is applied."""


def check(arrival: Arrival, limits: IngestLimits) -> Checked:
    """Decodes a photo whole. Raises UnusableError."""
    size = arrival.file.stat().st_size
    if size == 0:
        raise UnusableError("is empty")
    if size > limits.max_image_bytes:
        raise UnusableError(f"has {size:,} bytes, more than {limit_text(limits, 'max_image_bytes')}")
    _refuse_known_others(arrival)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _decode(arrival.file, limits)
        except UnidentifiedImageError:
            raise UnusableError(f"is not an image of a supported format ({', '.join(_FORMATS)})") from None
        except (MemoryError, UnusableError):
            raise
        except Exception as error:  # noqa: BLE001 - what decoders raise for damaged data is documented nowhere
            raise UnusableError(f"is damaged or cut off ({error})") from None


def _refuse_known_others(arrival: Arrival) -> None:
    head = head_of(arrival.file)
    if is_heif(head):
        raise UnusableError("is HEIC or AVIF, which is not supported: export it as JPEG")
    if is_webp(head):
        raise UnusableError("is WebP, which COLMAP cannot read: export it as JPEG")
    if PurePosixPath(arrival.name.lower()).suffix in RAW_SUFFIXES:
        raise UnusableError("is a camera's raw file, which is not supported: export it as JPEG")


def _decode(file: Path, limits: IngestLimits) -> Checked:
    with Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_image_pixels:
            pixels = f"has {width} x {height} pixels"
            raise UnusableError(f"{pixels}, more than {limit_text(limits, 'max_image_pixels')}")
        checked = Checked(image.format or "", width, height)
        # A JPEG reduced to an eighth is still read to its last byte, at a fraction of the time and the memory.
        image.draft(None, (1, 1))
        image.load()
        return checked
