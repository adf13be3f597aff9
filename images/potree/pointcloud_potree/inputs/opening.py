"""Tells by its first bytes of which format a file is, whatever its name, and opens it."""

from pathlib import Path
from typing import Final

from pointcloud_potree.inputs import colmap
from pointcloud_potree.inputs.failure import UnreadablePointsError
from pointcloud_potree.inputs.joined import JoinedPoints
from pointcloud_potree.inputs.las import LasPoints
from pointcloud_potree.inputs.ply import PlyPoints
from pointcloud_potree.points import PointSource

_FORMATS: Final = "PLY, LAS, LAZ, or a folder of a COLMAP model with points3D.bin or points3D.txt"


def open_points(*paths: Path) -> PointSource:
    """Open files of any of the formats, also of different ones, as one cloud.

    Only their headers are read. What is wrong with the points themselves, such as a compressed file that ends too
    early, is told by the `blocks` that meet it.

    Args:
        paths: Of PLY, LAS or LAZ files, of COLMAP's points3D.bin or points3D.txt, or of folders with one of these.

    Returns:
        Their points, one file after the other. With several files, see `JoinedPoints` for what is kept.

    Raises:
        UnreadablePointsError: A file is of no such format, or its header is damaged.
    """
    if not paths:
        msg = f"there is no file to read points from: name {_FORMATS}"
        raise UnreadablePointsError(msg)
    sources = [_open(path) for path in paths]
    return sources[0] if len(sources) == 1 else JoinedPoints(sources)


def _open(path: Path) -> PointSource:
    if path.is_dir():
        for name in colmap.FILES:
            if (path / name).is_file():
                return colmap.open_model(path / name)
        msg = f"the folder {path} holds no COLMAP model, {' or '.join(colmap.FILES)}: name the files that points are in"
        raise UnreadablePointsError(msg)
    if path.name in colmap.FILES:
        return colmap.open_model(path)
    try:
        with path.open("rb") as file:
            begin = file.read(4)
    except OSError as error:
        msg = f"{path} cannot be opened: {error.strerror}"
        raise UnreadablePointsError(msg) from error
    if begin == b"LASF":
        return LasPoints(path)
    if begin[:3] == b"ply":
        return PlyPoints(path)
    what = "is empty" if not begin else f"is of no format that is known (it begins with {begin!r})"
    msg = f"{path.name} {what}: points are read from {_FORMATS}"
    raise UnreadablePointsError(msg)
