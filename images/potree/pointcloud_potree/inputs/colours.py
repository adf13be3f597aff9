"""Colours as the octree stores them: 16 bits a channel, of which viewers show the upper 8.

Viewers take a channel below 256 for one of 8 bits and show it 256 times as bright. So 8 bits become the upper 8, and
what is darker than that in a cloud of 16 bits becomes black.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Channels = npt.NDArray[np.uint16]


def from_8_bits(columns: Sequence[npt.NDArray[np.uint8]]) -> Channels:
    """(N, 3) of red, green and blue, (N,) each."""
    return _high(_side_by_side(columns))


def from_16_bits(columns: Sequence[npt.NDArray[np.uint16]], *, narrow: bool) -> Channels:
    """(N, 3) of red, green and blue, (N,) each.

    `narrow` tells whether the cloud's 16 bits hold 8-bit values, none above 255 (see `is_wide`).
    """
    channels = _side_by_side(columns)
    if narrow:
        return _high(channels)
    channels *= channels > 255
    return channels


def from_floats(columns: Sequence[npt.NDArray[Any]]) -> Channels:
    """(N, 3) of red, green and blue, (N,) each, of 0 to 1; what lies outside is cut off, and NaN is black."""
    levels = [np.rint(np.clip(np.nan_to_num(column.astype(np.float64)), 0, 1) * 255) for column in columns]
    return _high(_side_by_side(levels))


def _high(channels: Channels) -> Channels:
    """8 bits as the upper ones."""
    channels <<= 8
    return channels


def _side_by_side(columns: Sequence[npt.NDArray[Any]]) -> Channels:
    channels = np.empty((len(columns[0]), 3), "<u2")
    for channel, column in enumerate(columns):
        channels[:, channel] = column
    return channels


def is_wide(columns: Iterable[npt.NDArray[np.uint16]]) -> bool:
    """Whether any of these channels is above 255, so that the cloud they are of has colours of 16 bits."""
    return any(bool(column.size) and int(column.max()) > 255 for column in columns)
