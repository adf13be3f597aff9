"""Counts points that are nearer to one another than they should be, for the verifier. Compiled by numba.

Shares nothing with the writer's sampling: points are brought to the order of cells whose side is the least distance,
where those that could be too near lie in five runs, each of three cells that follow one another.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]


def crowded_points(places: Places, distance: int) -> int:
    """How many points have one that is nearer than the distance, two of them counted once.

    Args:
        places: (N, 3), from 0 up to less than 2^19 distances on each axis.
        distance: At least 1, in the same unit.
    """
    cells = places // distance + 1
    across = int(cells.max(initial=0)) + 2
    codes = (cells[:, 0] * across + cells[:, 1]) * across + cells[:, 2]
    order = np.argsort(codes, kind="stable")
    return int(_count_near(codes[order], np.ascontiguousarray(places[order]), across, distance * distance))


def points_beyond_one_a_cell(places: Places, side: int) -> int:
    """How many points share a cell of that side with one before them."""
    cells = places // side
    across = int(cells.max(initial=0)) + 1
    codes = np.sort((cells[:, 0] * across + cells[:, 1]) * across + cells[:, 2])
    return int(np.count_nonzero(codes[1:] == codes[:-1]))


def _count(codes: Any, places: Any, across: int, least: int) -> int:
    """Points with one behind them, in the order of their cells, whose squared distance is below `least`."""
    # Of the rows of cells around a point's, those behind it, and its own.
    rows = np.array([0, across, across * across - across, across * across, across * across + across])
    firsts = np.zeros(len(rows), np.int64)
    crowded = 0
    for i in range(len(codes)):
        near = False
        for row in range(len(rows)):
            middle = codes[i] + rows[row]
            j = firsts[row]
            while j < len(codes) and codes[j] < middle - 1:
                j += 1
            firsts[row] = j
            j = max(j, i + 1)
            while not near and j < len(codes) and codes[j] <= middle + 1:
                x = places[i, 0] - places[j, 0]
                y = places[i, 1] - places[j, 1]
                z = places[i, 2] - places[j, 2]
                near = x * x + y * y + z * z < least
                j += 1
        if near:
            crowded += 1
    return crowded


_count_near: Any = numba.njit(cache=True, nogil=True)(_count)
