"""Cuts the octree's cube into chunks: cells with few enough points to be built in a processor's cache.

The cut follows a sample of the points, so it needs no pass over all of them, and it depends on the cloud alone: neither
memory nor threads have a say in it, and hence none in the octree. All levels of a chunk's cell are known at once,
however far off an outlier makes the cube's corners: a grid of one fineness would have the whole scene in one of its
cells.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

CHUNK_POINTS: Final = 250_000
"""A chunk has about as many at most: what is done to it then stays in a processor's cache. Of smaller ones, more of the
points would pass through the nodes where branches meet."""
_LARGE_CHUNK_POINTS: Final = 1_000_000
_SHARES: Final = 4096
"""Of a large cloud, this part is a chunk at most, or a million points, lest there are more chunks than points can be
brought to at once. Of 2^18 sample points it has 64: a cell with twice as many is not missed."""
_TABLE_LEVELS: Final = 5


@dataclass(frozen=True)
class Cell:
    """A cell of the octree: a chunk, or one whose eight children are cells of the plan."""

    level: int
    prefix: int
    """The highest `3 * level` bits of the keys inside."""
    chunk: int | None
    """Its number, of a chunk."""


@dataclass(frozen=True)
class Plan:
    """The cells in post-order: children, ascending, before their parent; the root comes last.

    Attributes:
        levels: Of a key.
        cells: All of them.
        first: uint64 (C,), each chunk's lowest possible key. Ascending: chunks are numbered along the Morton curve.
    """

    levels: int
    cells: tuple[Cell, ...]
    first: npt.NDArray[np.uint64]

    @property
    def shift(self) -> int:
        """How many low bits of a key `table` leaves out."""
        return 3 * max(0, self.levels - _TABLE_LEVELS)

    def table(self) -> npt.NDArray[np.int32]:
        """For each value of a key's bits above `shift`, and one more, the last chunk that begins at or before it."""
        values = np.arange((1 << (3 * self.levels - self.shift)) + 1, dtype=np.uint64) << np.uint64(self.shift)
        return (np.searchsorted(self.first, values, side="right") - 1).astype(np.int32)


def plan_chunks(sample: npt.NDArray[np.uint64], points: int, levels: int) -> Plan:
    """Cut the cube.

    Args:
        sample: uint64 (N,), the keys of some of the points, sorted.
        points: How many there are in all.
        levels: Of a key.
    """
    each = points / len(sample)
    most = min(max(CHUNK_POINTS, points // _SHARES), _LARGE_CHUNK_POINTS)
    cells: list[Cell] = []
    first: list[int] = []

    def visit(level: int, prefix: int, keys: npt.NDArray[np.uint64]) -> None:
        if len(keys) * each <= most or level == levels:
            cells.append(Cell(level, prefix, len(first)))
            first.append(prefix << 3 * (levels - level))
            return
        below = 3 * (levels - level - 1)
        children = range(prefix << 3, (prefix << 3) + 8)
        cuts = np.searchsorted(keys, np.array([child << below for child in children[1:]], np.uint64))
        for child, part in zip(children, np.split(keys, cuts), strict=True):
            visit(level + 1, child, part)
        cells.append(Cell(level, prefix, None))

    visit(0, 0, sample)
    return Plan(levels, tuple(cells), np.array(first, np.uint64))
