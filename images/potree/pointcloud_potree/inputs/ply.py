"""Reads the points of a PLY file, binary of either byte order or text.

Our own few lines, because the well-kept library for PLY (plyfile) is under the GPL.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from pointcloud_potree.inputs import colours
from pointcloud_potree.inputs.attributes import RGB, decodable, free_name
from pointcloud_potree.inputs.failure import UnreadablePointsError, cut_short
from pointcloud_potree.points import BLOCK_POINTS, Block, Decoded, PointAttribute, Portion

_TYPES: Final = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2",
    "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
_TEXT: Final = "ascii"
_ENCODINGS: Final[Mapping[str, Literal["<", ">", "="]]] = {
    "binary_little_endian": "<",
    "binary_big_endian": ">",
    _TEXT: "=",
}
"""And the byte order of each."""
_MOST_HEADER_LINES: Final = 2000
_COLOURS: Final = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_NORMALS: Final = {"nx": "NormalX", "ny": "NormalY", "nz": "NormalZ"}
"""As viewers know them."""

Rows = npt.NDArray[np.void]


@dataclass
class _Element:
    """What the header says of one kind of row."""

    name: str
    count: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    """Name and type of each property."""
    lists: list[str] = field(default_factory=list)
    """Names of properties that are lists, whose rows have no fixed length."""


@dataclass(frozen=True)
class _Header:
    encoding: str
    elements: tuple[_Element, ...]
    size: int
    """Bytes up to the first row."""

    def row(self, element: _Element) -> np.dtype[np.void]:
        """How a row lies in the file, if it is binary."""
        return np.dtype(element.fields).newbyteorder(_ENCODINGS[self.encoding])


class PlyPoints:
    """The vertices of a PLY file, as a `PointSource`.

    Normals become NormalX, NormalY and NormalZ; red, green and blue of 8 or 16 bits, or of floats from 0 to 1, become
    `rgb`; any other property keeps its name.
    """

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            UnreadablePointsError: It is none that we can read, or the file has not as many bytes as it announces.
        """
        self._path = path
        try:
            with path.open("rb") as file:
                self._header = _read_header(file, path)
            self._vertices = _vertices(self._header, path)
            self._row = self._header.row(self._vertices)
        except ValueError as error:
            if isinstance(error, UnreadablePointsError):
                raise
            msg = f"the header of {path.name} is none that can be read ({error}): export it again"
            raise UnreadablePointsError(msg) from error
        types = dict(self._vertices.fields)
        self._colours: tuple[str, ...] = next((names for names in _COLOURS if all(name in types for name in names)), ())
        self._scalars = _scalars(self._vertices.fields, but={"x", "y", "z", *self._colours})
        self._first_row = _first_row(self._header, self._vertices, path)
        self._narrow: bool | None = None

    @property
    def count(self) -> int:
        """As the header announces."""
        return self._vertices.count

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """`rgb` where there are colours, then the other properties in the file's order."""
        return [*([RGB] if self._colours else []), *self._scalars.values()]

    def portions(self) -> Iterator[Portion]:
        """Raises UnreadablePointsError where text is no numbers, or ends too early."""
        if self._narrow is None:
            self._narrow = bool(self._colours) and self._has_narrow_colours()
        for rows in self._rows():
            yield Portion(len(rows), partial(self._block, rows, narrow=self._narrow))

    def _block(self, rows: Rows, *, narrow: bool) -> Block:
        positions = np.empty((len(rows), 3), np.float64)
        for axis, name in enumerate("xyz"):
            positions[:, axis] = rows[name]
        values: dict[str, Callable[[], npt.NDArray[Any]]] = {}
        if self._colours:
            values[RGB.name] = partial(_channels, [rows[name] for name in self._colours], narrow=narrow)
        for name, attribute in self._scalars.items():
            values[attribute.name] = partial(rows[name].astype, attribute.dtype)
        return Block(positions, Decoded(values))

    def _has_narrow_colours(self) -> bool:
        """Whether colours of 16 bits hold values of 8: a look at all of them, up to the first that is of more."""
        if self._row[self._colours[0]].newbyteorder("=") != np.dtype("u2"):
            return False
        return not any(colours.is_wide(rows[name] for name in self._colours) for rows in self._rows())

    def _rows(self) -> Iterator[Rows]:
        """All vertices, at most BLOCK_POINTS at a time."""
        return self._text_rows() if self._header.encoding == _TEXT else self._binary_rows()

    def _binary_rows(self) -> Iterator[Rows]:
        with self._path.open("rb") as file:
            file.seek(self._header.size + self._first_row)
            for start in range(0, self.count, BLOCK_POINTS):
                wanted = min(BLOCK_POINTS, self.count - start)
                rows = np.fromfile(file, self._row, wanted)
                if len(rows) < wanted:
                    raise cut_short(self._path, self.count, start + len(rows))
                yield rows

    def _text_rows(self) -> Iterator[Rows]:
        with self._path.open("rb") as file:
            file.seek(self._header.size)
            lines = (line for line in file if not line.isspace())
            next(itertools.islice(lines, self._first_row, self._first_row), None)
            for start in range(0, self.count, BLOCK_POINTS):
                wanted = min(BLOCK_POINTS, self.count - start)
                batch = list(itertools.islice(lines, wanted))
                if len(batch) < wanted:
                    raise cut_short(self._path, self.count, start + len(batch))
                yield self._parse(batch, start)

    def _parse(self, lines: list[bytes], start: int) -> Rows:
        try:
            return np.loadtxt(lines, self._row, comments=None, encoding="latin-1", ndmin=1)
        except ValueError as error:
            msg = (
                f"the vertices of {self._path.name} from number {start + 1} on are not what its header announces, "
                f"{len(self._vertices.fields)} numbers each ({error}): export it again"
            )
            raise UnreadablePointsError(msg) from error


