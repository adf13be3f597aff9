"""Writes a Potree 2.0 octree: the folder of three files that a browser reads a point cloud from.

Points are quantised and brought to chunks, which are cells of the octree with few enough points to be built in a
processor's cache. The branches of the octree that the chunks are grow independently; where eight meet, their parent
takes an even sample of what they show, and so on up to the root. Every point is stored exactly once.

The same points and settings give the same bytes: neither the number of threads nor the memory has a say in them.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from pointcloud_api.resource import Encoding
from pointcloud_potree import kernels
from pointcloud_potree.branches import Branches, Finished
from pointcloud_potree.encoders import encoder
from pointcloud_potree.grid import Grid, UnusableCloudError, fit_grid
from pointcloud_potree.growth import grow_all
from pointcloud_potree.hierarchy import STEP_SIZE, hierarchy_chunks
from pointcloud_potree.metadata import BoundingBox, Hierarchy, Metadata, point_attribute, position_attribute
from pointcloud_potree.nodes import Nodes, StoredNodes, link_nodes
from pointcloud_potree.plan import plan_chunks
from pointcloud_potree.points import Block, PointSource, Portion
from pointcloud_potree.rows import RowLayout
from pointcloud_potree.runs import Runs, bytes_a_point
from pointcloud_potree.sampling import CELL_LEVELS, Sampling
from pointcloud_potree.survey import Survey, finite, survey
from pointcloud_potree.workers import Workers
from pointcloud_stage.limits import available_memory

FILES: Final = ("metadata.json", "hierarchy.bin", "octree.bin")
MAX_CHUNK_POINTS: Final = 1 << 21
"""Only points that share a quantum make a chunk so large."""
_LIBRARIES_BYTES: Final = 280 << 20
"""What Python, NumPy and the compiled kernels take, and the blocks on their way in."""
_THREAD_BYTES: Final = 64 << 20
"""What a thread takes that builds a branch, with the finished ones that wait to be written."""
_LEAST_BYTES: Final = 64 << 20
"""For points, however small the budget: with less, runs would be so small that scratch is read in crumbs."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class OctreeSummary:
    """What was written.

    Attributes:
        points: Points stored.
        dropped: Points left out because a coordinate is not a finite number.
        nodes: Nodes of the octree.
        depth: Level of the deepest node.
        size_bytes: Length of the three files together.
    """

    points: int
    dropped: int
    nodes: int
    depth: int
    size_bytes: int


