"""Reads an octree back and proves that it holds what it should, before anyone is shown it.

Written from the layout alone: nothing is shared with the writer but the words of metadata.json. It goes
through the tree node by node, so its memory does not grow with the cloud.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import brotli
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pointcloud_potree.metadata import Metadata

RECORD: Final = np.dtype("u1, u1, <u4, <u8, <u8")
INNER, LEAF, PROXY = 0, 1, 2
DEFAULT_POINT: Final = np.dtype([("position", "<i4", 3), ("rgb", "<u2", 3)])
CHUNK_ROWS: Final = 1 << 18
# Groups of 1, 2, 4, 8 neighbouring bits are brought together in turn.
_PACKING: Final = ((2, 0xC30C30C30C3), (4, 0xF00F00F00F), (8, 0xFF0000FF), (16, 0xFFFF))

Quanta = npt.NDArray[np.int64]
Colours = npt.NDArray[np.uint8]


class CorruptOctreeError(Exception):
    """The folder is no octree, or not the one that was meant; the message names the node."""


@dataclass(frozen=True)
class Node:
    """One node as hierarchy.bin tells it; of a proxy, offset and size point into hierarchy.bin instead.

    Attributes:
        name: Potree's name: ``r``, then one digit a level.
        low: Its cube's lowest corner, as a fraction of the whole cube's side: exact, a multiple of 2^-level.
        child_mask: Bit c is set where child c exists.
        num_points: Points stored in the node itself.
        byte_offset: Where they start in octree.bin.
        byte_size: How many bytes they take there.
    """

    name: str
    low: tuple[float, float, float]
    child_mask: int
    num_points: int
    byte_offset: int
    byte_size: int

    @property
    def is_leaf(self) -> bool:
        """Whether it has no children."""
        return self.child_mask == 0

    @property
    def level(self) -> int:
        """0 for the root."""
        return len(self.name) - 1


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """A set of quantised, coloured points as two numbers, whatever their order."""

    points: int
    digest: int


class Octree:
    """An octree folder opened for reading."""

    def __init__(self, folder: Path) -> None:
        """Read metadata.json.

        Raises:
            CorruptOctreeError: It is missing or not one of a Potree 2.0 octree with position and rgb.
        """
        self.folder = folder
        try:
            self.metadata = Metadata.model_validate_json((folder / "metadata.json").read_bytes())
        except (OSError, ValidationError) as error:
            msg = f"metadata.json cannot be read: {error}"
            raise CorruptOctreeError(msg) from error
        names = [(attribute.name, attribute.size) for attribute in self.metadata.attributes]
        if names != [("position", 12), ("rgb", 6)]:
            msg = f"expected the attributes position and rgb, found {names}"
            raise CorruptOctreeError(msg)

    def nodes(self) -> Iterator[Node]:
        """Every node once, parents before their children.

        Raises:
            CorruptOctreeError: A chunk is cut short, points nowhere, or the masks ask for missing records.
        """
        raw = (self.folder / "hierarchy.bin").read_bytes()
        waiting = deque([Node("r", (0.0, 0.0, 0.0), 0, 0, 0, self.metadata.hierarchy.first_chunk_size)])
        while waiting:
            nodes, proxies = _read_chunk(raw, waiting.popleft())
            waiting.extend(proxies)
            yield from nodes

    def read(self, node: Node, file: IO[bytes]) -> tuple[Quanta, Colours]:
        """Decode one node's points.

        Args:
            node: Of this octree.
            file: Its octree.bin, opened.

        Returns:
            int64 (n, 3) coordinates in quanta, and uint8 (n, 3) colours.

        Raises:
            CorruptOctreeError: The bytes are not there or not those of so many points.
        """
        file.seek(node.byte_offset)
        raw = file.read(node.byte_size)
        if len(raw) != node.byte_size:
            msg = f"octree.bin ends within the points of node {node.name}"
            raise CorruptOctreeError(msg)
        try:
            decode = _decode_default if self.metadata.encoding == "DEFAULT" else _decode_brotli
            return decode(raw, node.num_points)
        except (ValueError, brotli.error) as error:
            msg = f"the bytes of node {node.name} are not those of {node.num_points} points: {error}"
            raise CorruptOctreeError(msg) from error

    def positions(self, quanta: Quanta) -> npt.NDArray[np.float64]:
        """Coordinates in the cloud's unit: float64 (n, 3)."""
        offset, scale = np.array(self.metadata.offset), np.array(self.metadata.scale)
        return np.asarray(offset + quanta * scale, np.float64)


