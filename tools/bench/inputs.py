"""How long files are read for, before anything is made of their points.

    python -m tools.bench.inputs [--points 10000000] [--folder DIR]

Writes a cloud in every format, then prints for each the seconds of processor time that all its blocks took, with all
attributes, and the most memory of the process, Python included. Each in a process of its own. Coordinates are those of
a hilly surface, colours and returns are random: the most that a compressed file can have to tell.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import laspy
import numpy as np
import numpy.typing as npt

from pointcloud_potree.inputs import open_points
from pointcloud_potree.points import blocks_of

_COLOURED: Final = [*((name, "<f4") for name in "xyz"), *((name, "u1") for name in ("red", "green", "blue"))]
_DENSE: Final = [*_COLOURED, *((name, "<f4") for name in ("nx", "ny", "nz")), ("views", "<u2")]
_PLY_TYPES: Final = {"<f4": "float", "u1": "uchar", "<u2": "ushort"}
_TEXT_FORMAT: Final = "%.5f %.5f %.5f %d %d %d"

Positions = npt.NDArray[np.float64]


def _write_ply(fields: list[tuple[str, str]], positions: Positions, file: Path, *, text: bool = False) -> None:
    rng = np.random.default_rng(3)
    rows = np.zeros(len(positions), fields)
    for name, kind in fields:
        rows[name] = positions[:, "xyz".index(name)] if name in "xyz" else rng.integers(0, 256, len(rows))
        if kind == "<f4" and name not in "xyz":
            rows[name] /= 256
    header = [
        "ply",
        f"format {'ascii' if text else 'binary_little_endian'} 1.0",
        f"element vertex {len(rows)}",
        *(f"property {_PLY_TYPES[kind]} {name}" for name, kind in fields),
        "end_header\n",
    ]
    with file.open("wb") as stream:
        stream.write("\n".join(header).encode())
        if text:
            np.savetxt(stream, rows, _TEXT_FORMAT)
        else:
            rows.tofile(stream)


def _write_las(positions: Positions, file: Path) -> None:
    rng = np.random.default_rng(3)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales = np.full(3, 0.001)
    cloud = laspy.LasData(header)
    cloud.xyz = positions
    cloud.red, cloud.green, cloud.blue = rng.integers(0, 2**16, (3, len(positions)))
    cloud.intensity = rng.integers(0, 2000, len(positions))
    cloud.return_number = rng.integers(1, 4, len(positions))
    cloud.gps_time = np.sort(rng.random(len(positions)))
    cloud.write(file)


_FILES: Final[dict[str, Callable[[Positions, Path], None]]] = {
    "coloured.ply": lambda positions, file: _write_ply(_COLOURED, positions, file),
    "dense.ply": lambda positions, file: _write_ply(_DENSE, positions, file),
    "text.ply": lambda positions, file: _write_ply(_COLOURED, positions, file, text=True),
    "survey.las": _write_las,
    "survey.laz": _write_las,
}


def _write(name: str, points: int, folder: str) -> None:
    x, y = np.random.default_rng(1).random((2, points)) * 100
    _FILES[name](np.column_stack([x, y, 4 * np.sin(x / 9) * np.cos(y / 13)]), Path(folder) / name)


def _read(name: str, folder: str) -> tuple[float, int]:
    """Seconds of processor time, and bytes."""
    begin = time.process_time()
    for block in blocks_of(open_points(Path(folder) / name)):
        del block
    return time.process_time() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _in_process(work: Callable[..., Any], *arguments: object) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    arguments = parser.parse_args()
    print("file           bytes/point  CPU s  M points/CPU s  memory MB")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name in _FILES:
            _in_process(_write, name, arguments.points, folder)
            seconds, memory = _in_process(_read, name, folder)
            file = Path(folder) / name
            print(
                f"{name:<14} {file.stat().st_size / arguments.points:>11.1f} {seconds:>6.2f}"
                f" {arguments.points / seconds / 1e6:>15.1f} {memory / 1e6:>10.0f}",
                flush=True,
            )
            file.unlink()


if __name__ == "__main__":
    main()
