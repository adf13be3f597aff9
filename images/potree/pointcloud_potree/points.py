"""What a point cloud is to the writer, whatever file it comes from: blocks of points with attributes by name.

Reading and decoding are apart, because a file is read by one thread, and what was read is decoded by as many as there
are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

BLOCK_POINTS: Final = 1 << 18
"""At most so many points come at a time, which bounds what a reader keeps in memory."""


@dataclass(frozen=True, kw_only=True)
class PointAttribute:
    """Something that is known of every point beside its position."""

    name: str
    """As Potree's viewers know it: `rgb`, `intensity`, `classification`, `return number`, `gps-time`, `NormalX`."""
    dtype: np.dtype[Any]
    """Of one element, little-endian."""
    elements: int = 1
    """3 for `rgb`, whose elements are uint16; else 1, because viewers read no other attribute of several elements."""
    description: str = ""

    @property
    def size(self) -> int:
        """Bytes of one point's."""
        return self.dtype.itemsize * self.elements


@dataclass(frozen=True)
class Block:
    """N points that follow one another in the file, N at most BLOCK_POINTS."""

    positions: npt.NDArray[np.float64]
    """(N, 3), C-contiguous, in the file's unit. May hold what is not finite: the writer drops and counts it."""
    attributes: Mapping[str, npt.NDArray[Any]]
    """By name (N,) or (N, elements), C-contiguous, of the attribute's dtype; perhaps only `Decoded` when asked for."""

    def of(self, attributes: Iterable[PointAttribute]) -> "Block":
        """The same with these attributes alone, decoded."""
        return Block(self.positions, {attribute.name: self.attributes[attribute.name] for attribute in attributes})


class Decoded(Mapping[str, npt.NDArray[Any]]):
    """Attributes that are decoded whenever they are asked for: what nobody wants costs nothing."""

    def __init__(self, decoders: Mapping[str, Callable[[], npt.NDArray[Any]]]) -> None:
        self._decoders = decoders

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._decoders[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoders)

    def __len__(self) -> int:
        return len(self._decoders)


@dataclass(frozen=True)
class Portion:
    """Points that follow one another in the file, read but not decoded."""

    count: int
    """At most BLOCK_POINTS."""
    decode: Callable[[], Block]
    """On any thread. It may raise what `PointSource.portions` raises."""

    def mapped(self, change: Callable[[Block], Block]) -> "Portion":
        """The same, changed once it is decoded, in at most so many points."""
        return Portion(self.count, lambda: change(self.decode()))


class PointSource(Protocol):
    """A cloud that can be read from its start as often as is wanted."""

    @property
    def count(self) -> int:
        """Points in all, those without finite coordinates included."""

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """What every block has, in the order in which the octree stores it."""

    def portions(self) -> Iterator[Portion]:
        """All points in the file's order. Two calls give the same."""


def blocks_of(source: PointSource) -> Iterator[Block]:
    """All points in the file's order, decoded one portion after the other."""
    for portion in source.portions():
        yield portion.decode()
