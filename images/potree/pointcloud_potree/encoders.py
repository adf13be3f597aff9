"""Turns the points of nodes into the bytes of octree.bin, in either of Potree's two encodings."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import brotli
import numpy as np
import numpy.typing as npt

from pointcloud_api.resource import Encoding
from pointcloud_potree import kernels
from pointcloud_potree.points import PointAttribute
from pointcloud_potree.rows import Points, RowLayout, Rows

BROTLI_QUALITY: Final = 2
"""PotreeConverter's 6 makes nodes 1 to 4 % smaller and takes four times as long: `python -m tools.bench.potree`."""

Picks = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]


class Encoded(NamedTuple):
    """The bytes of nodes that follow one another, and how many each takes: int64 (M,)."""

    data: Sequence[bytes | memoryview]
    sizes: Counts


class Encoder(Protocol):
    """Encodes nodes. Several threads may use it at once."""

    def __call__(self, points: Points, picks: Picks, counts: Counts) -> Encoded:
        """Encode nodes.

        Args:
            points: N of them.
            picks: uint32 (K,), which of them are the nodes' points, node by node, in Morton order within each.
            counts: int64 (M,), how many points each node has, at least one; they add up to K.
        """


def encoder(encoding: Encoding, layout: RowLayout) -> Encoder:
    """The encoder of an encoding."""
    return _Uncompressed(layout) if encoding is Encoding.UNCOMPRESSED else _Brotli(layout)


class _Uncompressed:
    """Potree's DEFAULT: the points as they are, one after the other."""

    def __init__(self, layout: RowLayout) -> None:
        self._bits = layout.grid.bits
        self._record = 12 + layout.attribute_bytes

    def __call__(self, points: Points, picks: Picks, counts: Counts) -> Encoded:
        out = np.empty((len(picks), self._record), np.uint8)
        kernels.encode_uncompressed(points.places, points.rows, picks, self._bits, out)
        return Encoded([out.reshape(-1).data], counts * self._record)


class _Brotli:
    """Potree's BROTLI: one stream a node, of the positions of all its points, then of each attribute of all."""

    def __init__(self, layout: RowLayout) -> None:
        self._layout = layout

    def __call__(self, points: Points, picks: Picks, counts: Counts) -> Encoded:
        ends = np.cumsum(counts)
        parts = [picks[end - count : end] for count, end in zip(counts, ends, strict=True)]
        data = [self._stream(points.rows, part) for part in parts]
        return Encoded(data, np.array([len(stream) for stream in data], np.int64))

    def _stream(self, rows: Rows, picks: Picks) -> bytes:
        positions = np.empty((len(picks), 2), np.uint64)
        kernels.arrange_positions(rows, picks, self._layout.grid.bits, positions)
        parts = [positions.tobytes()]
        columns = rows.view(np.uint8).reshape(len(rows), -1)
        at = self._layout.first_byte
        for attribute in self._layout.attributes:
            parts.append(_arranged(columns, picks, at, attribute))
            at += attribute.size
        return bytes(brotli.compress(b"".join(parts), quality=BROTLI_QUALITY))


def _arranged(columns: npt.NDArray[np.uint8], picks: Picks, at: int, attribute: PointAttribute) -> bytes:
    if attribute.name == "rgb":
        codes = np.empty(len(picks), np.uint64)
        kernels.arrange_colours(columns, picks, at, codes)
        return codes.tobytes()
    plain = np.empty((len(picks), attribute.size), np.uint8)
    kernels.arrange_bytes(columns, picks, at, plain)
    return plain.tobytes()
