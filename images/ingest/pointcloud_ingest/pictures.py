"""Makes a photo of a decoded frame."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from av import VideoFrame
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

JPEG_QUALITY: Final = 95
_ORIGINAL_TIME, _ORIGINAL_OFFSET, _ORIGINAL_FRACTION, _EXIF = 0x9003, 0x9011, 0x9291, 0x8769
_TURNS: Final = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
"""Counter-clockwise, as FFmpeg and Pillow both count."""
_COLOURS_UNKNOWN: Final = frozenset({0, 2})
"""FFmpeg's numbers for RGB, which needs no conversion, and for videos that do not say; those go by their size."""
_HD_LINES: Final = 720


def picture(frame: VideoFrame, aspect: float) -> Image.Image:
    """The frame as it is meant to be seen: upright, in the colours of a photo, with square pixels.

    `aspect` is how wide a stored pixel is for its height. Of two interlaced fields, which show two moments, one is
    taken.
    """
    guessed = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
    known = frame.colorspace not in _COLOURS_UNKNOWN
    pixels = frame.reformat(
        format="rgb24", src_colorspace=None if known else guessed, dst_color_range=ColorRange.JPEG
    ).to_ndarray()
    image = Image.fromarray(pixels[::2] if frame.interlaced_frame else pixels)
    size = (round(frame.width * aspect), frame.height)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    turn = _TURNS.get(frame.rotation % 360)
    return image if turn is None else image.transpose(turn)


def aspect_of(stream: VideoStream) -> float:
    """How wide a stored pixel of a video is for its height."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.5 <= aspect <= 2 else 1.0  # what no camera writes is a mistake


def began_at(container: InputContainer) -> datetime | None:
    """When the recording began, where the file says it; clocks that were never set say 1904 or 1970."""
    try:
        began = datetime.fromisoformat(container.metadata.get("creation_time", ""))
    except ValueError:
        return None
    return began.astimezone(UTC) if began.year > 1990 else None


def save(image: Image.Image, file: Path, at: datetime | None) -> None:
    """Writes the picture as JPEG, with the time of the shot where it is known."""
    exif = Image.Exif()
    if at is not None:
        exif.get_ifd(_EXIF).update(
            {
                _ORIGINAL_TIME: f"{at:%Y:%m:%d %H:%M:%S}",
                _ORIGINAL_OFFSET: "+00:00",
                _ORIGINAL_FRACTION: f"{at.microsecond // 1000:03}",
            }
        )
    image.save(file, "JPEG", quality=JPEG_QUALITY, exif=exif)
