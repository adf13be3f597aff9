"""Reads an octree back, node by node.

Written from the layout alone: nothing is shared with the writer but the words of metadata.json. What can be seen to be
wrong in metadata.json, in a chunk of hierarchy.bin or in one node's bytes is told here; `verifier` tells what can be
wrong with the whole.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import brotli
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from pointcloud_potree.metadata import Attribute, Metadata

RECORD: Final = np.dtype("u1, u1, <u4, <u8, <u8")
INNER, LEAF, PROXY = 0, 1, 2
_TYPES: Final = {
    "int8": "i1", "uint8": "u1", "int16": "<i2", "uint16": "<u2", "int32": "<i4", "uint32": "<u4",
    "float": "<f4", "double": "<f8",
}  # fmt: skip
"""Of Potree's types, those that its viewers decode."""
_POSITION: Final = ("position", "int32", 3)
_RGB: Final = ("rgb", "uint16", 3)
_TOLERANCE: Final = 1e-9
"""Of one number of metadata.json that follows from another, as a share."""
_BYTE_VALUES: Final = 256
# Groups of 1, 2, 4, 8 neighbouring bits are brought together in turn.
_PACKING: Final = ((2, 0xC30C30C30C3), (4, 0xF00F00F00F), (8, 0xFF0000FF), (16, 0xFFFF))
_CODE_BITS: Final = 48
"""Of a Morton code of three numbers of 16 bits; the other 16 are 0."""

Quanta = npt.NDArray[np.int64]
Corner = tuple[float, float, float]


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
    low: Corner
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


@dataclass(frozen=True)
class Points:
    """The n points of a node."""

    quanta: Quanta
    """(n, 3) coordinates, in steps of the metadata's scale from its offset."""
    attributes: Mapping[str, npt.NDArray[Any]]
    """By name (n,) or (n, elements), all but the position."""


class Octree:
    """An octree folder opened for reading."""

    def __init__(self, folder: Path) -> None:
        """Read metadata.json.

        Raises:
            CorruptOctreeError: It is missing, not one of a Potree 2.0 octree, or contradicts itself.
        """
        self.folder = folder
        try:
            self.metadata = Metadata.model_validate_json((folder / "metadata.json").read_bytes())
        except (OSError, ValidationError) as error:
            msg = f"metadata.json cannot be read: {error}"
            raise CorruptOctreeError(msg) from error
        _check_attributes(self.metadata)
        _check_cube(self.metadata)
        self._row = np.dtype([_field(attribute) for attribute in self.metadata.attributes])

    @property
    def attributes(self) -> Mapping[str, np.dtype[Any]]:
        """Type of one element of each attribute but the position, by name and in the order of storage."""
        return {attribute.name: np.dtype(_TYPES[attribute.type]) for attribute in self.metadata.attributes[1:]}

    @property
    def side(self) -> float:
        """Of the whole cube, in quanta."""
        box = self.metadata.bounding_box
        return (box.max[0] - box.min[0]) / self.metadata.scale[0]

    def nodes(self) -> Iterator[Node]:
        """Every node once, parents before their children.

        Raises:
            CorruptOctreeError: The chunks of hierarchy.bin are not laid out as Potree's loaders expect.
        """
        raw = (self.folder / "hierarchy.bin").read_bytes()
        read: dict[int, int] = {}
        waiting = deque([(Node("r", (0.0, 0.0, 0.0), 0, 0, 0, self.metadata.hierarchy.first_chunk_size), INNER)])
        while waiting:
            announced, kind = waiting.popleft()
            offset = announced.byte_offset
            if offset in read:
                msg = f"the hierarchy chunk of {announced.name} is another node's: both begin at {offset}"
                raise CorruptOctreeError(msg)
            read[offset] = announced.byte_size
            nodes, proxies = _read_chunk(raw, announced, self.metadata.hierarchy.step_size)
            if kind == PROXY and (nodes[0].child_mask, nodes[0].num_points) != (
                announced.child_mask,
                announced.num_points,
            ):
                msg = f"the proxy of node {announced.name} tells of other children or points than the node does"
                raise CorruptOctreeError(msg)
            waiting.extend((proxy, PROXY) for proxy in proxies)
            yield from nodes
        check_filled(read.items(), len(raw), "hierarchy.bin")

    def read(self, node: Node, file: IO[bytes]) -> Points:
        """Decode one node's points. Several threads may do so with one file.

        Args:
            node: Of this octree.
            file: Its octree.bin, opened.

        Raises:
            CorruptOctreeError: The bytes are not there or not those of so many points.
        """
        within = node.byte_offset + node.byte_size <= os.fstat(file.fileno()).st_size
        raw = os.pread(file.fileno(), node.byte_size, node.byte_offset) if within else b""
        if len(raw) != node.byte_size:
            msg = f"octree.bin ends within the points of node {node.name}"
            raise CorruptOctreeError(msg)
        try:
            if self.metadata.encoding == "DEFAULT":
                return self._decode_default(raw, node.num_points)
            return self._decode_brotli(brotli.decompress(raw), node.num_points)
        except (ValueError, brotli.error) as error:
            msg = f"the bytes of node {node.name} are not those of {node.num_points} points: {error}"
            raise CorruptOctreeError(msg) from error

    def positions(self, quanta: Quanta) -> npt.NDArray[np.float64]:
        """Coordinates in the cloud's unit: float64 (n, 3)."""
        offset, scale = np.array(self.metadata.offset), np.array(self.metadata.scale)
        return np.asarray(offset + quanta * scale, np.float64)

    def _decode_default(self, raw: bytes, count: int) -> Points:
        """Interleaved: one row of all attributes a point."""
        _check_length(len(raw), count * self._row.itemsize)
        rows = np.frombuffer(raw, self._row)
        return Points(rows["position"].astype(np.int64), {name: rows[name] for name in self.attributes})

    def _decode_brotli(self, plain: bytes, count: int) -> Points:
        """One attribute after the other: Morton codes of positions and colours, any other as it is."""
        sizes = {_POSITION[0]: 16, _RGB[0]: 8}
        lengths = [count * sizes.get(attribute.name, attribute.size) for attribute in self.metadata.attributes]
        _check_length(len(plain), sum(lengths))
        place = lengths[0]
        words = np.frombuffer(plain, "<u8", 2 * count)
        quanta = _unmix(words[::2]) << 16 | _unmix(words[1::2])
        values: dict[str, npt.NDArray[Any]] = {}
        for (name, dtype), length in zip(self.attributes.items(), lengths[1:], strict=True):
            if name == _RGB[0]:
                values[name] = _unmix(np.frombuffer(plain, "<u8", count, place)).astype(dtype)
            else:
                values[name] = np.frombuffer(plain, dtype, count, place)
            place += length
        return Points(quanta, values)


