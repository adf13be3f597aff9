"""The first look at a cloud: how large it is, where its points are, and what its attributes range over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.grid import Positions, UnusableCloudError
from pointcloud_potree.points import Block, PointAttribute, PointSource, Portion
from pointcloud_potree.workers import Workers

SAMPLE_POINTS: Final = 1 << 18
"""So many points tell how the others lie."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """What an attribute's values range over, element by element; of one byte, also how often each occurs.

    Of values none of which is a number, the least is infinite and the greatest minus that.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    histogram: tuple[int, ...] | None = None

    def joined(self, other: "Range") -> "Range":
        """The range of both."""
        histogram = None
        if self.histogram is not None and other.histogram is not None:
            histogram = tuple(a + b for a, b in zip(self.histogram, other.histogram, strict=True))
        return Range(
            low=tuple(map(min, self.low, other.low)), high=tuple(map(max, self.high, other.high)), histogram=histogram
        )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is known of the points with finite coordinates, which are all that counts.

    Attributes:
        points: How many there are.
        dropped: How many there are of the others.
        low: float64 (3,), the least coordinates.
        high: float64 (3,), the greatest.
        sample: float64 (N, 3), evenly spread over the cloud's order, N > 0.
        ranges: By attribute.
        kept: All of them, if they were to be kept.
    """

    points: int
    dropped: int
    low: Positions
    high: Positions
    sample: Positions
    ranges: Mapping[str, Range]
    kept: list[Block] | None


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one block adds."""

    block: Block
    given: int
    low: Positions
    high: Positions
    sample: Positions
    ranges: Mapping[str, Range]


def survey(source: PointSource, workers: Workers, *, keep: bool, advance: Callable[[int], None]) -> Survey:
    """Read all points once.

    Args:
        source: To read.
        workers: To share the work.
        keep: Whether to keep the points in memory.
        advance: Called with the points read so far.

    Raises:
        UnusableCloudError: No point has finite coordinates, or all of several are at one place.
    """
    attributes = source.attributes
    picks = _sample_picks(source.count)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    given, points = 0, 0
    samples: list[Positions] = []
    ranges: dict[str, Range] = {}
    kept: list[Block] = []
    for part in workers.in_order(lambda item: _look_at(*item, attributes, picks), _numbered(source)):
        given += part.given
        points += len(part.block.positions)
        low, high = np.minimum(low, part.low), np.maximum(high, part.high)
        samples.append(part.sample)
        for name, added in part.ranges.items():
            ranges[name] = ranges[name].joined(added) if name in ranges else added
        if keep:
            kept.append(part.block)
        advance(given)
    if points == 0:
        msg = f"none of the {given} points has finite coordinates: there is nothing to show"
        raise UnusableCloudError(msg)
    if points > 1 and (low == high).all():
        msg = f"all {points} points are at one place: there is nothing to look at from any side"
        raise UnusableCloudError(msg)
    return Survey(
        points=points,
        dropped=given - points,
        low=low,
        high=high,
        sample=np.concatenate(samples),
        ranges=ranges,
        kept=kept if keep else None,
    )


def finite(block: Block) -> Block:
    """The points whose three coordinates are numbers."""
    # A column at a time: np.isfinite of everything would need a matrix, and its row-wise `all` is slow.
    x, y, z = block.positions.T
    rows = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    return Block(block.positions[rows], {name: values[rows] for name, values in block.attributes.items()})


def _sample_picks(count: int) -> npt.NDArray[np.int64]:
    """Ascending indices of points: one at random out of every few, as whatever repeats in a file must not repeat here.

    Random, and the same for every cloud of so many points.
    """
    stride = -(-count // SAMPLE_POINTS) or 1
    starts = np.arange(0, count, stride)
    return starts + np.random.default_rng(1).integers(0, np.minimum(stride, count - starts))


def _numbered(source: PointSource) -> Iterator[tuple[int, Portion]]:
    """Each portion with the number of points before it."""
    before = 0
    for portion in source.portions():
        yield before, portion
        before += portion.count


def _look_at(
    before: int, portion: Portion, attributes: Sequence[PointAttribute], picks: npt.NDArray[np.int64]
) -> _Part:
    given = portion.count
    block = portion.decode().of(attributes)
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    first, last = np.searchsorted(picks, (before, before + given))
    sample = block.positions[picks[first:last] - before]
    if kernels.measure(block.positions, low, high) != given:
        block = finite(block)
        sample = sample[np.isfinite(sample).all(axis=1)]
    if not len(sample):
        sample = block.positions[:1]  # lest a cloud with hardly a number in it had none
    ranges = {}
    if len(block.positions):
        ranges = {a.name: _range(block.attributes[a.name], a) for a in attributes}
    return _Part(block=block, given=given, low=low, high=high, sample=sample, ranges=ranges)


def _range(values: npt.NDArray[Any], attribute: PointAttribute) -> Range:
    columns = values.reshape(len(values), attribute.elements).T
    histogram = None
    if attribute.size == 1:
        histogram = tuple(np.bincount(values.ravel().view(np.uint8), minlength=256).tolist())
    lows, highs = zip(*map(_bounds, columns), strict=True)
    return Range(low=lows, high=highs, histogram=histogram)


def _bounds(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest number; infinite and the wrong way round where there is none."""
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    numbers = values[np.isfinite(values)]
    return float(numbers.min(initial=np.inf)), float(numbers.max(initial=-np.inf))
