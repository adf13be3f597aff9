"""The dense cloud: as COLMAP's fusion writes it, moved to where the model is, and as `points.ply`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_colmap.orientation import FloatArray

_FUSED: Final = np.dtype(
    [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(name, "u1") for name in ("red", "green", "blue")]
)
_HEADER_LINES: Final = 30
_WRITTEN: Final = np.dtype([*((name, _FUSED[name]) for name in _FUSED.names or ()), ("views", "<u2")])
_PLY_TYPES: Final = {"<f4": "float", "|u1": "uchar", "<u2": "ushort"}
_ROWS: Final = 1 << 18
"""Points that are worked on at a time."""


@dataclass(frozen=True)
class DenseCloud:
    """N points with normals, colours, and how many views agree on each."""

    vertices: NDArray[Any]
    """(N,) rows of `points.ply`: x, y, z in the model's unit; nx, ny, nz of length 1; red, green, blue; views."""

    @classmethod
    def empty(cls) -> Self:
        """No points."""
        return cls(np.empty(0, _WRITTEN))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what COLMAP's fusion wrote, `file` and `file.vis` beside it. Raises ValueError for anything else."""
        with file.open("rb") as stream:
            count = _count(stream)
            vertices = np.empty(count, _WRITTEN)
            for rows in _slices(count):
                part = np.fromfile(stream, _FUSED, rows.stop - rows.start)
                if len(part) < rows.stop - rows.start:
                    raise ValueError(f"{file.name} ends before its {count} points do")
                for name in _FUSED.names or ():
                    vertices[name][rows] = part[name]
        vertices["views"] = _views(file.with_name(f"{file.name}.vis"), count)
        return cls(vertices)

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def positions(self) -> FloatArray:
        """(N, 3)."""
        return np.column_stack([self.vertices[name] for name in "xyz"]).astype(np.float64)

    @property
    def colours(self) -> NDArray[np.uint8]:
        """(N, 3)."""
        return np.column_stack([self.vertices[name] for name in ("red", "green", "blue")])

    def transform(self, similarity: pycolmap.Sim3d) -> None:
        """Move the points, in place, as the model is moved; normals only turn."""
        rotation = similarity.rotation.matrix()
        for rows in _slices(len(self)):
            part = self.vertices[rows]
            moved = similarity * np.column_stack([part[name] for name in "xyz"]).astype(np.float64)
            turned = np.column_stack([part[name] for name in ("nx", "ny", "nz")]).astype(np.float64) @ rotation.T
            for column, name in enumerate("xyz"):
                part[name] = moved[:, column]
                part[f"n{name}"] = turned[:, column]

    def write(self, file: Path) -> None:
        """Write a PLY, binary and little-endian."""
        names = _WRITTEN.names or ()
        properties = "".join(f"property {_PLY_TYPES[_WRITTEN[name].str]} {name}\n" for name in names)
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(self)}\n{properties}end_header\n"
        with file.open("wb") as stream:
            stream.write(head.encode("ascii"))
            self.vertices.tofile(stream)


def _count(stream: Any) -> int:
    """Read a PLY's header of the very kind that COLMAP writes, and give how many vertices follow."""
    lines = []
    for _ in range(_HEADER_LINES):
        lines.append(stream.readline(200).decode("ascii", "replace").strip())
        if lines[-1] == "end_header":
            break
    properties = [f"property {_PLY_TYPES[_FUSED[name].str]} {name}" for name in _FUSED.names or ()]
    counts = [line.removeprefix("element vertex ") for line in lines if line.startswith("element vertex ")]
    if [line for line in lines if line.startswith("property ")] != properties or len(counts) != 1:
        raise ValueError(f"the fused points have another layout than COLMAP 4.2 gives them: {lines}")
    return int(counts[0])


def _views(file: Path, count: int) -> NDArray[np.uint16]:
    """How many views agree on each point (count,): each record is their number, followed by their indices."""
    with file.open("rb") as stream:
        announced = int(np.fromfile(stream, "<u8", 1)[0])
        words = np.fromfile(stream, "<u4")
    if announced != count:
        raise ValueError(f"{file.name} is of {announced} points, and there are {count}")
    views = np.empty(count, np.uint16)
    # Where a record begins is known from the one before alone.
    lengths, place = words.data, 0
    for point in range(count):
        length = lengths[place]
        views[point] = min(length, 0xFFFF)
        place += 1 + length
    if place != len(words):
        raise ValueError(f"{file.name} does not end with its last point")
    return views


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
