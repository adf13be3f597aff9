"""The octree writer against what bounds it: the disk, memory, and Brotli.

    python -m tools.bench.potree [--points 1000000 10000000] [--clouds surface strip clustered]
        [--encodings brotli uncompressed] [--samplings poisson random] [--memory BYTES] [--threads N] [--folder DIR]
        [--speed-only]

Without arguments: a surface of 1, 10 and 50 million points in all ways, the other clouds of 10 million, and a surface
of 200 million with a budget of 2 GB of memory. Each in a process of its own, from a LAS file of format 2 to the octree,
reading included. Prints points a second and processor time a point; the most memory that the whole process had; and
how many times as long it took as its limits, each measured just before or after in the same process:

- disk: reading the input once and writing as many bytes as the octree has,
- memory: copying the points as the writer holds them, once, on one thread,
- brotli: compressing the octree's own nodes again, on as many threads; the rest is what everything else costs.

Then how evenly points are spaced, level by level: the distance of each point shown to its nearest neighbour, in
spacings of that level, and how much it varies (standard deviation over mean) beside as many of the points at random.
Last, what Brotli's qualities make of the nodes of a million points, and how long they take.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import brotli
import laspy
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from pointcloud_api.resource import Encoding
from pointcloud_potree.encoders import BROTLI_QUALITY
from pointcloud_potree.inputs import ChosenPoints, open_points
from pointcloud_potree.inputs.attributes import RGB
from pointcloud_potree.numba_cache import compile_kernels
from pointcloud_potree.octree import write_octree
from pointcloud_potree.points import BLOCK_POINTS, PointSource, blocks_of
from pointcloud_potree.reader import Octree
from pointcloud_potree.sampling import Sampling
from tools.bench.processor import peak_memory, reset_peak

_SCALE: Final = 0.001
_NEIGHBOURS_OF: Final = 200_000
"""Of so many points at most the nearest neighbours are looked for."""

Positions = npt.NDArray[np.float64]
Colours = npt.NDArray[np.float64]
Shape = Callable[[np.random.Generator, int], tuple[Positions, Colours]]


def surface(rng: np.random.Generator, points: int) -> tuple[Positions, Colours]:
    """A noisy, hilly surface of 100 x 100 m, in random order as COLMAP exports it."""
    x, y = rng.random((2, points)) * 100
    height = 4 * np.sin(x / 9) * np.cos(y / 13) + 0.6 * np.sin(1.7 * x) * np.sin(1.3 * y)
    shade = np.column_stack([140 + 10 * height, 130 + 20 * np.sin(x), 90 + 6 * height])
    return np.column_stack([x, y, height + rng.normal(0, 0.02, points)]), shade + rng.normal(0, 6, shade.shape)


def strip(rng: np.random.Generator, points: int) -> tuple[Positions, Colours]:
    """What a scanner sees that flies 10 km along: ground, and above a third of it trees of up to 20 m."""
    along, across = rng.random(points) * 10_000, rng.normal(0, 120, points)
    ground = 20 * np.sin(along / 700) + 0.05 * across
    wooded = np.sin(along / 90) * np.sin(across / 60) > 0.35
    height = np.where(wooded, 20 * rng.beta(2, 1.5, points), rng.normal(0, 0.03, points))
    shade = np.where(wooded[:, None], (60, 110, 50), (150, 140, 120)) + rng.normal(0, 10, (points, 3))
    return np.column_stack([along, across, ground + height]), shade


def clustered(rng: np.random.Generator, points: int) -> tuple[Positions, Colours]:
    """Forty dense balls within 100 m, and one point in 100,000 up to 100 km away."""
    of = rng.integers(0, 40, points)
    centres = np.random.default_rng(7).random((40, 3)) * 100
    direction = rng.normal(size=(points, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    positions = centres[of] + direction * (1 + rng.normal(0, 0.01, (points, 1)))
    far = rng.random(points) < 1e-5
    positions[far] = rng.uniform(-100_000, 100_000, (int(far.sum()), 3))
    return positions, 128 + 100 * direction


CLOUDS: Final[dict[str, Shape]] = {"surface": surface, "strip": strip, "clustered": clustered}


class Case(NamedTuple):
    """What to measure."""

    cloud: str
    points: int
    encoding: Encoding
    sampling: Sampling
    memory: int | None = None


@dataclass(frozen=True)
class Measurement:
    """Seconds, bytes of memory, and bytes of octree a point."""

    wall: float
    processor: float
    disk: float
    copy: float
    brotli: float
    memory: int
    size: float


def coloured(las: Path) -> PointSource:
    """Positions and colours: all that PotreeConverter's figures are of."""
    return ChosenPoints(open_points(las), [RGB.name])


