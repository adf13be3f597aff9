"""Several clouds as one: their points one after the other, with the attributes that all of them have."""

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pointcloud_potree.inputs.attributes import decodable
from pointcloud_potree.points import Block, Decoded, PointAttribute, PointSource, Portion


class JoinedPoints:
    """The points of several sources, in their order and in the coordinates that each has.

    An attribute is kept when every source has one of its name; one that a source lacks is left out, since no number
    would say that it is unknown. Where the types differ, it is of the smallest type that holds the values of all,
    float64 where 32 bits are too few.
    """

    def __init__(self, sources: Sequence[PointSource]) -> None:
        """Of at least one source."""
        self._sources = tuple(sources)

    @property
    def count(self) -> int:
        """Points of all."""
        return sum(source.count for source in self._sources)

    @cached_property
    def attributes(self) -> Sequence[PointAttribute]:
        """What every source has, in the first one's order."""
        first, *others = self._sources
        of_others = [{attribute.name: attribute for attribute in source.attributes} for source in others]
        return [
            _common([attribute, *(names[attribute.name] for names in of_others)])
            for attribute in first.attributes
            if all(attribute.name in names for names in of_others)
        ]

    @property
    def left_out(self) -> Sequence[str]:
        """Names of attributes that some sources have and others lack."""
        kept = {attribute.name for attribute in self.attributes}
        names = dict.fromkeys(attribute.name for source in self._sources for attribute in source.attributes)
        return [name for name in names if name not in kept]

    def portions(self) -> Iterator[Portion]:
        """Those of each source in turn."""
        for source in self._sources:
            for portion in source.portions():
                yield portion.mapped(self._common)

    def _common(self, block: Block) -> Block:
        def values(attribute: PointAttribute) -> npt.NDArray[Any]:
            return block.attributes[attribute.name].astype(attribute.dtype, copy=False)

        return Block(block.positions, Decoded({each.name: partial(values, each) for each in self.attributes}))


def _common(attributes: Sequence[PointAttribute]) -> PointAttribute:
    """One for all of the same name, with the first one's description."""
    first = attributes[0]
    dtype = decodable(np.result_type(*(attribute.dtype for attribute in attributes)))
    return PointAttribute(name=first.name, dtype=dtype, elements=first.elements, description=first.description)
