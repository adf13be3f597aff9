"""Writes octree.bin in either of Potree's two encodings."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import brotli
import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.grid import Grid, Positions
from pointcloud_potree.nodes import Nodes

# What PotreeConverter uses; higher settings cost much time for a few per cent.
BROTLI_QUALITY: Final = 6
BATCH_POINTS: Final = 1 << 19

Colours = npt.NDArray[np.uint8]
ByteSizes = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What octree.bin is made of.

    Attributes:
        grid: The quanta that positions are stored in.
        positions: float64 (N, 3), finite.
        colours: uint8 (N, 3).
        nodes: The octree.
        rows: uint32 (N,), rows of positions and colours in the nodes' order.
    """

    grid: Grid
    positions: Positions
    colours: Colours
    nodes: Nodes
    rows: npt.NDArray[np.uint32]


def write_uncompressed(content: Content, path: Path, advance: Callable[[int], None]) -> ByteSizes:
    """Write the points as they are, Potree's DEFAULT; return the bytes of each node.

    Args:
        content: What to write.
        path: Of octree.bin.
        advance: Called with the number of points written so far.
    """
    grid, rows = content.grid, content.rows
    offset = np.array(grid.offset)
    buffer = np.empty((min(BATCH_POINTS, len(rows)), kernels.POINT_BYTES), np.uint8)
    with path.open("wb") as file:
        for start in range(0, len(rows), BATCH_POINTS):
            batch = rows[start : start + BATCH_POINTS]
            out = buffer[: len(batch)]
            kernels.encode_uncompressed(content.positions, content.colours, batch, offset, grid.scale, out)
            file.write(out.data)
            advance(start + len(batch))
    return content.nodes.num_points.astype(np.uint64) * np.uint64(kernels.POINT_BYTES)


def write_brotli(content: Content, path: Path, advance: Callable[[int], None], *, threads: int) -> ByteSizes:
    """Write one Brotli stream a node; return the bytes of each node.

    Args:
        content: What to write.
        path: Of octree.bin.
        advance: Called with the number of points written so far.
        threads: How many nodes to compress at a time.
    """
    nodes = content.nodes
    sizes = np.zeros(len(nodes), np.uint64)
    done = 0
    with path.open("wb") as file, ThreadPoolExecutor(threads) as pool:
        for node, stream in _in_order(pool, content, ahead=4 * threads):
            file.write(stream)
            sizes[node] = len(stream)
            done += int(nodes.num_points[node])
            advance(done)
    return sizes


def _in_order(pool: ThreadPoolExecutor, content: Content, *, ahead: int) -> Iterator[tuple[int, bytes]]:
    """Compress the nodes that store points, at most `ahead` of them before they are asked for."""
    running: deque[tuple[int, Future[bytes]]] = deque()
    for node in map(int, np.flatnonzero(content.nodes.num_points)):
        running.append((node, pool.submit(_compress, content, node)))
        if len(running) > ahead:
            first, future = running.popleft()
            yield first, future.result()
    while running:
        first, future = running.popleft()
        yield first, future.result()


def _compress(content: Content, node: int) -> bytes:
    """One node's points as a Brotli stream."""
    start, count = int(content.nodes.first_point[node]), int(content.nodes.num_points[node])
    arranged = np.empty(3 * count, "<u8")
    kernels.arrange_for_brotli(
        content.positions,
        content.colours,
        content.rows[start : start + count],
        np.array(content.grid.offset),
        content.grid.scale,
        arranged,
    )
    return bytes(brotli.compress(arranged.tobytes(), quality=BROTLI_QUALITY))
