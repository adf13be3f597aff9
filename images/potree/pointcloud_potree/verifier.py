"""Proves that an octree holds what it should, before anyone is shown it.

Goes through the tree node by node, so that its memory does not grow with the cloud but for 16 bytes a node. Seen are:
that every point of the source is there once, with all its attributes; that each lies in its node's cube; that what an
inner node shows is an even sample; that the bytes of the nodes fill octree.bin, and the chunks
hierarchy.bin, without gaps and overlaps; and that the totals, ranges and histograms of metadata.json are those of the
points.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree.crowding import crowded_points, points_beyond_one_a_cell
from pointcloud_potree.points import Block, PointSource
from pointcloud_potree.reader import CorruptOctreeError, Node, Octree, Quanta, check_filled
from pointcloud_potree.workers import Workers

_ROWS: Final = 1 << 14
"""Points whose hashes are worked out at a time: they stay in the processor's cache."""
_FINEST: Final = 21
"""So often a cube is halved at most: finer differences play no part in which points a node shows."""
_FUZZ: Final = 1e-6
"""Of a quantum: what is this near to a whole number of quanta is that number."""

Words = npt.NDArray[np.uint64]
Range = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A set of quantised points with all their attributes as two numbers, whatever their order."""

    points: int
    digest: int


def verify_octree(
    folder: Path,
    expected: Fingerprint | None = None,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Read every point and check it against its node, and all of them against the totals and ranges.

    Args:
        folder: With metadata.json, hierarchy.bin and octree.bin.
        expected: Of the points that it was made from.
        threads: How many to use.
        progress: Called with the points checked so far and all points.

    Returns:
        The number of nodes.

    Raises:
        CorruptOctreeError: With what is wrong.
    """
    octree = Octree(folder)
    totals = _Totals(octree)
    with (folder / "octree.bin").open("rb") as file, Workers(threads) as workers:
        for node, points in workers.in_order(lambda node: (node, _look_at(octree, node, file)), octree.nodes()):
            totals.add(node, points)
            if points is not None:
                progress(totals.points, octree.metadata.points)
        length = file.seek(0, 2)
    totals.check(length, expected)
    return totals.nodes


def fingerprint(octree: Octree, source: PointSource, *, threads: int = 1) -> Fingerprint:
    """The fingerprint that an octree must have if it was made from these points.

    Args:
        octree: Tells the quanta.
        source: Points that are not finite do not count.
        threads: How many to use.

    Raises:
        CorruptOctreeError: The octree has other attributes than the points.
    """
    meant = {attribute.name: attribute.dtype for attribute in source.attributes}
    if meant != octree.attributes:
        msg = f"the octree's attributes should be {_listed(meant)} but are {_listed(octree.attributes)}"
        raise CorruptOctreeError(msg)
    points, digest = 0, 0
    with Workers(threads) as workers:
        for part in workers.in_order(lambda portion: _fingerprint_of(octree, portion.decode()), source.portions()):
            points += part.points
            digest += part.digest
    return Fingerprint(points=points, digest=digest % 2**64)


def _fingerprint_of(octree: Octree, block: Block) -> Fingerprint:
    offset, scale = np.array(octree.metadata.offset), np.array(octree.metadata.scale)
    points, digest = 0, 0
    for start in range(0, len(block.positions), _ROWS):
        rows = slice(start, start + _ROWS)
        positions = block.positions[rows]
        values = {name: column[rows] for name, column in block.attributes.items()}
        finite = np.isfinite(positions).all(axis=1)
        if not finite.all():
            positions = positions[finite]
            values = {name: column[finite] for name, column in values.items()}
        quanta = np.rint((positions - offset) / scale).astype(np.int64)
        points += len(quanta)
        digest += _digest(quanta, values)
    return Fingerprint(points=points, digest=digest)


