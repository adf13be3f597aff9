"""The loops over all points, compiled by numba.

None of them starts threads: they let go of Python's lock, and whoever calls them runs several at once.

A *row* is a point on its way to the octree: uint64 words, the first its *key*, then for a grid of more than
`MAX_LEVELS` bits its *rest*, then its attributes' bytes as octree.bin has them, filled up with zeros.

A key is a point's Morton code: three bits a level, the most significant level first, in Potree's order of
children, ``4 * x + 2 * y + z``. So the points of any octree node are a contiguous run of the sorted keys.
The rest is the Morton code of the bits that the key has no room for.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

MAX_LEVELS: Final = 21
"""Of a key: three axes of 21 bits are what 64 bits hold."""
_RADIX_BITS: Final = 15
"""Of a key's digits at most: a pass more costs more than the counts of so many values, of as many points and more."""


def compiled(**options: Any) -> Callable[[Function], Function]:
    """numba.njit, with its result typed as the function it compiles."""

    def decorate(function: Function) -> Function:
        return cast("Function", numba.njit(cache=True, **options)(function))

    return decorate


@compiled(inline="always")
def spread(value: Any) -> Any:
    """Move bit i of a number below 2^21 to bit 3 i."""
    v = np.uint64(value)
    v = (v | (v << np.uint64(32))) & np.uint64(0x001F00000000FFFF)
    v = (v | (v << np.uint64(16))) & np.uint64(0x001F0000FF0000FF)
    v = (v | (v << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
    return (v | (v << np.uint64(2))) & np.uint64(0x1249249249249249)


@compiled(inline="always")
def compact(value: Any) -> Any:
    """Undo `spread`, ignoring the bits between."""
    v = np.uint64(value) & np.uint64(0x1249249249249249)
    v = (v | (v >> np.uint64(2))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v >> np.uint64(4))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v >> np.uint64(8))) & np.uint64(0x001F0000FF0000FF)
    v = (v | (v >> np.uint64(16))) & np.uint64(0x001F00000000FFFF)
    return (v | (v >> np.uint64(32))) & np.uint64(0x00000000001FFFFF)


@compiled(inline="always")
def _mirrored(code: Any) -> Any:
    """A Morton code with x and z changed about: Potree's encoding has x at bit 0, its order of children z."""
    x, y, z = np.uint64(0x4924924924924924), np.uint64(0x2492492492492492), np.uint64(0x1249249249249249)
    return ((code & x) >> np.uint64(2)) | (code & y) | ((code & z) << np.uint64(2))


@compiled(nogil=True)
def place(rows: Any, scales: Any, offsets: Any, positions: Any) -> None:
    """Work out where points are that begin with three little-endian int32.

    Args:
        rows: uint8 (N, record), at least 12 bytes each.
        scales: float64 (3,), by which the integers are multiplied.
        offsets: float64 (3,), added then.
        positions: float64 (N, 3), written.
    """
    for i in range(rows.shape[0]):
        for axis in range(3):
            word = np.uint32(0)
            for byte in range(4):
                word |= np.uint32(rows[i, 4 * axis + byte]) << np.uint32(8 * byte)
            positions[i, axis] = np.int32(word) * scales[axis] + offsets[axis]


@compiled(nogil=True)
def measure(positions: Any, low: Any, high: Any) -> int:
    """Widen the bounds to the positions that are finite numbers, and return how many are.

    Args:
        positions: float64 (N, 3).
        low: float64 (3,), changed.
        high: float64 (3,), changed.
    """
    finite = 0
    low_x, low_y, low_z = low
    high_x, high_y, high_z = high
    for i in range(positions.shape[0]):
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        if np.isfinite(x) and np.isfinite(y) and np.isfinite(z):
            finite += 1
            low_x, low_y, low_z = min(low_x, x), min(low_y, y), min(low_z, z)
            high_x, high_y, high_z = max(high_x, x), max(high_y, y), max(high_z, z)
    low[0], low[1], low[2] = low_x, low_y, low_z
    high[0], high[1], high[2] = high_x, high_y, high_z
    return finite


@compiled(nogil=True)
def quantise(positions: Any, offset: Any, scale: float, bits: int, rows: Any) -> None:
    """Write each position's key, and its rest if the grid has one.

    Args:
        positions: float64 (N, 3), finite.
        offset: float64 (3,), see `grid.Grid`.
        scale: See `grid.Grid`.
        bits: See `grid.Grid`.
        rows: uint64 (N, words), its first one or two columns written, the others zeroed.
    """
    finer = np.uint64(max(0, bits - MAX_LEVELS))
    below = (np.uint64(1) << finer) - np.uint64(1)
    # A file that changes while it is read must not lead outside of the grid.
    top = 2.0**bits - 1
    for i in range(positions.shape[0]):
        key = np.uint64(0)
        rest = np.uint64(0)
        for axis in range(3):
            # A division, so that it rounds exactly as in NumPy.
            nearest = np.rint((positions[i, axis] - offset[axis]) / scale)
            quantum = np.uint64(np.int64(min(max(nearest, 0.0), top)))
            key |= spread(quantum >> finer) << np.uint64(2 - axis)
            if finer > 0:
                rest |= spread(quantum & below) << np.uint64(2 - axis)
        rows[i, 0] = key
        if finer > 0:
            rows[i, 1] = rest
        for word in range(2 if finer > 0 else 1, rows.shape[1]):
            rows[i, word] = 0