def write_las(cloud: str, points: int, path: Path) -> None:
    """Write a cloud as LAS."""
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales, header.offsets = [_SCALE] * 3, [0.0] * 3
    rng = np.random.default_rng(1)
    with laspy.open(path, "w", header=header) as file:
        for start in range(0, points, BLOCK_POINTS):
            positions, colours = CLOUDS[cloud](rng, min(BLOCK_POINTS, points - start))
            record = laspy.ScaleAwarePointRecord.zeros(len(positions), header=header)
            record.x, record.y, record.z = positions.T
            record.red, record.green, record.blue = np.clip(colours, 0, 255).astype(np.uint16).T << 8
            file.write_points(record)


def measure(case: Case, las: Path, folder: Path, threads: int) -> Measurement:
    """Convert once."""
    compile_kernels()
    source = coloured(las)
    copy = _seconds_to_copy(case.points)
    reset_peak()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    summary = write_octree(
        source, folder, encoding=case.encoding, sampling=case.sampling, memory=case.memory, threads=threads
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    memory = peak_memory()
    return Measurement(
        wall=wall,
        processor=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        disk=_seconds_of_files(las, folder / "octree.bin", folder),
        copy=copy,
        brotli=_seconds_of_brotli(folder, threads) if case.encoding is Encoding.BROTLI else 0.0,
        memory=memory,
        size=summary.size_bytes / case.points,
    )


def _seconds_to_copy(points: int) -> float:
    """Of 16 bytes a point; a part is enough to tell how fast memory is."""
    rows = np.ones((min(points, 10_000_000), 2), np.uint64)
    target = np.zeros_like(rows)
    start = time.perf_counter()
    np.copyto(target, rows)
    return (time.perf_counter() - start) * points / len(rows)


def _seconds_of_files(read: Path, like: Path, folder: Path) -> float:
    """To read one file and to write as many bytes as another has."""
    block = bytearray(1 << 22)
    start = time.perf_counter()
    with read.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass
    left = like.stat().st_size
    with tempfile.TemporaryFile(dir=folder) as file:
        while left > 0:
            left -= file.write(block[: min(left, len(block))])
    return time.perf_counter() - start


def _seconds_of_brotli(folder: Path, threads: int) -> float:
    """To compress the octree's nodes again."""
    plain, share = _plain_nodes(folder)
    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda data: len(brotli.compress(data, quality=BROTLI_QUALITY)), plain))
    return (time.perf_counter() - start) * share


