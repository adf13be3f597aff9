"""Makes a photo that COLMAP can read of one that it cannot: of WebP, HEIC, AVIF and GIF, and of dark deep pixels.

COLMAP 4.2.1 from PyPI reads JPEG, PNG, TIFF and BMP. What a camera compressed with losses becomes a JPEG of high
quality with colours at full resolution, anything else a PNG. EXIF goes along: COLMAP takes the focal length, the camera
and the position from there.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Transpose

from pointcloud_ingest.arrivals import UnusableError
from pointcloud_ingest.exif import ORIENTATION, kept_of

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

READ_BY_COLMAP: Final = frozenset({"JPEG", "MPO", "PNG", "TIFF", "BMP"})
"""Pillow's names of the formats."""
CONVERTED: Final = frozenset({"WEBP", "HEIF", "AVIF", "GIF"})
JPEG_QUALITY: Final = 95

_RANGES: Final = {"I;16": 65535.0, "I;16L": 65535.0, "I;16B": 65535.0, "I;16N": 65535.0, "I": 2.0**31, "F": 1.0}
"""The value of white, by Pillow's names of modes with more than 8 bits, as COLMAP takes it."""
_DARK: Final = 0.25
"""Of the range: thermal and multispectral cameras leave 10 to 14 bits in 16, of which COLMAP takes the upper 8. In an
aerial photo of 1600x900 it finds 13,657 features with 8 or 16 bits, 9,479 with 14 bits in 16, and none with 12."""
_TAILS: Final = (0.1, 99.9)
"""Percentiles that become black and white: single hot pixels must not decide."""
_SAMPLES: Final = 1 << 20
"""Values at most that percentiles are told from."""

TO_STORED: Final = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""By EXIF's orientation: what makes of a picture as it is seen the picture as the sensor gave it."""


def converted(image: Image.Image, to: Path) -> str | None:
    """Write a decoded image to the file `to` in a format that COLMAP reads, and give that format's name.

    None, and nothing is written, where COLMAP reads the image as it is. Raises UnusableError for an animation.
    """
    if image.format in CONVERTED:
        _refuse_animation(image)
        return _write(image, to)
    if _is_dark(image):
        return _save_png(_stretched(image), to, kept_of(image))
    return None


def _refuse_animation(image: Image.Image) -> None:
    if image.format != "HEIF" and (frames := getattr(image, "n_frames", 1)) > 1:
        raise UnusableError(f"is an animation of {frames} pictures: give it as a video, or its pictures one by one")


def _write(image: Image.Image, to: Path) -> str:
    exif = kept_of(image)
    # libheif gives the picture upright. Turned back, portrait and landscape photos of one camera share its calibration.
    orientation = image.info.get("original_orientation") if image.format == "HEIF" else None
    pixels = image if image.mode in {"L", "RGB"} else image.convert("RGB")
    if orientation is not None and orientation in TO_STORED:
        pixels = pixels.transpose(TO_STORED[orientation])
        exif[ORIENTATION] = orientation
    if image.format == "GIF":
        return _save_png(pixels, to, exif)
    profile = image.info.get("icc_profile")
    pixels.save(to, "JPEG", quality=JPEG_QUALITY, subsampling=0, exif=exif, icc_profile=profile)
    return "JPEG"


def _save_png(pixels: Image.Image, to: Path, exif: Image.Exif) -> str:
    pixels.save(to, "PNG", compress_level=1, exif=exif)
    return "PNG"


def _is_dark(image: Image.Image) -> bool:
    """Whether the image has more than 8 bits, of which next to nothing would be left in the upper 8."""
    white = _RANGES.get(image.mode)
    if white is None:
        return False
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    return low < high and (high < _DARK * white or high > white or low < 0)


def _stretched(image: Image.Image) -> Image.Image:
    """The image in 8 bits, `_TAILS` of it black and white."""
    values = np.asarray(image)
    black, white = np.percentile(_sample(values), _TAILS)
    scale = 255 / max(white - black, np.finfo(np.float32).tiny)
    grey = np.empty(values.shape, np.uint8)
    for row, line in zip(grey, values, strict=True):
        row[:] = np.clip(np.round(np.nan_to_num((line.astype(np.float32) - black) * scale)), 0, 255)
    return Image.fromarray(grey)


def _sample(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Values that are numbers, of large images a part, evenly spread: it tells percentiles as well as all would."""
    some = values.reshape(-1)[:: 1 + values.size // _SAMPLES].astype(np.float32)
    return some[np.isfinite(some)]
