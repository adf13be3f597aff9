"""The cube of quanta that an octree is cut from: where it lies and how fine it is.

Potree stores a coordinate as ``offset + scale * integer``. We choose the integers first, so that a cube
side is a power of two of quanta and every octree split falls between two of them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree.kernels import MAX_LEVELS

# A cell of the deepest nodes that anyone looks at is far coarser than 2^-18 of the scene, and each further
# bit costs three bits a point that Brotli cannot take away, because the low bits are noise.
CORE_BITS: Final = 18
# Positions are int32 in the file, and not negative.
MAX_BITS: Final = 30
# The core of a scene, without the few far-off points that every reconstruction has.
CORE_QUANTILES: Final = (0.01, 0.99)
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
        """How often the octree may halve the cube: the levels of a key."""
        return min(self.bits, MAX_LEVELS)


def fit_grid(low: Positions, high: Positions, sample: Positions, *, scale: float | None = None) -> Grid:
    """Lay the cube around every point, as fine as the core of the scene deserves or as is asked.

    Args:
        low: (3,), the least coordinates of all points.
        high: (3,), the greatest.
        sample: (N, 3), N > 0, some of the points.
        scale: The side of a quantum; by default 2^-18 of the core's longest side.

    Raises:
        UnusableCloudError: The extent does not fit a float64, or is more than 2^30 quanta of the given scale.
    """
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
    offset = (float(low[0]), float(low[1]), float(low[2]))
    if scale is not None:
        return Grid(offset=offset, scale=scale, bits=_bits_for(extent, scale))
    finer = round(math.log2(extent / _core_extent(sample, fallback=extent)))
    bits = min(CORE_BITS + max(finer, 0), MAX_BITS)
    return Grid(offset=offset, scale=extent / ((1 << bits) - 1), bits=bits)


def _bits_for(extent: float, scale: float) -> int:
    """The least number of bits that hold every coordinate at this scale."""
    quanta = extent / scale
    if not quanta < (1 << MAX_BITS) - 1:
        msg = (
            f"the points span {extent:.6g}, which at a scale of {scale:.3g} is more than the 2^{MAX_BITS} steps that "
            f"a coordinate may have: ask for a scale of at least {extent / 2**MAX_BITS:.1g}, or remove the outliers"
        )
        raise UnusableCloudError(msg)
    return max(1, math.ceil(math.log2(round(quanta) + 1)))


def _core_extent(sample: Positions, *, fallback: float) -> float:
    """The longest side of the middle 98 %; never zero."""
    low, high = np.quantile(sample, CORE_QUANTILES, axis=0)
    core = float((high - low).max())
    return core if MIN_EXTENT < core <= fallback else fallback
