"""A cloud that is in memory already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pointcloud_potree.points import BLOCK_POINTS, Block, PointAttribute, Portion


@dataclass(frozen=True)
class ArrayPoints:
    """N points of arrays, as a `PointSource`."""

    positions: npt.NDArray[np.float64]
    """(N, 3)."""
    values: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """By the attribute's name (N,) or (N, elements), of a type that viewers decode."""

    def __post_init__(self) -> None:
        """Raises ValueError where an attribute has not one value a point."""
        for name, values in self.values.items():
            if len(values) != len(self.positions):
                msg = f"{len(self.positions)} positions but {len(values)} of {name}"
                raise ValueError(msg)

    @classmethod
    def coloured(cls, positions: npt.NDArray[np.float64], colours: npt.NDArray[np.uint8]) -> "ArrayPoints":
        """Of positions (N, 3) and 8-bit colours (N, 3)."""
        return cls(positions, {"rgb": colours.astype("<u2") << 8})

    @property
    def count(self) -> int:
        """N."""
        return len(self.positions)

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """In the mapping's order."""
        return [
            PointAttribute(name=name, dtype=values.dtype, elements=values.shape[1] if values.ndim == 2 else 1)
            for name, values in self.values.items()
        ]

    def portions(self) -> Iterator[Portion]:
        """Views of the arrays."""
        for start in range(0, self.count, BLOCK_POINTS):
            rows = slice(start, min(start + BLOCK_POINTS, self.count))
            yield Portion(rows.stop - rows.start, partial(self._block, rows))

    def _block(self, rows: slice) -> Block:
        return Block(
            np.ascontiguousarray(self.positions[rows]),
            {name: np.ascontiguousarray(values[rows]) for name, values in self.values.items()},
        )