def _check_length(found: int, expected: int) -> None:
    if found != expected:
        msg = f"they are {found} and should be {expected}"
        raise ValueError(msg)


def _unmix(codes: npt.NDArray[np.uint64]) -> Quanta:
    """The three numbers of 16 bits (n, 3) of Morton codes (n,), whose lowest bit is of the first number."""
    if (codes >> np.uint64(_CODE_BITS)).any():
        raise ValueError("a Morton code has more than 48 bits")
    numbers = np.empty((len(codes), 3), np.int64)
    for axis in range(3):
        bits = (codes >> np.uint64(axis)) & np.uint64(0x249249249249)
        for shift, mask in _PACKING:
            bits |= bits >> np.uint64(shift)
            bits &= np.uint64(mask)
        numbers[:, axis] = bits
    return numbers


def _field(attribute: Attribute) -> tuple[str, str] | tuple[str, str, int]:
    kind = _TYPES[attribute.type]
    return (attribute.name, kind) if attribute.num_elements == 1 else (attribute.name, kind, attribute.num_elements)


def _check_attributes(metadata: Metadata) -> None:
    """Raise CorruptOctreeError where viewers could not decode an attribute, or would another than is meant."""
    attributes = metadata.attributes
    names = [attribute.name for attribute in attributes]
    if not attributes or (attributes[0].name, attributes[0].type, attributes[0].num_elements) != _POSITION:
        msg = f"the first attribute is not a position of three int32: {names}"
        raise CorruptOctreeError(msg)
    if len(set(names)) != len(names):
        msg = f"two attributes have one name: {names}"
        raise CorruptOctreeError(msg)
    for attribute in attributes:
        if attribute.type not in _TYPES:
            msg = f"attribute {attribute.name} is of type {attribute.type}, which viewers do not decode"
            raise CorruptOctreeError(msg)
        one = np.dtype(_TYPES[attribute.type]).itemsize
        if (attribute.element_size, attribute.size) != (one, one * attribute.num_elements):
            msg = f"the sizes of attribute {attribute.name} are not those of {attribute.num_elements} {attribute.type}"
            raise CorruptOctreeError(msg)
        whole = (attribute.name, attribute.type, attribute.num_elements)
        if whole not in {_POSITION, _RGB} and (attribute.num_elements != 1 or attribute.name == _RGB[0]):
            msg = f"viewers do not decode attribute {attribute.name} of {attribute.num_elements} {attribute.type}"
            raise CorruptOctreeError(msg)
        if not len(attribute.min) == len(attribute.max) == attribute.num_elements:
            msg = f"attribute {attribute.name} has not one least and one greatest value an element"
            raise CorruptOctreeError(msg)
        counts = len(attribute.histogram or ())
        if counts != (_BYTE_VALUES if attribute.size == 1 else 0):
            msg = f"the histogram of attribute {attribute.name} has {counts} counts: one byte has 256, and more none"
            raise CorruptOctreeError(msg)


