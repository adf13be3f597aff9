"""Cuts the sorted points into octree nodes and decides which node stores which point."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.morton import SortedPoints

# A leaf holds at most this many points, more only where they share one quantum. A node is what a viewer
# loads at a time.
LEAF_CAPACITY: Final = 10_000
# A node shows one point a cell of 2^-7 of its side: Potree's spacing of side / 128.
CELL_LEVELS: Final = 7

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The octree's nodes, breadth first and children ascending; entry 0 is the root.

    Attributes:
        level: int64 (M,), 0 for the root.
        child_mask: uint8 (M,), bit c is set where child c exists.
        first_child: int64 (M,), where its children start among the nodes; meaningless without children.
        num_points: int64 (M,), points stored in the node itself.
    """

    level: Int64s
    child_mask: npt.NDArray[np.uint8]
    first_child: Int64s
    num_points: Int64s
    first_point: Int64s

    def __len__(self) -> int:
        return len(self.level)

    @property
    def depth(self) -> int:
        """Level of the deepest node."""
        return int(self.level[-1])


@dataclass(frozen=True)
class _Level:
    """The nodes of one level as runs of the sorted points."""

    prefix: npt.NDArray[np.uint64]
    start: Int64s
    end: Int64s
    splits: npt.NDArray[np.bool_]


def build_nodes(points: SortedPoints, levels: int) -> tuple[Nodes, npt.NDArray[np.uint32]]:
    """Build the octree.

    Args:
        points: At least one.
        levels: Of the grid that the keys were made with.

    Returns:
        The nodes, and the input rows in the nodes' order, within a node in Morton order: uint32 (N,).
    """
    tree = _split(points.keys, levels)
    stored = _leaf_levels(tree)
    for level in range(len(tree) - 1):
        kernels.sample_level(points.keys, levels, min(level + CELL_LEVELS, levels), level, stored)

    rows = np.empty_like(points.rows)
    counts: list[Int64s] = []
    done = 0
    for level, runs in enumerate(tree):
        slots = np.flatnonzero(stored == level)
        rows[done : done + len(slots)] = points.rows[slots]
        counts.append(np.searchsorted(slots, runs.end) - np.searchsorted(slots, runs.start))
        done += len(slots)
    return _link(tree, counts), rows


def _split(keys: npt.NDArray[np.uint64], levels: int) -> list[_Level]:
    """Halve the cube until no leaf holds too many points."""
    prefix = np.zeros(1, np.uint64)
    start, end = np.zeros(1, np.int64), np.full(1, len(keys), np.int64)
    tree: list[_Level] = []
    while True:
        splits = (end - start > LEAF_CAPACITY) & (keys[start] != keys[end - 1])
        tree.append(_Level(prefix, start, end, splits))
        if not splits.any():
            return tree
        below = np.uint64(3 * (levels - len(tree)))
        child: npt.NDArray[np.uint64] = (prefix[splits, None] << np.uint64(3)) | np.arange(8, dtype=np.uint64)
        inner_cuts = np.searchsorted(keys, child[:, 1:] << below)
        cuts = np.column_stack([start[splits], inner_cuts, end[splits]])
        occupied = cuts[:, 1:] > cuts[:, :-1]
        prefix, start, end = child[occupied], cuts[:, :-1][occupied], cuts[:, 1:][occupied]


def _leaf_levels(tree: list[_Level]) -> npt.NDArray[np.uint8]:
    """The level of the leaf that each sorted point falls into: uint8 (N,)."""
    starts = np.concatenate([runs.start[~runs.splits] for runs in tree])
    sizes = np.concatenate([(runs.end - runs.start)[~runs.splits] for runs in tree])
    levels = np.concatenate([np.full(np.count_nonzero(~runs.splits), i) for i, runs in enumerate(tree)])
    order = np.argsort(starts)
    return np.repeat(levels[order].astype(np.uint8), sizes[order])


def _link(tree: list[_Level], counts: list[Int64s]) -> Nodes:
    """Put the levels' nodes in one table, leaving out those whose points were all lifted to their ancestors."""
    num_points: list[Int64s] = []
    child_mask: list[npt.NDArray[np.uint8]] = []
    kept_below = np.zeros(0, np.uint64)
    for runs, stored in zip(reversed(tree), reversed(counts), strict=True):
        mask = np.zeros(len(runs.prefix), np.uint8)
        parent = np.searchsorted(runs.prefix, kept_below >> np.uint64(3))
        bit = np.left_shift(np.uint8(1), (kept_below & np.uint64(7)).astype(np.uint8))
        np.bitwise_or.at(mask, parent, bit)
        keep = (stored > 0) | (mask > 0)
        num_points.append(stored[keep])
        child_mask.append(mask[keep])
        kept_below = runs.prefix[keep]
    num_points.reverse()
    child_mask.reverse()

    points, masks = np.concatenate(num_points), np.concatenate(child_mask)
    children = np.bitwise_count(masks).astype(np.int64)
    return Nodes(
        level=np.repeat(np.arange(len(num_points)), [len(stored) for stored in num_points]),
        child_mask=masks,
        first_child=1 + np.cumsum(children) - children,
        num_points=points,
        first_point=np.cumsum(points) - points,
    )