def _plain_nodes(folder: Path) -> tuple[list[bytes], float]:
    """What every so many nodes hold before compression, and for how many times as many points they stand."""
    nodes = [node for node in Octree(folder).nodes() if node.num_points]
    some = nodes[:: max(1, len(nodes) // 500)]
    plain = []
    with (folder / "octree.bin").open("rb") as file:
        for node in some:
            file.seek(node.byte_offset)
            plain.append(brotli.decompress(file.read(node.byte_size)))
    return plain, sum(node.num_points for node in nodes) / sum(node.num_points for node in some)


def spacings(sampling: Sampling, las: Path, folder: Path) -> Iterator[str]:
    """A line for each level that has inner nodes."""
    write_octree(coloured(las), folder, encoding=Encoding.UNCOMPRESSED, sampling=sampling, threads=2)
    octree = Octree(folder)
    cloud = np.concatenate([block.positions for block in blocks_of(open_points(las))])
    shown = np.empty((0, 3))
    nodes = list(octree.nodes())
    with (folder / "octree.bin").open("rb") as file:
        for level in range(octree.metadata.hierarchy.depth):
            here = [node for node in nodes if node.level == level and node.num_points]
            shown = np.concatenate([shown, *(octree.positions(octree.read(node, file).quanta) for node in here)])
            spacing = octree.metadata.spacing / 2**level
            apart = _nearest(shown) / spacing
            chance = _nearest(cloud[np.random.default_rng(2).permutation(len(cloud))[: len(shown)]]) / spacing
            yield (
                f"{sampling:<9} {level:>5} {len(shown):>9} {apart.mean():>7.2f} {np.quantile(apart, 0.01):>7.2f}"
                f" {apart.std() / apart.mean():>10.2f} {chance.std() / chance.mean():>10.2f}"
            )


def _nearest(points: Positions) -> Positions:
    """How far away each point's nearest neighbour is."""
    some = points[:: max(1, len(points) // _NEIGHBOURS_OF)]
    distances: Positions = cKDTree(points).query(some, k=2)[0][:, 1]
    return distances


def _cases(arguments: argparse.Namespace) -> list[Case]:
    ways = [(encoding, sampling) for encoding in arguments.encodings for sampling in arguments.samplings]
    if arguments.points or arguments.clouds:
        return [
            Case(cloud, points, *way, arguments.memory)
            for cloud in arguments.clouds or ["surface"]
            for points in arguments.points or [10_000_000]
            for way in ways
        ]
    return [
        *(Case("surface", points, *way) for points in (1_000_000, 10_000_000, 50_000_000) for way in ways),
        *(Case(cloud, 10_000_000, *way) for cloud in ("strip", "clustered") for way in ways),
        *(Case("surface", 200_000_000, encoding, Sampling.POISSON, 2 << 30) for encoding in arguments.encodings),
    ]


def _print_speed(cases: list[Case], threads: int, folder: Path) -> None:
    print(f"{threads} threads, load {os.getloadavg()[0]:.1f}")
    print(
        "cloud      points     encoding      sampling  M points/s  CPU ns/point  memory MB  bytes/point"
        "  x disk  x memory  x brotli"
    )
    written: tuple[str, int] | None = None
    las = folder / "cloud.las"
    for case in cases:
        if written != (case.cloud, case.points):
            write_las(case.cloud, case.points, las)
            written = (case.cloud, case.points)
        with (
            tempfile.TemporaryDirectory(dir=folder) as octree,
            multiprocessing.get_context("spawn").Pool(1) as pool,
        ):
            m = pool.apply(measure, (case, las, Path(octree), threads))
        print(
            f"{case.cloud:<10} {case.points:<10} {case.encoding:<13} {case.sampling:<9}"
            f" {case.points / m.wall / 1e6:>10.2f} {m.processor / case.points * 1e9:>13.0f} {m.memory / 1e6:>10.0f}"
            f" {m.size:>12.1f} {m.wall / m.disk:>7.1f} {m.wall / m.copy:>9.0f}"
            f" {m.wall / m.brotli if m.brotli else float('nan'):>9.1f}",
            flush=True,
        )


def _print_spacings(folder: Path) -> None:
    print("\nsampling  level     shown    mean  1 in 100   variation  at random")
    write_las("surface", 1_000_000, folder / "cloud.las")
    for sampling in Sampling:
        with tempfile.TemporaryDirectory(dir=folder) as octree:
            for line in spacings(sampling, folder / "cloud.las", Path(octree)):
                print(line, flush=True)


def _print_qualities(folder: Path) -> None:
    print("\nBrotli quality  bytes/point  CPU ns/point")
    write_las("surface", 1_000_000, folder / "cloud.las")
    write_octree(coloured(folder / "cloud.las"), folder, threads=2)
    plain, share = _plain_nodes(folder)
    points = 1_000_000 / share
    for quality in range(1, 10):
        start = time.process_time()
        size = sum(len(brotli.compress(data, quality=quality)) for data in plain)
        spent = time.process_time() - start
        print(f"{quality:>14} {size / points:>12.2f} {spent / points * 1e9:>13.0f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=lambda text: int(float(text)), nargs="+")
    parser.add_argument("--clouds", nargs="+", choices=CLOUDS)
    parser.add_argument("--encodings", type=Encoding, nargs="+", default=list(Encoding))
    parser.add_argument("--samplings", type=Sampling, nargs="+", default=list(Sampling))
    parser.add_argument("--memory", type=lambda text: int(float(text)), help="bytes; by default what the machine has")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--speed-only", action="store_true", help="leave out spacings and qualities")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        _print_speed(_cases(arguments), arguments.threads, Path(folder))
        if not arguments.speed_only:
            _print_spacings(Path(folder))
            _print_qualities(Path(folder))


if __name__ == "__main__":
    main()
