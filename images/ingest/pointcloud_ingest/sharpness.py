"""How sharp a frame of a video is, for comparison with its neighbours, which show the same."""

from typing import Final

import numpy as np
from av import VideoFrame
from av.video.reformatter import Interpolation

LONG_SIDE: Final = 960
"""Pixels to which a frame is reduced. Of 10 spans of a noisy, strongly packed 1080p video, with 15 frames each of 0 to
15 pixels of blur, the sharpest is found in 9 at 960, 7 at 480 and 5 at 320 pixels; in 10 at full size, for three times
the work. The mean squared gradient finds 7 at 960."""


def sharpness(frame: VideoFrame) -> float:
    """The variance of the Laplacian of the reduced grey frame: the larger, the sharper."""
    scale = min(1.0, LONG_SIDE / max(frame.width, frame.height))
    width, height = max(3, round(frame.width * scale)), max(3, round(frame.height * scale))
    reduced = frame.reformat(width=width, height=height, format="gray", interpolation=Interpolation.AREA)
    grey = reduced.to_ndarray().astype(np.int16)
    inner = grey[1:-1, 1:-1]
    laplacian = 4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    return float(np.var(laplacian, dtype=np.float32))