@compiled(nogil=True)
def copy_columns(source: Any, target: Any, at: int) -> None:
    """Copy bytes: uint8 (N, k) into columns `at` to `at + k` of uint8 (N, m)."""
    width = source.shape[1]
    for i in range(source.shape[0]):
        for column in range(width):
            target[i, at + column] = source[i, column]


@compiled(nogil=True)
def locate(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    rows: Any, first: Any, table: Any, shift: int, chunks: Any, counts: Any
) -> None:
    """Tell each row's chunk and count the rows of each.

    Args:
        rows: uint64 (N, words).
        first: uint64 (C,), the lowest key of each chunk, ascending from 0.
        table: int32 (2^k + 1,), for each value of a key's high bits the last chunk that begins at or before it.
        shift: How many low bits of a key the table leaves out.
        chunks: uint32 (N,), written.
        counts: int64 (C,), increased.
    """
    by = np.uint64(shift)
    for i in range(rows.shape[0]):
        key = rows[i, 0]
        entry = np.int64(key >> by)
        low, high = np.int64(table[entry]), np.int64(table[entry + 1])
        while low < high:
            middle = (low + high + 1) >> 1
            if first[middle] <= key:
                low = middle
            else:
                high = middle - 1
        chunks[i] = low
        counts[low] += 1


@compiled(nogil=True)
def scatter(rows: Any, chunks: Any, starts: Any, target: Any) -> None:
    """Bring rows to their chunks, in their order.

    Args:
        rows: uint64 (N, words).
        chunks: uint32 (N,), of each row.
        starts: int64 (C,), where each chunk's next row goes; changed.
        target: uint64 (M, words), written.
    """
    words = rows.shape[1]
    for i in range(rows.shape[0]):
        chunk = chunks[i]
        to = starts[chunk]
        starts[chunk] = to + 1
        for word in range(words):
            target[to, word] = rows[i, word]


