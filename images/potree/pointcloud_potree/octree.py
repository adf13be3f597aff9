"""Writes a Potree 2.0 octree: the folder of three files that a browser reads a point cloud from.

Points are quantised and sorted along a Morton curve, which makes every octree node a contiguous run; nodes
are split until they are small enough for one request; each inner node keeps an even sample of what lies
below it. Every point is stored exactly once. The same input gives the same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numba
import numpy as np

from pointcloud_api.resource import Encoding
from pointcloud_potree import hierarchy
from pointcloud_potree.encoders import ByteSizes, Colours, Content, write_brotli, write_uncompressed
from pointcloud_potree.grid import Grid, Positions, UnusableCloudError, Vector, fit_grid
from pointcloud_potree.metadata import (
    BoundingBox,
    Hierarchy,
    Metadata,
    position_attribute,
    rgb_attribute,
)
from pointcloud_potree.morton import sort_points
from pointcloud_potree.nodes import CELL_LEVELS, build_nodes

FILES: Final = ("metadata.json", "hierarchy.bin", "octree.bin")
# Rows are counted in 32 bits, and so are a node's points in hierarchy.bin.
MAX_POINTS: Final = 2**32 - 1

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


def write_octree(  # noqa: PLR0913 - two inputs, one output, and options by keyword
    positions: Positions,
    colours: Colours,
    folder: Path,
    *,
    encoding: Encoding = Encoding.BROTLI,
    name: str = "",
    threads: int = 1,
    progress: Progress = lambda _step, _done, _total: None,
) -> OctreeSummary:
    """Write metadata.json, hierarchy.bin and octree.bin into a folder.

    Needs about 25 bytes a point beside its arguments.

    Args:
        positions: float64 (N, 3), in any unit; C-contiguous. Rows with NaN or infinity are dropped.
        colours: uint8 (N, 3), red, green, blue; C-contiguous.
        folder: Made if missing; files of the same names are replaced, metadata.json last.
        encoding: Uncompressed takes 18 bytes a point, Brotli about 7.
        name: Shown by viewers.
        threads: How many to use. Has no influence on the result.
        progress: Called with a step's name and how many of its points are done.

    Raises:
        UnusableCloudError: No point with finite coordinates is left, or too many, or too far apart.
    """
    if len(positions) != len(colours):
        msg = f"{len(positions)} positions but {len(colours)} colours"
        raise ValueError(msg)
    given = len(positions)
    positions, colours = _finite(positions, colours)
    count = len(positions)
    if count > MAX_POINTS:
        msg = f"{count} points are more than the {MAX_POINTS} of one octree: thin the cloud or cut it into parts"
        raise UnusableCloudError(msg)

    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))  # type: ignore[attr-defined]
    progress("sort", 0, count)
    grid = fit_grid(positions)
    points = sort_points(positions, grid)
    progress("sample", 0, count)
    nodes, rows = build_nodes(points, grid.levels)
    del points

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata.json").unlink(missing_ok=True)
    content = Content(grid=grid, positions=positions, colours=colours, nodes=nodes, rows=rows)
    sizes = _write_points(content, folder / "octree.bin", encoding, threads, progress)
    chunks = hierarchy.hierarchy_chunks(nodes, np.cumsum(sizes, dtype=np.uint64) - sizes, sizes)
    (folder / "hierarchy.bin").write_bytes(b"".join(chunk.tobytes() for chunk in chunks))
    metadata = _metadata(content, name=name, encoding=encoding, first_chunk_size=chunks[0].nbytes)
    (folder / "metadata.json").write_text(metadata.model_dump_json(by_alias=True, indent=1))
    return OctreeSummary(
        points=count,
        dropped=given - count,
        nodes=len(nodes),
        depth=nodes.depth,
        size_bytes=sum((folder / file).stat().st_size for file in FILES),
    )


def _finite(positions: Positions, colours: Colours) -> tuple[Positions, Colours]:
    """The rows whose three coordinates are numbers; at least one."""
    # A column at a time: np.isfinite of everything would need a matrix, and its row-wise `all` is slow.
    finite = np.isfinite(positions[:, 0]) & np.isfinite(positions[:, 1]) & np.isfinite(positions[:, 2])
    kept = int(np.count_nonzero(finite))
    if kept == 0:
        msg = f"none of the {len(positions)} points has finite coordinates: there is nothing to show"
        raise UnusableCloudError(msg)
    return (positions, colours) if kept == len(positions) else (positions[finite], colours[finite])


def _write_points(content: Content, path: Path, encoding: Encoding, threads: int, progress: Progress) -> ByteSizes:
    total = len(content.rows)

    def advance(done: int) -> None:
        progress("encode", done, total)

    if encoding is Encoding.UNCOMPRESSED:
        return write_uncompressed(content, path, advance)
    return write_brotli(content, path, advance, threads=threads)


def _metadata(content: Content, *, name: str, encoding: Encoding, first_chunk_size: int) -> Metadata:
    grid, nodes = content.grid, content.nodes
    low, high = _stored_bounds(grid, content.positions)
    reds_low, reds_high = content.colours.min(axis=0), content.colours.max(axis=0)
    return Metadata(
        name=name,
        points=len(content.rows),
        hierarchy=Hierarchy(first_chunk_size=first_chunk_size, step_size=hierarchy.STEP_SIZE, depth=nodes.depth),
        offset=[*grid.offset],
        scale=[grid.scale] * 3,
        spacing=grid.side / 2**CELL_LEVELS,
        bounding_box=BoundingBox(min=[*grid.offset], max=[edge + grid.side for edge in grid.offset]),
        encoding="DEFAULT" if encoding is Encoding.UNCOMPRESSED else "BROTLI",
        attributes=[
            position_attribute(low, high),
            rgb_attribute([float(c) * 256 for c in reds_low], [float(c) * 256 for c in reds_high]),
        ],
    )


def _stored_bounds(grid: Grid, positions: Positions) -> tuple[Vector, Vector]:
    """The tight bounds of the points as they read back, which is up to half a quantum off."""
    highest = np.rint((positions.max(axis=0) - np.array(grid.offset)) / grid.scale)
    high = np.array(grid.offset) + highest * grid.scale
    return grid.offset, (float(high[0]), float(high[1]), float(high[2]))