def write_octree(  # noqa: PLR0913 - one input, one output, and options by keyword
    source: PointSource,
    folder: Path,
    *,
    encoding: Encoding = Encoding.BROTLI,
    sampling: Sampling = Sampling.POISSON,
    scale: float | None = None,
    memory: int | None = None,
    scratch: Path | None = None,
    threads: int = 1,
    name: str = "",
    progress: Progress = lambda _step, _done, _total: None,
) -> OctreeSummary:
    """Write metadata.json, hierarchy.bin and octree.bin into a folder.

    A cloud that memory has no room for is read twice, and goes through a scratch file of 16 bytes a point with colours.

    Args:
        source: The points. Those with NaN or infinity for a coordinate are dropped.
        folder: Made if missing; files of the same names are replaced, metadata.json last.
        encoding: Uncompressed takes 18 bytes a point with colours, Brotli about 7.
        sampling: How to choose what a node shows.
        scale: The side of the cubes that coordinates are rounded to; by default 2^-18 of the core of the cloud.
        memory: Bytes that the process may use in all, by default three quarters of what the container or else the
            machine has. Some 400 MB is the least; less is not kept to.
        scratch: The folder for the scratch file, by default `folder`. Nothing is left there.
        threads: How many to use.
        name: Shown by viewers.
        progress: Called with a step's name and how many of its points are done.

    Raises:
        UnusableCloudError: There is no octree of these points; the message says why and what to do about it.
        OSError: A file cannot be written, for example because the disk is full (ENOSPC).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.json").unlink(missing_ok=True)
    room = _room(memory, threads)
    with Workers(threads) as workers:
        keep = source.count * _bytes_when_kept(source) <= room
        found = survey(source, workers, keep=keep, advance=lambda done: progress("read", done, source.count))
        grid = fit_grid(found.low, found.high, found.sample, scale=scale)
        layout = RowLayout(grid, source.attributes)
        plan = plan_chunks(_sample_keys(found, grid), found.points, grid.levels)
        capacity = room // bytes_a_point(layout)
        with Runs(layout, plan, points=source.count, capacity=capacity, scratch=scratch or folder) as runs:
            for done in runs.take_in(_portions(source, found), workers):
                progress("sort", done, found.points)
            _check_chunks(runs, found)
            branches = Branches(grid.levels, sampling, encoder(encoding, layout))
            nodes = _write_points(
                grow_all(branches, plan, runs, workers),
                folder / "octree.bin",
                lambda done: progress("encode", done, found.points),
                ahead=4 * threads,
            )
    chunks = hierarchy_chunks(nodes)
    (folder / "hierarchy.bin").write_bytes(b"".join(chunk.tobytes() for chunk in chunks))
    metadata = _metadata(layout, found, nodes, name=name, encoding=encoding, first_chunk_size=chunks[0].nbytes)
    # Under its name when it is whole: what has a metadata.json is an octree.
    unfinished = folder / ".metadata.json"
    unfinished.write_text(metadata.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    unfinished.replace(folder / "metadata.json")
    return OctreeSummary(
        points=found.points,
        dropped=found.dropped,
        nodes=len(nodes),
        depth=nodes.depth,
        size_bytes=sum((folder / file).stat().st_size for file in FILES),
    )


def _room(memory: int | None, threads: int) -> int:
    """Bytes for points."""
    if memory is None:
        memory = available_memory() * 3 // 4
    return max(_LEAST_BYTES, memory - _LIBRARIES_BYTES - threads * _THREAD_BYTES)


def _bytes_when_kept(source: PointSource) -> int:
    """The most that a point takes that is kept from the first reading on, before the grid is known.

    Twice over, for what is freed of blocks is not always at hand for rows.
    """
    attributes = sum(attribute.size for attribute in source.attributes)
    return 24 + attributes + 2 * (16 + 8 * -(-attributes // 8)) + 4


def _sample_keys(found: Survey, grid: Grid) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    rows = np.empty((len(found.sample), 2), np.uint64)
    kernels.quantise(found.sample, np.array(grid.offset), grid.scale, grid.bits, rows)
    return np.sort(rows[:, 0])


def _portions(source: PointSource, found: Survey) -> Iterator[Portion]:
    """All points that count; those that were kept are let go of one by one."""
    if found.kept is not None:
        found.kept.reverse()
        while found.kept:
            block = found.kept.pop()
            yield Portion(len(block.positions), partial(_itself, block))
    elif found.dropped:
        for portion in source.portions():
            yield portion.mapped(finite)
    else:
        yield from source.portions()


def _itself(block: Block) -> Block:
    return block


def _check_chunks(runs: Runs, found: Survey) -> None:
    counts = runs.counts()
    if counts.sum() != found.points:
        msg = (
            f"{found.points} points were read first and {counts.sum()} when read again: leave the file alone meanwhile"
        )
        raise UnusableCloudError(msg)
    if counts.max() > MAX_CHUNK_POINTS:
        msg = f"{counts.max()} points lie at one place, too many for a viewer to load at once: remove all but one"
        raise UnusableCloudError(msg)


def _write_points(
    parts: Iterator[Future[list[Finished]]], path: Path, advance: Callable[[int], None], *, ahead: int
) -> Nodes:
    """Write octree.bin, with at most so many branches begun `ahead` of what is written."""
    waiting: deque[Future[list[Finished]]] = deque()
    stored: list[StoredNodes] = []
    done = 0
    with path.open("wb") as file:

        def write_first() -> int:
            final = waiting.popleft().result()
            for part in final:
                stored.append(part.nodes)
                file.writelines(part.data)
            written = sum(int(part.nodes.num_points.sum()) for part in final)
            final.clear()
            return written

        for part in parts:
            waiting.append(part)
            while len(waiting) > ahead:
                done += write_first()
                advance(done)
        while waiting:
            done += write_first()
            advance(done)
    return link_nodes(stored)


def _metadata(  # noqa: PLR0913 - all that is told
    layout: RowLayout, found: Survey, nodes: Nodes, *, name: str, encoding: Encoding, first_chunk_size: int
) -> Metadata:
    grid = layout.grid
    # As the points read back, which is up to half a quantum off.
    highest = np.rint((found.high - np.array(grid.offset)) / grid.scale)
    high = np.array(grid.offset) + highest * grid.scale
    return Metadata(
        name=name,
        points=found.points,
        hierarchy=Hierarchy(first_chunk_size=first_chunk_size, step_size=STEP_SIZE, depth=nodes.depth),
        offset=[*grid.offset],
        scale=[grid.scale] * 3,
        spacing=grid.side / 2**CELL_LEVELS,
        bounding_box=BoundingBox(min=[*grid.offset], max=[edge + grid.side for edge in grid.offset]),
        encoding="DEFAULT" if encoding is Encoding.UNCOMPRESSED else "BROTLI",
        attributes=[
            position_attribute([*grid.offset], high.tolist()),
            *(point_attribute(attribute, found.ranges[attribute.name]) for attribute in layout.attributes),
        ],
    )
