"""The dense cloud: points in a file, moved to where the model is, and as `points.ply`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pycolmap
from numpy.typing import NDArray

from pointcloud_colmap.rows import Rows

VERTEX: Final = np.dtype(
    [
        *((name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")),
        *((name, "u1") for name in ("red", "green", "blue")),
        ("views", "<u2"),
    ]
)
"""A row of `points.ply`, without gaps."""
_PLY_TYPES: Final = {"<f4": "float", "|u1": "uchar", "<u2": "ushort"}
_ROWS: Final = 1 << 18
"""Points that are worked on at a time."""


@dataclass(frozen=True)
class DenseCloud:
    """N points with normals, colours, and how many views agree on each."""

    vertices: NDArray[Any]
    """(N,) of VERTEX: x, y, z in the model's unit; nx, ny, nz of length 1; red, green, blue; views."""

    @classmethod
    def empty(cls) -> Self:
        """No points."""
        return cls(np.empty(0, VERTEX))

    @classmethod
    def mapped(cls, file: Path) -> Self:
        """The rows of VERTEX in a file, which is read and changed in place, and so takes no memory of its own.

        The file may be removed; its room is free when the cloud is gone.
        """
        return cls(np.memmap(file, VERTEX, "r+")) if file.stat().st_size else cls.empty()

    def __len__(self) -> int:
        return len(self.vertices)

    @property
    def positions(self) -> Rows:
        """(N, 3) float64, made of those rows that are asked for."""
        return _Columns(self.vertices, ("x", "y", "z"), np.dtype(np.float64))

    @property
    def colours(self) -> Rows:
        """(N, 3) uint8, made of those rows that are asked for."""
        return _Columns(self.vertices, ("red", "green", "blue"), np.dtype(np.uint8))

    def transform(self, similarity: pycolmap.Sim3d) -> None:
        """Move the points, in place, as the model is moved; normals only turn."""
        rotation = similarity.rotation.matrix()
        for rows in _slices(len(self)):
            part = self.vertices[rows]
            moved = similarity * self.positions[rows]
            turned = np.column_stack([part[name] for name in ("nx", "ny", "nz")]).astype(np.float64) @ rotation.T
            for column, name in enumerate("xyz"):
                part[name] = moved[:, column]
                part[f"n{name}"] = turned[:, column]

    def write(self, file: Path) -> None:
        """Write a PLY, binary and little-endian."""
        names = VERTEX.names or ()
        properties = "".join(f"property {_PLY_TYPES[VERTEX[name].str]} {name}\n" for name in names)
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(self)}\n{properties}end_header\n"
        with file.open("wb") as stream:
            stream.write(head.encode("ascii"))
            self.vertices.tofile(stream)


@dataclass(frozen=True)
class _Columns:
    """Some columns of vertices, as an array that is made where it is looked at."""

    vertices: NDArray[Any]
    names: tuple[str, ...]
    kind: np.dtype[Any]

    def __len__(self) -> int:
        return len(self.vertices)

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        part = self.vertices[rows]
        return np.column_stack([part[name] for name in self.names]).astype(self.kind, copy=False)


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))
