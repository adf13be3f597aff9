"""Some of what is known of a cloud's points, where not all of it is wanted."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

from pointcloud_potree.inputs.failure import UnreadablePointsError
from pointcloud_potree.points import Block, PointAttribute, PointSource, Portion


class ChosenPoints:
    """The points of a source with some of its attributes, which are all that is decoded where they come from."""

    def __init__(self, source: PointSource, names: Collection[str]) -> None:
        """Choose attributes by name. Raises UnreadablePointsError where the source has not all of them."""
        there = [attribute.name for attribute in source.attributes]
        if missing := [name for name in names if name not in there]:
            msg = f"the points have no {' and no '.join(missing)}: choose among {', '.join(there) or 'nothing'}"
            raise UnreadablePointsError(msg)
        self._source = source
        self._names = frozenset(names)

    @property
    def count(self) -> int:
        """The source's."""
        return self._source.count

    @cached_property
    def attributes(self) -> Sequence[PointAttribute]:
        """Those chosen, in the source's order."""
        return [attribute for attribute in self._source.attributes if attribute.name in self._names]

    def portions(self) -> Iterator[Portion]:
        """The source's."""
        return (portion.mapped(self._chosen) for portion in self._source.portions())

    def _chosen(self, block: Block) -> Block:
        return block.of(self.attributes)
