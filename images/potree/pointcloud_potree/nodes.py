"""The octree's nodes as one table, put together from those that store points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class StoredNodes:
    """Nodes that store points, in the order in which these lie in octree.bin.

    Attributes:
        level: int64 (M,), 0 for the root.
        prefix: uint64 (M,), the highest ``3 * level`` bits of the keys of a node's points.
        num_points: int64 (M,), points stored in the node itself.
        byte_size: int64 (M,), how many bytes they take.
    """

    level: Int64s
    prefix: npt.NDArray[np.uint64]
    num_points: Int64s
    byte_size: Int64s


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The octree's nodes, breadth first and children ascending; entry 0 is the root.

    Attributes:
        level: int64 (M,), 0 for the root.
        child_mask: uint8 (M,), bit c is set where child c exists.
        first_child: int64 (M,), where its children start among the nodes; meaningless without children.
        num_points: int64 (M,), points stored in the node itself.
        byte_offset: uint64 (M,), where they start in octree.bin.
        byte_size: uint64 (M,), how many bytes they take; 0 for a node without points.
    """

    level: Int64s
    child_mask: npt.NDArray[np.uint8]
    first_child: Int64s
    num_points: Int64s
    byte_offset: npt.NDArray[np.uint64]
    byte_size: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.level)

    @property
    def depth(self) -> int:
        """Level of the deepest node."""
        return int(self.level[-1])


def link_nodes(parts: Sequence[StoredNodes]) -> Nodes:
    """Put nodes in one table with those between them and the root, whose own points were all lifted.

    Args:
        parts: In the order in which their points lie in octree.bin, without gaps.
    """
    level = np.concatenate([part.level for part in parts])
    prefix = np.concatenate([part.prefix for part in parts])
    stored = np.concatenate([part.num_points for part in parts])
    size = np.concatenate([part.byte_size for part in parts])
    offset = np.cumsum(size) - size

    levels: list[tuple[Int64s, npt.NDArray[np.uint8], Int64s]] = []
    below = np.zeros(0, np.uint64)
    for depth in range(int(level.max()), -1, -1):
        here = np.flatnonzero(level == depth)
        prefixes = np.union1d(prefix[here], below >> np.uint64(3))
        masks = np.zeros(len(prefixes), np.uint8)
        bits = np.left_shift(np.uint8(1), (below & np.uint64(7)).astype(np.uint8))
        np.bitwise_or.at(masks, np.searchsorted(prefixes, below >> np.uint64(3)), bits)
        entries = np.full(len(prefixes), -1, np.int64)
        entries[np.searchsorted(prefixes, prefix[here])] = here
        levels.append((np.full(len(prefixes), depth), masks, entries))
        below = prefixes
    levels.reverse()

    masks = np.concatenate([masks for _, masks, _ in levels])
    entries = np.concatenate([entries for _, _, entries in levels])
    children = np.bitwise_count(masks).astype(np.int64)
    has_points = entries >= 0
    return Nodes(
        level=np.concatenate([depths for depths, _, _ in levels]),
        child_mask=masks,
        first_child=1 + np.cumsum(children) - children,
        num_points=np.where(has_points, stored[entries], 0),
        byte_offset=np.where(has_points, offset[entries], 0).astype(np.uint64),
        byte_size=np.where(has_points, size[entries], 0).astype(np.uint64),
    )
