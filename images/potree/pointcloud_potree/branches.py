"""Builds the parts of the octree: the branch that a chunk is, and the nodes where branches meet.

From the leaves up: each inner node takes a sample of what its children store. So what a node stores is known once its
parent has taken its share, and a branch can be finished but for its top, whose points wait for the parent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import local
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.encoders import Encoder
from pointcloud_potree.nodes import Int64s, StoredNodes
from pointcloud_potree.plan import Cell
from pointcloud_potree.rows import Points, Rows, points_of, sorted_points, taken
from pointcloud_potree.sampling import Sampler, Sampling

LEAF_CAPACITY: Final = 10_000
"""A leaf holds at most this many points, more only where they share one quantum. A node is what a viewer loads at a
time."""


@dataclass(frozen=True)
class Finished:
    """Nodes whose points are final, and the bytes of these."""

    nodes: StoredNodes
    data: Sequence[bytes | memoryview]


@dataclass(frozen=True)
class Top:
    """What the topmost node of a branch stores before its parent takes from it."""

    cell: Cell
    points: Points


class Grown(NamedTuple):
    """A branch: its topmost node, and what has become final below it, in the order of octree.bin."""

    top: Top
    final: list[Finished]


class _Level(NamedTuple):
    """The nodes of one level as runs of the sorted points."""

    prefix: npt.NDArray[np.uint64]
    start: Int64s
    end: Int64s
    splits: npt.NDArray[np.bool_]


class Branches:
    """Builds branches. Several threads may use it at once."""

    def __init__(self, levels: int, sampling: Sampling, encode: Encoder) -> None:
        self._levels = levels
        self._sampling = sampling
        self._encode = encode
        self._local = local()

    def grow(self, cell: Cell, rows: Rows) -> Grown:
        """Build what is below the top of a chunk.

        Args:
            cell: The chunk's.
            rows: (N, words), the chunk's points, at least one.
        """
        points = sorted_points(rows, 3 * (self._levels - cell.level))
        tree = self._split(points.keys, cell)
        stored = _leaf_levels(tree, cell.level)
        for depth in reversed(range(len(tree) - 1)):
            runs = tree[depth]
            self._sampler().lift(points, stored, runs.start[runs.splits], runs.end[runs.splits], cell.level + depth)
        ends = np.cumsum(np.bincount(stored, minlength=cell.level + len(tree)))
        picks = np.empty(len(stored), np.uint32)
        kernels.group_by_level(stored, np.concatenate([[0], ends[:-1]]), picks)
        by_level = np.split(picks, ends[:-1])[cell.level :]
        counts = [
            np.searchsorted(here, runs.end) - np.searchsorted(here, runs.start)
            for here, runs in zip(by_level, tree, strict=True)
        ]
        top = Top(cell, points_of(taken(points.rows, by_level[0])))
        levels = np.repeat(np.arange(len(tree)), [len(runs.start) for runs in tree]) + cell.level
        prefixes = np.concatenate([runs.prefix for runs in tree])
        below = picks[len(by_level[0]) :]
        return Grown(top, [self._finish(points, below, levels[1:], prefixes[1:], np.concatenate(counts)[1:])])

    def join(self, cell: Cell, children: Sequence[Top]) -> Grown:
        """Let the node of a cell take its share from its children, which are final then."""
        points = Points(*map(np.concatenate, zip(*(child.points for child in children), strict=True)))
        stored = np.full(len(points.keys), cell.level + 1, np.uint8)
        self._sampler().lift(points, stored, np.zeros(1, np.int64), np.full(1, len(stored)), cell.level)
        top = points_of(taken(points.rows, np.flatnonzero(stored == cell.level).astype(np.uint32)))
        ends = np.cumsum([len(child.points.keys) for child in children])
        parts = np.split(stored != cell.level, ends[:-1])
        lefts = (np.flatnonzero(left).astype(np.uint32) for left in parts)
        return Grown(Top(cell, top), [self._node(child, left) for child, left in zip(children, lefts, strict=True)])

    def finish(self, root: Top) -> Finished:
        """The node that no other takes from."""
        return self._node(root, np.arange(len(root.points.keys), dtype=np.uint32))

    def _node(self, top: Top, left: npt.NDArray[np.uint32]) -> Finished:
        """Encode a branch's topmost node with the points that its parent has left it."""
        level, prefix = np.array([top.cell.level]), np.array([top.cell.prefix], np.uint64)
        return self._finish(top.points, left, level, prefix, np.array([len(left)]))

    def _finish(
        self,
        points: Points,
        picks: npt.NDArray[np.uint32],
        level: Int64s,
        prefix: npt.NDArray[np.uint64],
        counts: Int64s,
    ) -> Finished:
        has_points = counts > 0
        counts = counts[has_points]
        data, sizes = self._encode(points, picks, counts)
        nodes = StoredNodes(level=level[has_points], prefix=prefix[has_points], num_points=counts, byte_size=sizes)
        return Finished(nodes, data)

    def _sampler(self) -> Sampler:
        """This thread's own."""
        if not hasattr(self._local, "sampler"):
            self._local.sampler = Sampler(self._sampling, self._levels)
        sampler: Sampler = self._local.sampler
        return sampler

    def _split(self, keys: npt.NDArray[np.uint64], cell: Cell) -> list[_Level]:
        """Halve the cell until no leaf holds too many points."""
        prefix = np.array([cell.prefix], np.uint64)
        start, end = np.zeros(1, np.int64), np.full(1, len(keys), np.int64)
        tree: list[_Level] = []
        while True:
            splits = (end - start > LEAF_CAPACITY) & (keys[start] != keys[end - 1])
            tree.append(_Level(prefix, start, end, splits))
            if not splits.any():
                return tree
            below = np.uint64(3 * (self._levels - cell.level - len(tree)))
            child: npt.NDArray[np.uint64] = (prefix[splits, None] << np.uint64(3)) | np.arange(8, dtype=np.uint64)
            inner_cuts = np.searchsorted(keys, child[:, 1:] << below)
            cuts = np.column_stack([start[splits], inner_cuts, end[splits]])
            occupied = cuts[:, 1:] > cuts[:, :-1]
            prefix, start, end = child[occupied], cuts[:, :-1][occupied], cuts[:, 1:][occupied]


def _leaf_levels(tree: list[_Level], top: int) -> npt.NDArray[np.uint8]:
    """The level of the leaf that each sorted point falls into: uint8 (N,)."""
    stored = np.empty(int(tree[0].end[0]), np.uint8)
    for depth, runs in enumerate(tree):
        leaves = ~runs.splits
        for start, end in zip(runs.start[leaves].tolist(), runs.end[leaves].tolist(), strict=True):
            stored[start:end] = top + depth
    return stored