def _channels(columns: Sequence[npt.NDArray[Any]], *, narrow: bool) -> npt.NDArray[np.uint16]:
    """Colours of any of the types that PLY files have them of."""
    if columns[0].dtype.itemsize == 1:
        return colours.from_8_bits(columns)
    if columns[0].dtype.kind == "f":
        return colours.from_floats(columns)
    return colours.from_16_bits(columns, narrow=narrow)


def _read_header(file: IO[bytes], path: Path) -> _Header:
    lines = _header_lines(file, path)
    words = lines[1].split() if len(lines) > 1 else []
    if len(words) != 3 or words[0] != "format" or words[1] not in _ENCODINGS or words[2] != "1.0":
        msg = f"{path.name} is in no format of PLY 1.0, which are {', '.join(_ENCODINGS)}: export it as one of them"
        raise UnreadablePointsError(msg)
    elements: list[_Element] = []
    for line in lines[2:]:
        match line.split():
            case ["comment" | "obj_info", *_]:
                pass
            case ["element", name, count] if re.fullmatch(r"[0-9]{1,18}", count):
                elements.append(_Element(name, int(count)))
            case ["property", "list", _, _, name] if elements:
                elements[-1].lists.append(name)
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].fields.append((name, _TYPES[kind]))
            case _:
                msg = f"{path.name} has a header line that is none of PLY's, {line!r}: export it again"
                raise UnreadablePointsError(msg)
    return _Header(words[1], tuple(elements), file.tell())


def _header_lines(file: IO[bytes], path: Path) -> list[str]:
    lines: list[str] = []
    for _ in range(_MOST_HEADER_LINES):
        line = file.readline(1024).decode("ascii", "replace").rstrip("\r\n")
        if not lines and line != "ply":
            break
        if line == "end_header":
            return lines
        lines.append(line)
    msg = f"{path.name} does not begin with a PLY header: it is another format or was not written to its end"
    raise UnreadablePointsError(msg)


def _vertices(header: _Header, path: Path) -> _Element:
    vertices = [element for element in header.elements if element.name == "vertex"]
    if len(vertices) != 1:
        msg = f"{path.name} has no vertices: export it as a point cloud"
        raise UnreadablePointsError(msg)
    found = vertices[0]
    before = header.elements[: header.elements.index(found)]
    lists = [name for element in (*before, found) if header.encoding != _TEXT or element is found
             for name in element.lists]  # fmt: skip
    if lists:
        msg = f"{path.name} has lists ({', '.join(lists)}) before or among its vertices: export it as a point cloud"
        raise UnreadablePointsError(msg)
    missing = [name for name in ("x", "y", "z") if name not in dict(found.fields)]
    if missing:
        msg = f"the vertices of {path.name} lack {', '.join(missing)}: export it as a point cloud"
        raise UnreadablePointsError(msg)
    return found


def _scalars(fields: Sequence[tuple[str, str]], *, but: set[str]) -> Mapping[str, PointAttribute]:
    """What every property becomes that is neither position nor colour."""
    scalars: dict[str, PointAttribute] = {}
    taken: set[str] = set()
    for name, kind in fields:
        if name not in but:
            called = free_name(_NORMALS.get(name, name), taken)
            taken.add(called)
            scalars[name] = PointAttribute(name=called, dtype=decodable(np.dtype(kind)))
    return scalars


def _first_row(header: _Header, vertices: _Element, path: Path) -> int:
    """Where the vertices begin after the header: bytes, or lines of text. Checks that all bytes are there."""
    before = header.elements[: header.elements.index(vertices)]
    if header.encoding == _TEXT:
        return sum(element.count for element in before)
    start = sum(element.count * header.row(element).itemsize for element in before)
    size = header.row(vertices).itemsize
    available = max(path.stat().st_size - header.size - start, 0) // size
    if available < vertices.count:
        raise cut_short(path, vertices.count, available)
    if available > vertices.count and vertices is header.elements[-1]:
        msg = (
            f"the header of {path.name} announces {vertices.count} points and bytes of {available} follow it: "
            "one of the two is wrong; export it again"
        )
        raise UnreadablePointsError(msg)
    return start