@compiled(nogil=True)
def sort_by_key(rows: Any, bits: int) -> Any:
    """Sort by the lowest bits of the key; rows of equal keys stay in their order.

    Args:
        rows: uint64 (N, words); the keys' higher bits are all the same.
        bits: How many to sort by.

    Returns:
        The keys in order, uint64 (N,), and the rows that they are of, uint32 (N,).
    """
    count = rows.shape[0]
    widest = 8
    while widest < _RADIX_BITS and 2 << widest <= count:
        widest += 1
    passes = max(1, (bits + widest - 1) // widest)
    width = (bits + passes - 1) // passes
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    starts = np.zeros((passes, 1 << width), np.int64)
    keys, order = np.empty(count, np.uint64), np.empty(count, np.uint32)
    for i in range(count):
        key = rows[i, 0]
        keys[i], order[i] = key, i
        for digit in range(passes):
            starts[digit, (key >> np.uint64(digit * width)) & mask] += 1
    spare_keys, spare_order = np.empty_like(keys), np.empty_like(order)
    for digit in range(passes):
        total = 0
        for value in range(1 << width):
            here = starts[digit, value]
            starts[digit, value] = total
            total += here
        by = np.uint64(digit * width)
        for i in range(count):
            value = (keys[i] >> by) & mask
            to = starts[digit, value]
            starts[digit, value] = to + 1
            spare_keys[to], spare_order[to] = keys[i], order[i]
        keys, order, spare_keys, spare_order = spare_keys, spare_order, keys, order
    return keys, order


@compiled(nogil=True)
def decode(keys: Any, places: Any) -> None:
    """Write the coordinates that keys stand for: uint64 (N,) to int32 (N, 3)."""
    for i in range(keys.shape[0]):
        for axis in range(3):
            places[i, axis] = compact(keys[i] >> np.uint64(2 - axis))


@compiled(nogil=True)
def group_by_level(stored: Any, starts: Any, picks: Any) -> None:
    """List the sorted points that each level stores, level by level.

    Args:
        stored: uint8 (N,), the level that stores each point.
        starts: int64 (levels,), where the list of each level begins; changed.
        picks: uint32 (N,), written.
    """
    for i in range(stored.shape[0]):
        level = stored[i]
        picks[starts[level]] = i
        starts[level] += 1


@compiled(nogil=True)
def take_rows(rows: Any, picks: Any, target: Any) -> None:
    """Copy the picked rows: uint64 (N, words) by uint32 (M,) to uint64 (M, words)."""
    for i in range(picks.shape[0]):
        for word in range(rows.shape[1]):
            target[i, word] = rows[picks[i], word]


@compiled(nogil=True)
def encode_uncompressed(places: Any, rows: Any, picks: Any, bits: int, out: Any) -> None:
    """Write points as Potree's DEFAULT encoding has them: int32 x, y, z and the attributes, interleaved.

    Args:
        places: int32 (N, 3), the coordinates that the rows' keys stand for.
        rows: uint64 (N, words).
        picks: uint32 (M,), the rows to write.
        bits: See `grid.Grid`.
        out: uint8 (M, record), written.
    """
    finer = np.uint64(max(0, bits - MAX_LEVELS))
    first = 2 if finer > 0 else 1
    width = out.shape[1] - 12
    for i in range(picks.shape[0]):
        row = picks[i]
        for axis in range(3):
            quantum = np.uint64(places[row, axis]) << finer
            if finer > 0:
                quantum |= compact(rows[row, 1] >> np.uint64(2 - axis))
            for byte in range(4):
                out[i, 4 * axis + byte] = (quantum >> np.uint64(8 * byte)) & np.uint64(0xFF)
        for byte in range(width):
            word = rows[row, first + (byte >> 3)]
            out[i, 12 + byte] = (word >> np.uint64(8 * (byte & 7))) & np.uint64(0xFF)


@compiled(nogil=True)
def arrange_positions(rows: Any, picks: Any, bits: int, out: Any) -> None:
    """Write positions as Potree's BROTLI encoding has them before compression.

    Two words a point: the Morton codes of the coordinates' high and of their low 16 bits, with x at bit 0.

    Args:
        rows: uint64 (N, words).
        picks: uint32 (M,), the rows to write, in Morton order.
        bits: See `grid.Grid`.
        out: uint64 (M, 2), written.
    """
    finer = max(0, bits - MAX_LEVELS)
    low_bits = (np.uint64(1) << np.uint64(48)) - np.uint64(1)
    for i in range(picks.shape[0]):
        key = rows[picks[i], 0]
        low = key << np.uint64(3 * finer)
        if finer > 0:
            low |= rows[picks[i], 1]
        out[i, 0] = _mirrored(key >> np.uint64(48 - 3 * finer))
        out[i, 1] = _mirrored(low & low_bits)


@compiled(nogil=True)
def arrange_colours(rows: Any, picks: Any, at: int, out: Any) -> None:
    """Write 16-bit colours as Potree's BROTLI encoding has them before compression: Morton codes, red at bit 0.

    Args:
        rows: uint8 (N, 8 words).
        picks: uint32 (M,), the rows to write.
        at: The first of the six bytes of a row that are its colour.
        out: uint64 (M,), written.
    """
    for i in range(picks.shape[0]):
        row = picks[i]
        code = np.uint64(0)
        for channel in range(3):
            low = np.uint64(rows[row, at + 2 * channel])
            high = np.uint64(rows[row, at + 2 * channel + 1])
            code |= spread(low | (high << np.uint64(8))) << np.uint64(channel)
        out[i] = code


@compiled(nogil=True)
def arrange_bytes(rows: Any, picks: Any, at: int, out: Any) -> None:
    """Write an attribute as it is: uint8 (N, 8 words), columns from `at`, by uint32 (M,) to uint8 (M, size)."""
    for i in range(picks.shape[0]):
        for byte in range(out.shape[1]):
            out[i, byte] = rows[picks[i], at + byte]


@compiled()
def draw_discs(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    x: Any, y: Any, depths: Any, radii: Any, bulge: float, depth: Any, owner: Any
) -> None:
    """Draw a disc for each point, the nearer before the farther; one that bulges wins in its middle.

    Args:
        x: float32 (N,), pixels from the left edge.
        y: float32 (N,), pixels from the upper edge.
        depths: float32 (N,), distances from the eye.
        radii: float32 (N,), pixels.
        bulge: How much farther a disc's rim is than its middle: the share of its distance for each pixel of its radius.
        depth: float32 (H, W), infinite where nothing is drawn; changed.
        owner: int32 (H, W), the point that each pixel shows; changed.
    """
    height, width = depth.shape
    for i in range(x.shape[0]):
        radius = radii[i]
        for row in range(max(0, int(y[i] - radius)), min(height, int(y[i] + radius) + 1)):
            for column in range(max(0, int(x[i] - radius)), min(width, int(x[i] + radius) + 1)):
                off = ((column + 0.5 - x[i]) ** 2 + (row + 0.5 - y[i]) ** 2) / radius**2
                distance = depths[i] * (1 + bulge * radius * off)
                if off <= 1 and distance < depth[row, column]:
                    depth[row, column] = distance
                    owner[row, column] = i
