"""Writes Potree's hierarchy.bin: which nodes exist and where their points lie.

The file is cut into chunks, each a node with its descendants of the next `STEP_SIZE` levels, breadth first,
so that a viewer of a large cloud loads only the part of the tree it looks at. Layout as read by the loader
of Potree 1.8 (modules/loader/2.0/OctreeLoader.js).
"""

from collections import deque
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree.nodes import Nodes

STEP_SIZE: Final = 4
RECORD: Final = np.dtype(
    [
        ("type", "u1"),
        ("child_mask", "u1"),
        ("num_points", "<u4"),
        ("byte_offset", "<u8"),
        ("byte_size", "<u8"),
    ]
)


class NodeType(IntEnum):
    """The first byte of a record. A proxy's offset and size point at its chunk in hierarchy.bin."""

    INNER = 0
    LEAF = 1
    PROXY = 2


def hierarchy_chunks(nodes: Nodes) -> list[npt.NDArray[np.void]]:
    """Lay out the records of all nodes.

    Returns:
        The chunks in file order, each a structured array of `RECORD`; the first is the root's.
    """
    chunks: list[npt.NDArray[np.void]] = []
    waiting = deque([0])
    proxies: list[tuple[int, int]] = []  # (chunk, record) in the order of the chunks they announce
    while waiting:
        root = waiting.popleft()
        members = _chunk_members(nodes, root)
        records = np.zeros(len(members), RECORD)
        records["type"] = np.where(nodes.child_mask[members] == 0, NodeType.LEAF, NodeType.INNER)
        records["child_mask"] = nodes.child_mask[members]
        records["num_points"] = nodes.num_points[members]
        records["byte_offset"] = nodes.byte_offset[members]
        records["byte_size"] = nodes.byte_size[members]
        continued = (nodes.level[members] == nodes.level[root] + STEP_SIZE) & (nodes.child_mask[members] != 0)
        proxies += [(len(chunks), int(record)) for record in np.flatnonzero(continued)]
        waiting.extend(int(node) for node in members[continued])
        chunks.append(records)
    _point_proxies(chunks, proxies)
    return chunks


def _chunk_members(nodes: Nodes, root: int) -> npt.NDArray[np.int64]:
    """A chunk's nodes in file order. Its nodes of one level are contiguous, as the table is breadth first."""
    start, end = root, root + 1
    levels = [np.arange(start, end)]
    for _ in range(STEP_SIZE):
        parents = np.arange(start, end)[nodes.child_mask[start:end] != 0]
        if not len(parents):
            break
        last = parents[-1]
        start = int(nodes.first_child[parents[0]])
        end = int(nodes.first_child[last]) + int(nodes.child_mask[last]).bit_count()
        levels.append(np.arange(start, end))
    return np.concatenate(levels)


def _point_proxies(chunks: list[npt.NDArray[np.void]], proxies: list[tuple[int, int]]) -> None:
    """Turn the records that announce a chunk into proxies; chunk k + 1 is announced by proxy k."""
    ends = np.cumsum([chunk.nbytes for chunk in chunks])
    for announced, (chunk, record) in enumerate(proxies, start=1):
        chunks[chunk]["type"][record] = NodeType.PROXY
        chunks[chunk]["byte_offset"][record] = ends[announced - 1]
        chunks[chunk]["byte_size"][record] = chunks[announced].nbytes
