"""Decides which points a node shows: an even sample of those that its children would show.

Compiled by numba, as `kernels` is. A node's candidates are the points that its children store so far: all of a
leaf, the sample of an inner node. What the node takes, its children lose, so every point stays stored once.
"""

from enum import StrEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree.kernels import compiled
from pointcloud_potree.rows import Points

Int64s = npt.NDArray[np.int64]

CELL_LEVELS: Final = 7
"""Potree's spacing is a node's side / 2^7."""
_GRID_LEVELS: Final = CELL_LEVELS - 1
"""Neighbours are looked up in cells of two spacings a side, of which a ball of one spacing touches at most eight."""
_GRID_SIDE: Final = (1 << _GRID_LEVELS) + 2
"""With one empty cell around, so that no neighbour needs a check."""


class Sampling(StrEnum):
    """How points are chosen, in PotreeConverter's words."""

    POISSON = "poisson"
    """No two points of a node are nearer than its spacing, and no point that could be added is left out."""
    RANDOM = "random"
    """One point at random in each cell of one spacing a side."""


class Sampler:
    """Chooses points. Has working memory of its own: one for each thread."""

    def __init__(self, sampling: Sampling, levels: int) -> None:
        """`levels` is how many levels a key has."""
        self._sampling = sampling
        self._levels = levels
        self._heads = np.full(_GRID_SIDE**3 if sampling is Sampling.POISSON else 0, -1, np.int32)
        self._taken = np.empty((0, 4), np.int32)

    def lift(self, points: Points, stored: npt.NDArray[np.uint8], starts: Int64s, ends: Int64s, level: int) -> None:
        """Lift points into the inner nodes of one level from those below them.

        Args:
            points: N, sorted.
            stored: uint8 (N,), the level that stores each point so far; changed for those that are lifted.
            starts: int64 (M,), where each of the inner nodes' points begin.
            ends: int64 (M,), where they end.
            level: Of the inner nodes.
        """
        bits = self._levels - level
        if self._sampling is Sampling.RANDOM:
            take_one_a_cell(points.keys, stored, starts, ends, level, max(0, bits - CELL_LEVELS))
            return
        most = int((ends - starts).max(initial=0))
        if len(self._taken) < most:
            self._taken = np.empty((most, 4), np.int32)
        take_spaced(points.places, stored, starts, ends, level, bits, self._heads, self._taken)


@compiled(nogil=True)
def take_one_a_cell(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    keys: Any, stored: Any, starts: Any, ends: Any, level: int, cell_bits: int
) -> None:
    """Lift of each cell's candidates the one whose key has the least hash. See `Sampler.lift`."""
    below = np.uint64(3 * cell_bits)
    for node in range(starts.shape[0]):
        chosen, cell, least = -1, np.uint64(0), np.uint64(0)
        for i in range(starts[node], ends[node]):
            if stored[i] != level + 1:
                continue
            here = keys[i] >> below
            rank = keys[i] * np.uint64(0x9E3779B97F4A7C15)
            rank = (rank ^ (rank >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            if chosen < 0 or here != cell:
                if chosen >= 0:
                    stored[chosen] = level
                chosen, cell, least = i, here, rank
            elif rank < least:
                chosen, least = i, rank
        if chosen >= 0:
            stored[chosen] = level


@compiled(nogil=True)
def take_spaced(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    places: Any, stored: Any, starts: Any, ends: Any, level: int, bits: int, heads: Any, taken: Any
) -> None:
    """Lift every candidate that is at least one spacing away from those lifted before it. See `Sampler.lift`.

    They are tried along the Morton curve, which finds the neighbours of each in the processor's cache.

    Args:
        places: int32 (N, 3), in key units.
        stored: See `Sampler.lift`.
        starts: See `Sampler.lift`.
        ends: See `Sampler.lift`.
        level: See `Sampler.lift`.
        bits: A node is 2^bits key units a side.
        heads: int32 (_GRID_SIDE^3,), -1 everywhere before and after: the last point taken in each cell.
        taken: int32 (most points of a node, 4), working memory: x, y, z and the point taken before in its cell.
    """
    shift = max(0, bits - _GRID_LEVELS)
    spacing = np.int64(1) << max(0, bits - CELL_LEVELS)
    least = spacing * spacing
    inside = (np.int64(1) << bits) - 1
    nowhere = -(np.int64(1) << 24)
    for node in range(starts.shape[0]):
        count = 0
        last_x, last_y, last_z = nowhere, nowhere, nowhere
        for i in range(starts[node], ends[node]):
            if stored[i] != level + 1:
                continue
            x = np.int64(places[i, 0]) & inside
            y = np.int64(places[i, 1]) & inside
            z = np.int64(places[i, 2]) & inside
            # Along the curve the nearest is often the one taken last.
            dx, dy, dz = x - last_x, y - last_y, z - last_z
            if dx * dx + dy * dy + dz * dz < least:
                continue
            cell = _cell(x, y, z, shift)
            if _is_free(x, y, z, cell, shift, least, heads, taken):
                taken[count, 0], taken[count, 1], taken[count, 2], taken[count, 3] = x, y, z, heads[cell]
                heads[cell] = count
                count += 1
                stored[i] = level
                last_x, last_y, last_z = x, y, z
        for other in range(count):
            heads[_cell(np.int64(taken[other, 0]), np.int64(taken[other, 1]), np.int64(taken[other, 2]), shift)] = -1


@compiled(nogil=True)
def _is_free(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    x: Any, y: Any, z: Any, cell: Any, shift: int, least: Any, heads: Any, taken: Any
) -> bool:
    """Whether no point taken is nearer than the root of `least`."""
    # To the neighbours on whose side of the cell the point lies: a ball reaches no others.
    half = max(0, shift - 1)
    step_x = (((x >> half) & 1) * 2 - 1) * _GRID_SIDE * _GRID_SIDE
    step_y = (((y >> half) & 1) * 2 - 1) * _GRID_SIDE
    step_z = ((z >> half) & 1) * 2 - 1
    for corner in range(8 if shift > 0 else 1):
        other = heads[cell + (corner & 1) * step_z + ((corner >> 1) & 1) * step_y + (corner >> 2) * step_x]
        while other >= 0:
            dx, dy, dz = x - taken[other, 0], y - taken[other, 1], z - taken[other, 2]
            if dx * dx + dy * dy + dz * dz < least:
                return False
            other = taken[other, 3]
    return True


@compiled(inline="always")
def _cell(x: Any, y: Any, z: Any, shift: int) -> Any:
    return (((x >> shift) + 1) * _GRID_SIDE + (y >> shift) + 1) * _GRID_SIDE + (z >> shift) + 1