def _listed(attributes: Mapping[str, np.dtype[Any]]) -> str:
    return ", ".join(f"{name} ({dtype})" for name, dtype in attributes.items()) or "none"


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the points of one node add up to."""

    points: int
    digest: int
    quanta: Range
    ranges: Mapping[str, Range]
    histograms: Mapping[str, npt.NDArray[np.int64]]
    """Of the attributes of one byte."""


def _look_at(octree: Octree, node: Node, file: IO[bytes]) -> _Seen | None:
    """Check a node, and add up its points if it has any."""
    if (node.num_points == 0) != (node.byte_size == 0):
        msg = f"node {node.name} has {node.num_points} points in {node.byte_size} bytes"
        raise CorruptOctreeError(msg)
    if node.num_points == 0:
        if node.is_leaf:
            msg = f"node {node.name} has neither points nor children"
            raise CorruptOctreeError(msg)
        return None
    points = octree.read(node, file)
    _check_inside(octree, node, points.quanta)
    if not node.is_leaf:
        _check_spacing(octree, node, points.quanta)
    digest = 0
    for start in range(0, len(points.quanta), _ROWS):
        rows = slice(start, start + _ROWS)
        digest += _digest(points.quanta[rows], {name: column[rows] for name, column in points.attributes.items()})
    return _Seen(
        points=len(points.quanta),
        digest=digest,
        quanta=_range(points.quanta),
        ranges={name: _range(values) for name, values in points.attributes.items()},
        histograms={
            name: np.bincount(values.view(np.uint8), minlength=256)
            for name, values in points.attributes.items()
            if values.ndim == 1 and values.itemsize == 1
        },
    )


class _Totals:
    """What nodes and their points add up to."""

    def __init__(self, octree: Octree) -> None:
        self.nodes = self.points = 0
        self._octree = octree
        self._depth = self._digest = 0
        self._places: list[tuple[int, int]] = []
        self._quanta: Range | None = None
        self._ranges: dict[str, Range] = {}
        self._histograms: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, node: Node, seen: _Seen | None) -> None:
        """A node and its points, if it has any."""
        self.nodes += 1
        self._depth = max(self._depth, node.level)
        if seen is None:
            return
        self._places.append((node.byte_offset, node.byte_size))
        self.points += seen.points
        self._digest += seen.digest
        self._quanta = _joined(self._quanta, seen.quanta)
        for name, values in seen.ranges.items():
            self._ranges[name] = _joined(self._ranges.get(name), values)
        for name, counts in seen.histograms.items():
            self._histograms[name] = self._histograms.get(name, 0) + counts

    def check(self, length: int, expected: Fingerprint | None) -> None:
        """Compare with metadata.json, the bytes of octree.bin and the points it was made from."""
        metadata = self._octree.metadata
        low, high = map(self._octree.positions, self._quanta) if self._quanta else (np.zeros(3), np.zeros(3))
        position, *others = metadata.attributes
        found: dict[str, object] = {
            "points": self.points,
            "depth": self._depth,
            "bounds": (low.tolist(), high.tolist()),
        }
        told: dict[str, object] = {
            "points": metadata.points,
            "depth": metadata.hierarchy.depth,
            "bounds": (position.min, position.max),
        }
        for attribute in others:
            if (known := self._ranges.get(attribute.name)) is not None:
                # As metadata.json has no word for what is no number, 0 stands for it.
                numbers = (np.where(np.isfinite(bound), bound, 0).tolist() for bound in known)
                found[f"range of {attribute.name}"] = tuple(numbers)
                told[f"range of {attribute.name}"] = (attribute.min, attribute.max)
            for byte, count in enumerate(attribute.histogram or ()):
                found[f"points with byte {byte} of {attribute.name}"] = int(self._histograms[attribute.name][byte])
                told[f"points with byte {byte} of {attribute.name}"] = count
        if expected is not None:
            found["fingerprint"] = Fingerprint(points=self.points, digest=self._digest % 2**64)
            told["fingerprint"] = expected
        for what, value in told.items():
            if found[what] != value:
                msg = f"the octree's {what} should be {value} but its nodes add up to {found[what]}"
                raise CorruptOctreeError(msg)
        check_filled(self._places, length, "octree.bin")


def _range(values: npt.NDArray[Any]) -> Range:
    """The least and greatest number of each element. Where none is a number, the least is infinite."""
    # A column at a time, as NumPy is slow along the longer axis.
    columns = values.reshape(len(values), -1).T
    if values.dtype.kind == "f":
        numbers = [column[np.isfinite(column)] for column in columns]
        low, high = [each.min(initial=np.inf) for each in numbers], [each.max(initial=-np.inf) for each in numbers]
        return np.array(low), np.array(high)
    return np.array([column.min() for column in columns]), np.array([column.max() for column in columns])


def _joined(known: Range | None, added: Range) -> Range:
    return added if known is None else (np.minimum(added[0], known[0]), np.maximum(added[1], known[1]))


def _check_inside(octree: Octree, node: Node, quanta: Quanta) -> None:
    """Raise CorruptOctreeError unless each point lies in the node's cube, whose upper faces are its neighbours'."""
    low = np.array(node.low) * octree.side
    high = low + octree.side * 0.5**node.level
    first, beyond = np.ceil(low - _FUZZ), np.ceil(high - _FUZZ)
    # Beyond the whole cube there is no neighbour.
    beyond[high >= octree.side - _FUZZ] = np.floor(octree.side + _FUZZ) + 1
    least, greatest = _range(quanta)
    if (least >= first).all() and (greatest < beyond).all():
        return
    outside = ((quanta < first) | (quanta >= beyond)).any(axis=1)
    where = octree.positions(quanta[np.argmax(outside)]).tolist()
    msg = f"{int(outside.sum())} points of node {node.name} lie outside its cube, the first at {where}"
    raise CorruptOctreeError(msg)


def _check_spacing(octree: Octree, node: Node, quanta: Quanta) -> None:
    """Raise CorruptOctreeError where an inner node shows points that are no even sample.

    They are at least its spacing apart, or one is in each cell of its spacing, whichever way they were chosen.
    """
    step = 1 << max(0, round(math.log2(octree.side)) - _FINEST)
    spacing = octree.metadata.spacing / octree.metadata.scale[0] * 0.5**node.level
    low = np.ceil(np.array(node.low) * octree.side - _FUZZ).astype(np.int64)
    places, distance = (quanta - low) // step, max(round(spacing / step), 1)
    if (crowded := crowded_points(places, distance)) and points_beyond_one_a_cell(places, distance):
        msg = f"node {node.name} shows {crowded} points that are nearer than its spacing to another"
        raise CorruptOctreeError(msg)


def _digest(quanta: Quanta, values: Mapping[str, npt.NDArray[Any]]) -> int:
    """The sum of a 64-bit hash of each point, which depends on every number of it and on which attribute it is of."""
    columns = [*quanta.T.view(np.uint64)]
    for name in sorted(values):
        elements = values[name].reshape(len(quanta), -1)
        columns += [elements[:, element].view(f"u{elements.itemsize}") for element in range(elements.shape[1])]
    hashes = np.zeros(len(quanta), np.uint64)
    for column, factor in zip(columns, _mixed(np.arange(1, len(columns) + 1, dtype=np.uint64)), strict=True):
        hashes += column.astype(np.uint64) * (factor | np.uint64(1))
    return int(_mixed(hashes).sum(dtype=np.uint64))


def _mixed(words: Words) -> Words:
    """Numbers (n,) of which each bit depends on all of those given: SplitMix64."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)), np.uint64)