def _check_cube(metadata: Metadata) -> None:
    """Raise CorruptOctreeError where the bounding box is no cube that points could lie in."""
    low, high = np.array(metadata.bounding_box.min), np.array(metadata.bounding_box.max)
    sides = high - low
    # Where the side is small against the coordinates themselves, so is what their last bits can tell.
    slack = _TOLERANCE * sides.max() + 2 * np.spacing(np.abs([low, high]).max())
    if not (sides > 0).all() or np.ptp(sides) > 2 * slack:
        msg = f"the bounding box is no cube: {metadata.bounding_box}"
        raise CorruptOctreeError(msg)
    if metadata.offset != metadata.bounding_box.min or not min(metadata.scale) == max(metadata.scale) > 0:
        msg = "positions do not begin at the bounding box, or not with one scale for all axes"
        raise CorruptOctreeError(msg)
    if not 0 < metadata.spacing <= sides.max() + slack:
        msg = f"the spacing is {metadata.spacing} in a cube of {sides.max()}"
        raise CorruptOctreeError(msg)


def _read_chunk(raw: bytes, root: Node, step_size: int) -> tuple[list[Node], list[Node]]:
    """The nodes of the chunk that a proxy of `root` points to, and the proxies among its records."""
    offset, size = root.byte_offset, root.byte_size
    if size <= 0 or size % RECORD.itemsize or offset + size > len(raw):
        msg = f"the hierarchy chunk of {root.name} lies outside hierarchy.bin ({offset} + {size} of {len(raw)})"
        raise CorruptOctreeError(msg)
    nodes: list[Node] = []
    proxies: list[Node] = []
    expected = deque([(root.name, root.low)])
    for record in np.frombuffer(raw, RECORD, size // RECORD.itemsize, offset).tolist():
        if not expected:
            msg = f"the hierarchy chunk of {root.name} has more records than its masks announce"
            raise CorruptOctreeError(msg)
        kind, *values = record
        node = Node(*expected.popleft(), *values)
        continued = node.level == root.level + step_size and not node.is_leaf
        if kind != (PROXY if continued else LEAF if node.is_leaf else INNER):
            msg = f"node {node.name} has type {kind} but child mask {node.child_mask:08b} in the chunk of {root.name}"
            raise CorruptOctreeError(msg)
        if continued:
            proxies.append(node)
            continue
        expected.extend(_children(node))
        nodes.append(node)
    if expected:
        msg = f"the hierarchy chunk of {root.name} ends before node {expected[0][0]}"
        raise CorruptOctreeError(msg)
    return nodes, proxies


def _children(node: Node) -> Iterator[tuple[str, Corner]]:
    """Name and lowest corner of each child that the mask announces."""
    half = 0.5 ** len(node.name)
    x, y, z = node.low
    for child in range(8):
        if node.child_mask >> child & 1:
            low = (x + (child >> 2 & 1) * half, y + (child >> 1 & 1) * half, z + (child & 1) * half)
            yield f"{node.name}{child}", low


def check_filled(parts: Iterable[tuple[int, int]], length: int, file: str) -> None:
    """Raise CorruptOctreeError unless parts, (offset, size), fill the file's length without gaps and overlaps."""
    end = 0
    for offset, size in sorted(parts):
        if offset != end:
            what = "a gap" if offset > end else "an overlap"
            msg = f"{file} has {what} between {min(offset, end)} and {max(offset, end)}"
            raise CorruptOctreeError(msg)
        end += size
    if end != length:
        msg = f"{file} has {length} bytes, of which {end} are used"
        raise CorruptOctreeError(msg)
