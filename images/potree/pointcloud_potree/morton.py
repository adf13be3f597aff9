"""Brings points into Morton order, so that every octree node is a contiguous run of them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.grid import Grid, Positions


class SortedPoints(NamedTuple):
    """Points in Morton order, by reference to the rows they came from.

    Attributes:
        keys: uint64 (N,), ascending Morton codes (see `kernels`).
        rows: uint32 (N,), each point's row in the input.
    """

    keys: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.uint32]


def sort_points(positions: Positions, grid: Grid) -> SortedPoints:
    """Sort by Morton code, and by input row where codes are equal. Needs 24 bytes a point while it works."""
    count = len(positions)
    keys = np.empty(count, np.uint64)
    kernels.morton_keys(positions, np.array(grid.offset), grid.scale, grid.bits - grid.levels, keys)
    rows = np.arange(count, dtype=np.uint32)
    spare_keys, spare_rows = np.empty_like(keys), np.empty_like(rows)
    for shift in range(0, 3 * grid.levels, kernels.RADIX_BITS):
        kernels.radix_pass(keys, rows, shift, spare_keys, spare_rows)
        keys, rows, spare_keys, spare_rows = spare_keys, spare_rows, keys, rows
    return SortedPoints(keys, rows)
