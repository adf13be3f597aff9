"""Reads the points of a COLMAP model, binary or text, without COLMAP.

The layout is that of https://colmap.github.io/format.html#points3d-txt: for each point an id, the position, the 8-bit
colour, the mean reprojection error in pixels (-1 where it is not known) and the track, the photos that see it.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

from pointcloud_potree.inputs import colours
from pointcloud_potree.inputs.attributes import RGB
from pointcloud_potree.inputs.failure import UnreadablePointsError, cut_short
from pointcloud_potree.points import BLOCK_POINTS, Block, PointAttribute, PointSource, Portion

FILES: Final = ("points3D.bin", "points3D.txt")
"""Of a model, the one that is looked for first before the other."""
_ATTRIBUTES: Final = (
    RGB,
    PointAttribute(name="error", dtype=np.dtype("<f4"), description="mean reprojection error in pixels"),
    PointAttribute(name="track length", dtype=np.dtype("<u4"), description="photos that see the point"),
)
_POINT: Final = np.dtype(
    [("id", "<u8"), ("position", "<f8", 3), ("colour", "u1", 3), ("error", "<f8"), ("track_length", "<u8")]
)
_TRACK_ELEMENT: Final = 8
"""Bytes: the photo and which of its features it is, 32 bits each."""
_LENGTH: Final = 8
"""Bytes of a number of points or of photos."""
_GATHERED: Final = 1 << 14
"""Points whose bytes are brought together at a time."""

Points = npt.NDArray[np.void]


def open_model(path: Path) -> PointSource:
    """The points of points3D.bin or points3D.txt. Raises UnreadablePointsError where it cannot be one."""
    return BinaryModel(path) if path.suffix == ".bin" else TextModel(path)


class BinaryModel:
    """The points of points3D.bin, as a `PointSource`."""

    def __init__(self, path: Path) -> None:
        """Read how many there are. Raises UnreadablePointsError where so many do not fit the file."""
        self._path = path
        with _opened(path) as file:
            begin = file.read(_LENGTH)
        size = path.stat().st_size
        self._count = int.from_bytes(begin, "little")
        if len(begin) < _LENGTH or size < _LENGTH + self._count * _POINT.itemsize:
            raise cut_short(self._path, self._count, None)

    @property
    def count(self) -> int:
        """As the file announces."""
        return self._count

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """`rgb`, `error` and `track length`."""
        return _ATTRIBUTES

    def portions(self) -> Iterator[Portion]:
        """Raises UnreadablePointsError where the file ends before or after its last point."""
        if not self._count:
            return
        with _opened(self._path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place = _LENGTH
            for start in range(0, self._count, BLOCK_POINTS):
                places = np.empty(min(BLOCK_POINTS, self._count - start), np.int64)
                place = self._walk(content, place, places)
                yield _portion(_gather(content, places))
            if place != len(content):
                msg = f"{self._path.name} does not end with its last point: export the model again"
                raise UnreadablePointsError(msg)

    def _walk(self, content: mmap.mmap, place: int, places: npt.NDArray[np.int64]) -> int:
        """Note where points begin, from the first one's place on; return where the next one does.

        How long a point is stands in it, so that they can only be passed one by one.
        """
        end, length = len(content), _POINT.itemsize
        for point in range(len(places)):
            if place + length > end:
                raise cut_short(self._path, self._count, None)
            places[point] = place
            place += length
            place += _TRACK_ELEMENT * int.from_bytes(content[place - _LENGTH : place], "little")
        if place > end:
            raise cut_short(self._path, self._count, None)
        return place


class TextModel:
    """The points of points3D.txt, as a `PointSource`."""

    def __init__(self, path: Path) -> None:
        """Count them. Raises UnreadablePointsError where the file cannot be opened."""
        self._path = path
        self._count = sum(1 for _ in self._lines())

    @property
    def count(self) -> int:
        """Of lines that are neither empty nor comments."""
        return self._count

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """`rgb`, `error` and `track length`."""
        return _ATTRIBUTES

    def portions(self) -> Iterator[Portion]:
        """Raises UnreadablePointsError where a line is not that of a point."""
        points, filled = np.empty(BLOCK_POINTS, _POINT), 0
        for number, line in self._lines():
            try:
                points[filled] = _parse(line)
            except (ValueError, OverflowError) as error:
                msg = f"line {number} of {self._path.name} is not that of a point ({error}): export the model again"
                raise UnreadablePointsError(msg) from error
            filled += 1
            if filled == BLOCK_POINTS:
                yield _portion(points)
                points, filled = np.empty(BLOCK_POINTS, _POINT), 0
        if filled:
            yield _portion(points[:filled])

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The points' lines with their numbers, from 1."""
        with _opened(self._path) as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace() and not line.lstrip().startswith(b"#"):
                    yield number, line


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        msg = f"{path} cannot be opened: {error.strerror}"
        raise UnreadablePointsError(msg) from error


def _parse(line: bytes) -> tuple[object, ...]:
    """One point as `_POINT` has it."""
    number, *words = line.split()
    if len(words) < 7 or len(words) % 2 == 0:
        raise ValueError(f"it has {len(words) + 1} numbers")
    position, colour = tuple(map(float, words[:3])), tuple(map(int, words[3:6]))
    if not all(0 <= channel <= 255 for channel in colour):
        raise ValueError(f"its colour is {colour}")
    return int(number), position, colour, float(words[6]), (len(words) - 7) // 2


def _gather(content: mmap.mmap, places: npt.NDArray[np.int64]) -> Points:
    """Bring the points that begin at these places together."""
    raw = np.frombuffer(content, np.uint8)
    points = np.empty(len(places), _POINT)
    to = points.view(np.uint8).reshape(len(places), _POINT.itemsize)
    for start in range(0, len(places), _GATHERED):
        rows = slice(start, start + _GATHERED)
        to[rows] = raw[places[rows, None] + np.arange(_POINT.itemsize)]
    return points


def _portion(points: Points) -> Portion:
    return Portion(len(points), lambda: _block(points))


def _block(points: Points) -> Block:
    with np.errstate(over="ignore"):  # an error beyond all pixels is infinite
        error = points["error"].astype("<f4")
    values = {
        "rgb": colours.from_8_bits([*points["colour"].T]),
        "error": error,
        "track length": np.minimum(points["track_length"], 2**32 - 1).astype("<u4"),
    }
    return Block(np.ascontiguousarray(points["position"]), values)
