"""Colours for clouds without any: viewers would show their points in black."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pointcloud_potree.inputs.attributes import RGB
from pointcloud_potree.points import Block, PointAttribute, PointSource, Portion

GREY: Final = 190
"""Of 8 bits: light enough for the shading by depth to show shapes."""


def has_colours(source: PointSource) -> bool:
    """Whether its points have colours of their own."""
    return any(attribute.name == RGB.name for attribute in source.attributes)


@dataclass(frozen=True)
class GreyPoints:
    """The points of a source that has no colours, in grey."""

    source: PointSource

    @property
    def count(self) -> int:
        """The source's."""
        return self.source.count

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """`rgb`, then the source's."""
        return [RGB, *self.source.attributes]

    def portions(self) -> Iterator[Portion]:
        """The source's."""
        return (portion.mapped(_in_grey) for portion in self.source.portions())


def _in_grey(block: Block) -> Block:
    grey = np.full(block.positions.shape, GREY << 8, RGB.dtype)
    return Block(block.positions, {RGB.name: grey, **block.attributes})
