"""Colours as the octree stores them: 16 bits a channel, of which viewers show the upper 8.

Viewers take a channel below 256 for one of 8 bits and show it 256 times as bright. So 8 bits become the upper 8, and
what is darker than that in a cloud of 16 bits becomes black.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Channels = npt.NDArray[np.uint16]


def from_8_bits(columns: Iterable[npt.NDArray[np.uint8]], out: Channels) -> None:
    """Fill (N, 3) from three columns (N,)."""
    for channel, column in enumerate(columns):
        out[:, channel] = column
    out <<= 8


def from_16_bits(columns: Iterable[npt.NDArray[np.uint16]], out: Channels, *, narrow: bool) -> None:
    """Fill (N, 3) from three columns (N,).

    Args:
        columns: Red, green and blue.
        out: Written.
        narrow: Whether the cloud's 16 bits hold 8-bit values, none above 255 (see `is_wide`).
    """
    for channel, column in enumerate(columns):
        out[:, channel] = column
    if narrow:
        out <<= 8
    else:
        out *= out > 255


def from_floats(columns: Iterable[npt.NDArray[Any]], out: Channels) -> None:
    """Fill (N, 3) from three columns (N,) of 0 to 1; what lies outside is cut off, and NaN is black."""
    for channel, column in enumerate(columns):
        levels = np.clip(np.nan_to_num(column.astype(np.float64)), 0, 1)
        out[:, channel] = np.rint(levels * 255)
    out <<= 8


def is_wide(columns: Iterable[npt.NDArray[np.uint16]]) -> bool:
    """Whether any of these channels is above 255, so that the cloud they are of has colours of 16 bits."""
    return any(bool(column.size) and int(column.max()) > 255 for column in columns)
