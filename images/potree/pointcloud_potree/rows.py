"""How points lie in memory and on scratch between reading and writing: `kernels` says what a row is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.grid import Grid
from pointcloud_potree.points import Block, PointAttribute

Rows = npt.NDArray[np.uint64]
"""(N, words)."""


class Points(NamedTuple):
    """N points along the Morton curve, those at one place in the cloud's own order."""

    keys: npt.NDArray[np.uint64]
    """(N,), ascending."""
    places: npt.NDArray[np.int32]
    """(N, 3), the coordinates that the keys stand for."""
    rows: Rows
    """(N, words), in the same order."""


@dataclass(frozen=True)
class RowLayout:
    """Where a row has what."""

    grid: Grid
    attributes: Sequence[PointAttribute]

    @property
    def first_byte(self) -> int:
        """The first byte of a row that belongs to an attribute."""
        return 8 if self.grid.bits <= kernels.MAX_LEVELS else 16

    @property
    def attribute_bytes(self) -> int:
        """Of a point, in rows as in octree.bin."""
        return sum(attribute.size for attribute in self.attributes)

    @property
    def words(self) -> int:
        """Of a row."""
        return -(-(self.first_byte + self.attribute_bytes) // 8)

    def fill(self, block: Block, rows: Rows) -> None:
        """Write the rows of a block whose positions are all finite."""
        count = len(rows)
        kernels.quantise(block.positions, np.array(self.grid.offset), self.grid.scale, self.grid.bits, rows)
        columns = rows.view(np.uint8).reshape(count, 8 * self.words)
        at = self.first_byte
        for attribute in self.attributes:
            values = np.ascontiguousarray(block.attributes[attribute.name], attribute.dtype)
            kernels.copy_columns(values.view(np.uint8).reshape(count, attribute.size), columns, at)
            at += attribute.size


def sorted_points(rows: Rows, bits: int) -> Points:
    """Bring points to Morton order by the lowest bits of their keys, of which the higher ones are all the same."""
    keys, order = kernels.sort_by_key(rows, bits)
    return _points(keys, taken(rows, order))


def points_of(rows: Rows) -> Points:
    """Points that are in Morton order already."""
    return _points(np.ascontiguousarray(rows[:, 0]), rows)


def taken(rows: Rows, picks: npt.NDArray[np.uint32]) -> Rows:
    """The picked rows, in the picks' order."""
    target = np.empty((len(picks), rows.shape[1]), np.uint64)
    kernels.take_rows(rows, picks, target)
    return target


def _points(keys: npt.NDArray[np.uint64], rows: Rows) -> Points:
    places = np.empty((len(keys), 3), np.int32)
    kernels.decode(keys, places)
    return Points(keys, places, rows)
