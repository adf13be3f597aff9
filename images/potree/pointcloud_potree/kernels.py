"""The loops over all points, compiled by numba.

Everything here gives the same bytes whatever the number of threads: work is cut into blocks that depend on
the input alone, and no block reads what another writes.

A *key* is a point's Morton code: three bits a level, the most significant level first, in Potree's order of
children, ``4 * x + 2 * y + z``. So the points of any octree node are a contiguous run of the sorted keys.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

RADIX_BITS: Final = 11
RADIX_BLOCKS: Final = 16
SAMPLE_BLOCKS: Final = 64
POINT_BYTES: Final = 18  # int32 x 3 + uint16 x 3

_DIGITS: Final = 1 << RADIX_BITS


def _compiled(**options: Any) -> Callable[[Function], Function]:
    """numba.njit, with its result typed as the function it compiles."""

    def decorate(function: Function) -> Function:
        return cast("Function", numba.njit(cache=True, **options)(function))

    return decorate


@_compiled(inline="always")
def _spread(value: Any) -> Any:
    """Move bit i of a number below 2^21 to bit 3 i."""
    v = np.uint64(value)
    v = (v | (v << np.uint64(32))) & np.uint64(0x001F00000000FFFF)
    v = (v | (v << np.uint64(16))) & np.uint64(0x001F0000FF0000FF)
    v = (v | (v << np.uint64(8))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v << np.uint64(4))) & np.uint64(0x10C30C30C30C30C3)
    return (v | (v << np.uint64(2))) & np.uint64(0x1249249249249249)


@_compiled(inline="always")
def _compact(value: Any) -> Any:
    """Undo `_spread`, ignoring the bits between."""
    v = np.uint64(value) & np.uint64(0x1249249249249249)
    v = (v | (v >> np.uint64(2))) & np.uint64(0x10C30C30C30C30C3)
    v = (v | (v >> np.uint64(4))) & np.uint64(0x100F00F00F00F00F)
    v = (v | (v >> np.uint64(8))) & np.uint64(0x001F0000FF0000FF)
    v = (v | (v >> np.uint64(16))) & np.uint64(0x001F00000000FFFF)
    return (v | (v >> np.uint64(32))) & np.uint64(0x00000000001FFFFF)


@_compiled(inline="always")
def _quantum(coordinate: float, offset: float, scale: float) -> Any:
    """The nearest quantum. A division, so that it rounds exactly as in NumPy."""
    return np.uint64(np.rint((coordinate - offset) / scale))


@_compiled(parallel=True)
def morton_keys(positions: Any, offset: Any, scale: float, coarser: int, keys: Any) -> None:
    """Write the key of each position.

    Args:
        positions: float64 (N, 3).
        offset: float64 (3,), see `grid.Grid`.
        scale: See `grid.Grid`.
        coarser: How many of a coordinate's low bits the keys leave out.
        keys: uint64 (N,), written.
    """
    for i in numba.prange(positions.shape[0]):
        key = np.uint64(0)
        for axis in range(3):
            quantum = _quantum(positions[i, axis], offset[axis], scale)
            key |= _spread(quantum >> np.uint64(coarser)) << np.uint64(2 - axis)
        keys[i] = key


@_compiled(parallel=True)
def radix_pass(keys: Any, rows: Any, shift: int, sorted_keys: Any, sorted_rows: Any) -> None:
    """Sort (key, row) pairs stably by the `RADIX_BITS` bits of the key above `shift`.

    Args:
        keys: uint64 (N,).
        rows: uint32 (N,).
        shift: The lowest bit to sort by.
        sorted_keys: uint64 (N,), written.
        sorted_rows: uint32 (N,), written.
    """
    count = keys.shape[0]
    by = np.uint64(shift)
    mask = np.uint64(_DIGITS - 1)
    starts = np.zeros((RADIX_BLOCKS, _DIGITS), np.int64)
    for block in numba.prange(RADIX_BLOCKS):
        for i in range(count * block // RADIX_BLOCKS, count * (block + 1) // RADIX_BLOCKS):
            starts[block, (keys[i] >> by) & mask] += 1
    total = 0
    for digit in range(_DIGITS):
        for block in range(RADIX_BLOCKS):
            here = starts[block, digit]
            starts[block, digit] = total
            total += here
    for block in numba.prange(RADIX_BLOCKS):
        for i in range(count * block // RADIX_BLOCKS, count * (block + 1) // RADIX_BLOCKS):
            digit = (keys[i] >> by) & mask
            to = starts[block, digit]
            starts[block, digit] = to + 1
            sorted_keys[to] = keys[i]
            sorted_rows[to] = rows[i]


@_compiled(inline="always")
def _off_centre(key: Any, cell_bits: int) -> float:
    """A point's squared distance from the centre of its cell of 2^cell_bits key units a side, in half units."""
    side = np.int64(1) << cell_bits
    total = 0.0
    for axis in range(3):
        inside = np.int64(_compact(key >> np.uint64(axis))) & (side - 1)
        distance = float(2 * inside - side + 1)
        total += distance * distance
    return total