def verify_octree(
    folder: Path,
    expected: Fingerprint | None = None,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Read every point and check it against its node, the totals and the bounds.

    Args:
        folder: With metadata.json, hierarchy.bin and octree.bin.
        expected: Of the points that it was made from.
        progress: Called with the points checked so far and all points.

    Returns:
        The number of nodes.

    Raises:
        CorruptOctreeError: With what is wrong.
    """
    octree = Octree(folder)
    metadata = octree.metadata
    nodes, points, digest, depth, used = 0, 0, 0, 0, 0
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    with (folder / "octree.bin").open("rb") as file:
        for node in octree.nodes():
            nodes, depth, used = nodes + 1, max(depth, node.level), used + node.byte_size
            if node.num_points == 0:
                continue
            quanta, colours = octree.read(node, file)
            positions = octree.positions(quanta)
            _check_inside(octree, node, positions)
            low, high = np.minimum(low, positions.min(axis=0)), np.maximum(high, positions.max(axis=0))
            points += node.num_points
            progress(points, metadata.points)
            digest = (digest + _digest(quanta, colours)) % 2**64
        length = file.seek(0, 2)
    tight = metadata.attributes[0]
    found = {
        "points": points,
        "depth": depth,
        "bytes of octree.bin": used,
        "bounds": (low.tolist(), high.tolist()),
    }
    told = {
        "points": metadata.points,
        "depth": metadata.hierarchy.depth,
        "bytes of octree.bin": length,
        "bounds": (tight.min, tight.max),
    }
    if expected is not None:
        found["fingerprint"] = Fingerprint(points=points, digest=digest)
        told["fingerprint"] = expected
    for what, value in told.items():
        if found[what] != value:
            msg = f"the octree's {what} should be {value} but its nodes add up to {found[what]}"
            raise CorruptOctreeError(msg)
    return nodes


def fingerprint(octree: Octree, positions: npt.NDArray[np.float64], colours: Colours) -> Fingerprint:
    """The fingerprint that an octree must have if it was made from these points.

    Args:
        octree: Tells the quanta.
        positions: float64 (N, 3); rows that are not finite do not count.
        colours: uint8 (N, 3).
    """
    offset, scale = np.array(octree.metadata.offset), np.array(octree.metadata.scale)
    points, digest = 0, 0
    for start in range(0, len(positions), CHUNK_ROWS):
        chunk = positions[start : start + CHUNK_ROWS]
        finite = np.isfinite(chunk).all(axis=1)
        quanta = np.rint((chunk[finite] - offset) / scale).astype(np.int64)
        points += len(quanta)
        digest = (digest + _digest(quanta, colours[start : start + CHUNK_ROWS][finite])) % 2**64
    return Fingerprint(points=points, digest=digest)


def _read_chunk(raw: bytes, proxy: Node) -> tuple[list[Node], list[Node]]:
    """The nodes of the chunk that a proxy points to, and the proxies among its records."""
    offset, size = proxy.byte_offset, proxy.byte_size
    if size <= 0 or size % RECORD.itemsize or offset + size > len(raw):
        msg = f"the hierarchy chunk of {proxy.name} lies outside hierarchy.bin ({offset} + {size} of {len(raw)})"
        raise CorruptOctreeError(msg)
    nodes: list[Node] = []
    proxies: list[Node] = []
    expected = deque([(proxy.name, proxy.low)])
    for record in np.frombuffer(raw, RECORD, size // RECORD.itemsize, offset).tolist():
        if not expected:
            msg = f"the hierarchy chunk of {proxy.name} has more records than its masks announce"
            raise CorruptOctreeError(msg)
        kind, *values = record
        node = Node(*expected.popleft(), *values)
        if kind == PROXY and node.name != proxy.name:
            proxies.append(node)
            continue
        if kind != (LEAF if node.is_leaf else INNER):
            msg = f"node {node.name} has type {kind} but child mask {node.child_mask:08b}"
            raise CorruptOctreeError(msg)
        expected.extend(_children(node))
        nodes.append(node)
    if expected:
        msg = f"the hierarchy chunk of {proxy.name} ends before node {expected[0][0]}"
        raise CorruptOctreeError(msg)
    return nodes, proxies


def _children(node: Node) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Name and lowest corner of each child that the mask announces."""
    half = 0.5 ** len(node.name)
    x, y, z = node.low
    for child in range(8):
        if node.child_mask >> child & 1:
            low = (x + (child >> 2 & 1) * half, y + (child >> 1 & 1) * half, z + (child & 1) * half)
            yield f"{node.name}{child}", low


def _check_inside(octree: Octree, node: Node, positions: npt.NDArray[np.float64]) -> None:
    box = octree.metadata.bounding_box
    origin, side = np.array(box.min), box.max[0] - box.min[0]
    # Where the side is small against the coordinates themselves, so is what their last bits can tell.
    slack = octree.metadata.scale[0] * 1e-3 + np.spacing(np.abs(box.max).max())
    low = origin + np.array(node.low) * side - slack
    high = low + side * 0.5**node.level + 2 * slack
    outside = ((positions < low) | (positions > high)).any(axis=1)
    if outside.any():
        where = positions[np.argmax(outside)].tolist()
        msg = f"{int(outside.sum())} points of node {node.name} lie outside its cube, the first at {where}"
        raise CorruptOctreeError(msg)


def _decode_default(raw: bytes, count: int) -> tuple[Quanta, Colours]:
    if len(raw) != count * DEFAULT_POINT.itemsize:
        msg = f"{len(raw)} bytes"
        raise ValueError(msg)
    points = np.frombuffer(raw, DEFAULT_POINT)
    return points["position"].astype(np.int64), (points["rgb"] >> 8).astype(np.uint8)


def _decode_brotli(raw: bytes, count: int) -> tuple[Quanta, Colours]:
    plain = brotli.decompress(raw)
    if len(plain) != 24 * count:
        msg = f"{len(plain)} bytes when decompressed"
        raise ValueError(msg)
    words = np.frombuffer(plain, "<u8").astype(np.uint64)
    high, low = words[: 2 * count : 2], words[1 : 2 * count : 2]
    quanta = np.empty((count, 3), np.int64)
    colours = np.empty((count, 3), np.uint8)
    for axis in range(3):
        quanta[:, axis] = _every_third_bit(high, axis) << 16 | _every_third_bit(low, axis)
        colours[:, axis] = _every_third_bit(words[2 * count :], axis) >> 8
    return quanta, colours


def _every_third_bit(words: npt.NDArray[np.uint64], first: int) -> npt.NDArray[np.int64]:
    """Bits first, first + 3, ... of each word, packed together: 16 of them."""
    bits = (words >> np.uint64(first)) & np.uint64(0x249249249249)
    for shift, mask in _PACKING:
        bits |= bits >> np.uint64(shift)
        bits &= np.uint64(mask)
    return bits.astype(np.int64)


def _digest(quanta: Quanta, colours: Colours) -> int:
    """The sum of a 64-bit hash of each point (the mixing step of SplitMix64), modulo 2^64."""
    value = np.zeros(len(quanta), np.uint64)
    for column in (*quanta.T, *colours.T):
        value += column.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return int(value.sum(dtype=np.uint64))
