"""The cube of quanta that an octree is cut from: where it lies and how fine it is.

Potree stores a coordinate as ``offset + scale * integer``. We choose the integers first, so that a cube
side is a power of two of quanta and every octree split falls between two of them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

# A cell of the deepest nodes that anyone looks at is far coarser than 2^-18 of the scene, and each further
# bit costs three bits a point that Brotli cannot take away, because the low bits are noise.
CORE_BITS: Final = 18
# Positions are int32 in the file, and not negative.
MAX_BITS: Final = 30
# Three axes of 21 bits are what a 64-bit sort key holds.
MAX_LEVELS: Final = 21
# The core of a scene, without the few far-off points that every reconstruction has.
CORE_QUANTILES: Final = (0.01, 0.99)
CORE_SAMPLE: Final = 200_000
# Shorter sides than this are one place: dividing them into quanta would underflow.
MIN_EXTENT: Final = 1e-200

Positions = npt.NDArray[np.float64]
Vector = tuple[float, float, float]


class UnusableCloudError(ValueError):
    """The points cannot become an octree; the message says what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A cube of quanta.

    Attributes:
        offset: The cube's lowest corner, in the cloud's own unit.
        scale: The side of one quantum, in the cloud's own unit.
        bits: The cube is ``2**bits`` quanta a side.
    """

    offset: Vector
    scale: float
    bits: int

    @property
    def side(self) -> float:
        """The side of the whole cube, in the cloud's own unit."""
        return self.scale * 2.0**self.bits

    @property
    def levels(self) -> int:
        """How often the octree may halve the cube."""
        return min(self.bits, MAX_LEVELS)

    @property
    def top(self) -> int:
        """The largest coordinate, in quanta."""
        return (1 << self.bits) - 1


def fit_grid(positions: Positions) -> Grid:
    """Lay the cube around every point, as fine as the core of the scene deserves.

    Args:
        positions: (N, 3), finite, N > 0.

    Raises:
        UnusableCloudError: The extent does not fit a float64.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    with np.errstate(over="ignore"):
        extent = float((high - low).max())
    if not math.isfinite(extent):
        msg = (
            f"the points span from {low.min():.3g} to {high.max():.3g}, which no octree can hold: "
            "remove the outliers before converting"
        )
        raise UnusableCloudError(msg)
    if extent < MIN_EXTENT:
        extent = 1.0
    finer = round(math.log2(extent / _core_extent(positions, fallback=extent)))
    bits = min(CORE_BITS + max(finer, 0), MAX_BITS)
    return Grid(offset=(float(low[0]), float(low[1]), float(low[2])), scale=extent / ((1 << bits) - 1), bits=bits)


def _core_extent(positions: Positions, *, fallback: float) -> float:
    """The longest side of the middle 98 % of an evenly spaced sample; never zero."""
    sample = positions[:: max(1, len(positions) // CORE_SAMPLE)]
    low, high = np.quantile(sample, CORE_QUANTILES, axis=0)
    core = float((high - low).max())
    return core if MIN_EXTENT < core <= fallback else fallback
