"""The octree writer against what any writer must at least do: copy the points, and sort as many 64-bit keys.

    python -m tools.bench.potree [--points 1000000 10000000] [--threads N] [--folder DIR]

Prints for each size and encoding: points a second, the writer's time in NumPy sorts and in memory copies of the same
points measured just before it, the octree's bytes a point, and the memory it took beside its input. Each in a process
of its own. Verification is timed as well, as the convert stage never publishes without it.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pointcloud_api.resource import Encoding
from pointcloud_potree.numba_cache import compile_kernels
from pointcloud_potree.octree import write_octree
from pointcloud_potree.reader import Octree, fingerprint, verify_octree

_CHUNK: Final = 1 << 18
_RESET_PEAK: Final = "5"
"""To /proc/self/clear_refs: https://docs.kernel.org/filesystems/proc.html."""


@dataclass(frozen=True)
class Measurement:
    """Seconds, and bytes a point."""

    copy: float
    sort: float
    write: float
    verify: float
    size: float
    memory: float


def terrain(points: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """A noisy, hilly surface of 100 x 100 with 24-bit colours, in random order as COLMAP exports it."""
    rng = np.random.default_rng(1)
    positions = np.empty((points, 3))
    colours = np.empty((points, 3), np.uint8)
    for start in range(0, points, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, points))
        x, y = rng.random((2, chunk.stop - start)) * 100
        height = 4 * np.sin(x / 9) * np.cos(y / 13) + 0.6 * np.sin(1.7 * x) * np.sin(1.3 * y)
        positions[chunk] = np.column_stack([x, y, height + rng.normal(0, 0.02, len(x))])
        shade = np.column_stack([140 + 10 * height, 130 + 20 * np.sin(x), 90 + 6 * height])
        colours[chunk] = np.clip(shade + rng.normal(0, 6, shade.shape), 0, 255)
    return positions, colours


def measure(points: int, encoding: Encoding, threads: int, folder: str) -> Measurement:
    """One size and encoding, from generating the points to reading the octree back."""
    compile_kernels()
    positions, colours = terrain(points)
    copy = _seconds(lambda: (positions.copy(), colours.copy()))
    keys = np.random.default_rng(2).integers(0, 2**63, points, np.uint64)
    sort = _seconds(keys.sort)
    del keys

    site = Path(folder)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    start = time.perf_counter()
    summary = write_octree(positions, colours, site, encoding=encoding, threads=threads)
    write = time.perf_counter() - start
    memory = _resident("VmHWM") - before
    verify = _seconds(lambda: verify_octree(site, fingerprint(Octree(site), positions, colours)))
    return Measurement(copy, sort, write, verify, summary.size_bytes / points, memory / points)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _resident(field: str) -> int:
    """Bytes of this process in memory now (VmRSS) or at most (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}: this benchmark needs Linux")
    return int(found[1]) * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, load {os.getloadavg()[0]:.1f}")
    print("points     encoding      M points/s  x sort  x copy  verify s  bytes/point  memory bytes/point")
    for points in arguments.points:
        for encoding in Encoding:
            with (
                tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
                multiprocessing.get_context("spawn").Pool(1) as pool,
            ):
                m = pool.apply(measure, (points, encoding, arguments.threads, folder))
            print(
                f"{points:<10} {encoding:<12} {points / m.write / 1e6:>11.2f} {m.write / m.sort:>7.1f}"
                f" {m.write / m.copy:>7.0f} {m.verify:>9.1f} {m.size:>12.1f} {m.memory:>19.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
