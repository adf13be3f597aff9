"""Which pixels' planes are kept: those that look alike enough, in range, and in pieces that are no specks."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.dense.compiled import compiled
from pointcloud_colmap.dense.matching import Chances, State
from pointcloud_colmap.dense.threads import Runner

ByteArray = npt.NDArray[np.uint8]

_INSIDE: Final = np.float32(0.001)
"""Share by which an inverse depth must lie within the range: the search piles up planes at its ends."""
_STEP: Final = np.float32(1.0)
"""Pixels of disparity between neighbours of one piece."""


def kept_planes(state: State, wanted: ByteArray, chances: Chances, *, limit: float) -> ByteArray:
    """uint8 (H, W), 1 where a plane costs at most `limit`, lies within the range, and was wanted."""
    keep = (state.cost < np.float32(limit)) & (wanted > 0)
    inverse = state.planes[:, :, 0]
    keep &= inverse > np.float32(chances.farthest) * (1 + _INSIDE)
    keep &= inverse < np.float32(chances.nearest) * (1 - _INSIDE)
    return keep.view(np.uint8)


def remove_specks(state: State, keep: ByteArray, chances: Chances, *, smallest: int, runner: Runner) -> None:
    """Take out of `keep` connected pieces of fewer pixels, where a step in disparity is a piece's border."""
    step = np.float32(chances.pixel) * _STEP
    runner.whole(_remove_specks, state.planes, keep, step, smallest, np.empty(keep.shape, np.bool_))


@compiled
def _remove_specks(planes: Any, keep: Any, step: Any, smallest: int, seen: Any) -> None:
    height, width = keep.shape
    piece = np.empty(smallest, np.int64)
    waiting = np.empty(1024, np.int64)
    for row in range(height):
        for column in range(width):
            seen[row, column] = keep[row, column] == 0
    for row in range(height):
        for column in range(width):
            if not seen[row, column]:
                seen[row, column] = True
                waiting[0] = row * width + column
                size, waiting = _walk(planes, step, seen, piece, waiting)
                for k in range(size if size < smallest else 0):
                    keep[piece[k] // width, piece[k] % width] = 0


@compiled
def _walk(planes: Any, step: Any, seen: Any, piece: Any, waiting: Any) -> Any:
    """Mark the piece around the first waiting pixel as seen, and note the first pixels of it.

    Gives its size, and the array of pixels that wait, which is made longer when needed.
    """
    height, width = seen.shape
    waits, size = 1, 0
    while waits > 0:
        waits -= 1
        pixel = waiting[waits]
        if size < piece.shape[0]:
            piece[size] = pixel
        size += 1
        if waits + 4 > waiting.shape[0]:
            longer = np.empty(2 * waiting.shape[0], np.int64)
            longer[: waiting.shape[0]] = waiting
            waiting = longer
        row, column = pixel // width, pixel % width
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= r < height and 0 <= c < width
            if inside and not seen[r, c] and abs(planes[r, c, 0] - planes[row, column, 0]) < step:
                seen[r, c] = True
                waiting[waits] = r * width + c
                waits += 1
    return size, waiting