@_compiled(parallel=True)
def sample_level(keys: Any, key_levels: int, cell_level: int, level: int, stored: Any) -> None:
    """Lift points from their leaves into the inner nodes of one level, whose coarser levels are done.

    A cell that a coarser level already stands a point in, or that lies in a leaf, is passed over; of any
    other the point nearest to its centre is lifted, which spaces points more evenly than a random choice.

    Args:
        keys: uint64 (N,), sorted.
        key_levels: How many levels a key has.
        cell_level: The level of the octree's cells of which each shows one point.
        level: The level of the inner nodes.
        stored: uint8 (N,), the level that stores each point, changed where a point is lifted.
    """
    count = keys.shape[0]
    cell_bits = key_levels - cell_level
    below = np.uint64(3 * cell_bits)
    for block in numba.prange(SAMPLE_BLOCKS):
        i = count * block // SAMPLE_BLOCKS
        end = count * (block + 1) // SAMPLE_BLOCKS
        # A cell belongs to the block in which it begins.
        while 0 < i < end and keys[i] >> below == keys[i - 1] >> below:
            i += 1
        while i < end:
            cell = keys[i] >> below
            taken = False
            nearest = i
            least = np.inf
            while i < count and keys[i] >> below == cell:
                taken = taken or stored[i] <= level
                if not taken:
                    distance = _off_centre(keys[i], cell_bits)
                    if distance < least:
                        least, nearest = distance, i
                i += 1
            if not taken:
                stored[nearest] = level


@_compiled(parallel=True)
def encode_uncompressed(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    positions: Any, colours: Any, rows: Any, offset: Any, scale: float, out: Any
) -> None:
    """Write points as Potree's DEFAULT encoding has them: int32 x, y, z and uint16 r, g, b, interleaved.

    Args:
        positions: float64 (M, 3).
        colours: uint8 (M, 3).
        rows: uint32 (N,), the rows to write.
        offset: float64 (3,), see `grid.Grid`.
        scale: See `grid.Grid`.
        out: uint8 (N, POINT_BYTES), written.
    """
    for i in numba.prange(rows.shape[0]):
        row = rows[i]
        for axis in range(3):
            quantum = _quantum(positions[row, axis], offset[axis], scale)
            for byte in range(4):
                out[i, 4 * axis + byte] = (quantum >> np.uint64(8 * byte)) & np.uint64(0xFF)
            # Colours are 16 bits wide in the file; the viewers divide by 256 what is more than a byte.
            out[i, 12 + 2 * axis] = 0
            out[i, 13 + 2 * axis] = colours[row, axis]


@_compiled(nogil=True)
def arrange_for_brotli(  # noqa: PLR0913, PLR0917 - numba has no keyword-only arguments
    positions: Any, colours: Any, rows: Any, offset: Any, scale: float, out: Any
) -> None:
    """Write one node's points as Potree's BROTLI encoding has them before compression.

    First two uint64 a point for the position, the Morton codes of the coordinates' high and low 16 bits,
    then one uint64 a point for the Morton code of its 16-bit colour; here x and red are at bit 0.

    Args:
        positions: float64 (M, 3).
        colours: uint8 (M, 3).
        rows: uint32 (N,), the rows to write, in Morton order.
        offset: float64 (3,), see `grid.Grid`.
        scale: See `grid.Grid`.
        out: uint64 (3 N,), written.
    """
    count = rows.shape[0]
    for i in range(count):
        row = rows[i]
        high, low, colour = np.uint64(0), np.uint64(0), np.uint64(0)
        for axis in range(3):
            to = np.uint64(axis)
            quantum = _quantum(positions[row, axis], offset[axis], scale)
            high |= _spread(quantum >> np.uint64(16)) << to
            low |= _spread(quantum & np.uint64(0xFFFF)) << to
            colour |= _spread(np.uint64(colours[row, axis]) << np.uint64(8)) << to
        out[2 * i] = high
        out[2 * i + 1] = low
        out[2 * count + i] = colour


@_compiled()
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
