"""COLMAP's files of depth and normal maps: `W&H&D&` in ASCII, then D planes of H rows of W float32, little-endian.

The format: https://colmap.github.io/format.html#dense-reconstruction. A file is written beside its place and moved
there, so that one which exists is whole, whenever the process was killed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pointcloud_colmap.depth_maps import Kind, MapFile, Pass, is_whole

FloatArray = npt.NDArray[np.float32]

_HEADER_BYTES = 64
"""More than any header has."""


@dataclass(frozen=True)
class MapFiles:
    """The two maps of one view and pass."""

    depth: Path
    normal: Path

    @classmethod
    def of(cls, workspace: Path, name: str, which: Pass) -> "MapFiles":
        """Where COLMAP looks for them: `name` is the image's, which may have folders."""
        return cls(*(MapFile(name, which, kind).below(workspace) for kind in (Kind.DEPTH, Kind.NORMAL)))

    def exist(self) -> bool:
        """Tell that both are whole."""
        return is_whole(self.depth, Kind.DEPTH) and is_whole(self.normal, Kind.NORMAL)

    def write(self, depth: FloatArray, normal: FloatArray) -> None:
        """Write depths (H, W) and normals (3, H, W)."""
        _write(self.normal, normal)
        _write(self.depth, depth[None])


def read_map(file: Path) -> FloatArray:
    """A map's D planes (D, H, W), not read before they are looked at. ValueError for a file that is none."""
    with file.open("rb") as opened:
        header = opened.read(_HEADER_BYTES)
    *sizes, rest = header.split(b"&", 3)
    if len(sizes) != 3 or not all(size.isdigit() for size in sizes):
        raise ValueError(f"{file} is no map of COLMAP's; remove it, and it is made again")
    width, height, planes = map(int, sizes)
    return np.memmap(file, np.dtype("<f4"), "r", offset=len(header) - len(rest), shape=(planes, height, width))


def _write(file: Path, planes: FloatArray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    count, height, width = planes.shape
    with partial.open("wb") as opened:
        opened.write(f"{width}&{height}&{count}&".encode("ascii"))
        planes.astype("<f4", copy=False).tofile(opened)
    partial.replace(file)
