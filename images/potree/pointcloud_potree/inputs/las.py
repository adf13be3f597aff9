"""Reads LAS and LAZ files with laspy and, for what is compressed, lazrs.

A LAS file is one of the American Society for Photogrammetry and Remote Sensing, LAS 1.4 R15:
https://www.asprs.org/a/society/committees/standards/LAS_1_4_r15.pdf. Attributes get the names that Potree has for them.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import laspy
import numpy as np
import numpy.typing as npt

from pointcloud_potree import kernels
from pointcloud_potree.inputs import colours
from pointcloud_potree.inputs.attributes import RGB, decodable, free_name
from pointcloud_potree.inputs.failure import UnreadablePointsError, cut_short
from pointcloud_potree.inputs.laszip import Compression
from pointcloud_potree.points import BLOCK_POINTS, Block, Decoded, PointAttribute, Portion

_FIRST_EXTENDED_FORMAT: Final = 6
"""Point formats from this one on have wider fields for returns, classes and angles."""
_CHANNELS: Final = ("red", "green", "blue")
_BEGIN: Final = struct.Struct("<24xBB68xHIIB")
"""Of a file: version, size of the header, offset to the first point, variable length records, and point format."""
_LEAST_RECORD: Final = 54
"""Bytes of a variable length record without content."""
_NAMELESS: Final = ("", "ExtraBytes")
"""The second is what laspy calls extra bytes that the header does not describe."""

Rows = npt.NDArray[np.void]


@dataclass(frozen=True)
class _Column:
    """One scalar attribute and where it comes from."""

    attribute: PointAttribute
    read: Callable[[Rows], npt.NDArray[Any]]

    def values(self, rows: Rows) -> npt.NDArray[Any]:
        return np.ascontiguousarray(self.read(rows), self.attribute.dtype)


class LasPoints:
    """The points of a LAS or LAZ file, as a `PointSource`.

    What is kept of a point: colour, intensity, return number, number of returns, class and its flags, scan angle, user
    data, point source id, GPS time, near infrared, and extra bytes by their names, those with a scale or offset as the
    numbers they stand for. What is not: the flags of scan direction and edge of flight line, the scanner's channel, and
    waveforms.

    Many files have 8-bit colours in the 16 bits of LAS, which no header tells. So before the first block, colours are
    looked at up to the first that is above 255: one block of most files, all of those that have 8-bit colours.
    """

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            UnreadablePointsError: It is none of LAS, or the file has not as many bytes as it announces.
        """
        self._path = path
        _check_begin(path)
        try:
            with _open(path) as reader:
                header = reader.header
                self._row = np.dtype(header.point_format.dtype())
                columns = _columns(header.point_format)
        except Exception as error:  # laspy raises whatever damaged bytes lead it to
            msg = f"the header of {path.name} is none of LAS that can be read ({error}): export it again"
            raise UnreadablePointsError(msg) from error
        self._count = int(header.point_count)
        self._scales, self._offsets = (np.array(v, np.float64) for v in (header.scales, header.offsets))
        self._columns = columns
        self._narrow: bool | None = None
        _check(header, path)

    @property
    def count(self) -> int:
        """As the header announces."""
        return self._count

    @property
    def attributes(self) -> Sequence[PointAttribute]:
        """`rgb` where there are colours, then the others."""
        return [*([RGB] if self._has_colours else []), *(column.attribute for column in self._columns)]

    def portions(self) -> Iterator[Portion]:
        """Raises UnreadablePointsError where compressed points are damaged or end too early."""
        if self._narrow is None:
            self._narrow = self._has_colours and self._has_narrow_colours()
        for rows in self._rows():
            yield Portion(len(rows), partial(self._block, rows, narrow=self._narrow))

    @property
    def _has_colours(self) -> bool:
        return "red" in (self._row.names or ())

    def _block(self, rows: Rows, *, narrow: bool) -> Block:
        positions = np.empty((len(rows), 3), np.float64)
        columns = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.itemsize)
        kernels.place(columns, self._scales, self._offsets, positions)
        values: dict[str, Callable[[], npt.NDArray[Any]]] = {}
        if self._has_colours:
            values[RGB.name] = partial(colours.from_16_bits, [rows[name] for name in _CHANNELS], narrow=narrow)
        for column in self._columns:
            values[column.attribute.name] = partial(column.values, rows)
        return Block(positions, Decoded(values))

    def _has_narrow_colours(self) -> bool:
        """Whether 16 bits hold 8-bit colours: a look at all of them, up to the first that is of more."""
        return not any(colours.is_wide(rows[name] for name in _CHANNELS) for rows in self._rows())

    def _rows(self) -> Iterator[Rows]:
        """All points as they lie in the file, at most BLOCK_POINTS at a time."""
        with _open(self._path) as reader:
            for start in range(0, self._count, BLOCK_POINTS):
                wanted = min(BLOCK_POINTS, self._count - start)
                try:
                    rows = reader.read_points(wanted).array
                except Exception as error:  # lazrs and laspy raise whatever damaged bytes lead them to
                    msg = (
                        f"the points of {self._path.name} from number {start + 1} on cannot be decompressed ({error}): "
                        "it is damaged or was not written to its end; export or copy it again"
                    )
                    raise UnreadablePointsError(msg) from error
                if len(rows) < wanted:
                    raise cut_short(self._path, self._count, start + len(rows))
                yield rows


def _open(path: Path) -> Any:
    """A reader of laspy's, which decompresses in parallel unless that would take more memory than a block's."""
    reader = laspy.open(path, read_evlrs=False)
    if reader.header.are_points_compressed:
        parallel = Compression.of(reader.header).has_small_chunks
        reader.laz_backend = laspy.LazBackend.LazrsParallel if parallel else laspy.LazBackend.Lazrs
    return reader


def _check_begin(path: Path) -> None:
    """Raise UnreadablePointsError for the contradictions that laspy does not mind or would spend minutes on."""
    with path.open("rb") as file:
        begin = file.read(_BEGIN.size)
    if len(begin) < _BEGIN.size:
        msg = f"{path.name} ends within its header: it was not written to its end"
        raise UnreadablePointsError(msg)
    major, minor, header_size, first_point, records, point_format = _BEGIN.unpack(begin)
    # The two highest bits tell that points are compressed.
    extended = point_format & 0x3F >= _FIRST_EXTENDED_FORMAT
    if major != 1 or (extended and minor < 4) or header_size + records * _LEAST_RECORD > first_point:
        msg = f"the header of {path.name} contradicts itself, so that it is none of LAS 1.0 to 1.5: export it again"
        raise UnreadablePointsError(msg)


def _check(header: Any, path: Path) -> None:
    """Raise UnreadablePointsError where the header contradicts itself or the file's size."""
    numbers = np.array([header.scales, header.offsets])
    if not np.isfinite(numbers).all() or not header.scales.all():
        msg = (
            f"the header of {path.name} gives coordinates no usable scale ({header.scales.tolist()}) or offset "
            f"({header.offsets.tolist()}): export it again"
        )
        raise UnreadablePointsError(msg)
    count = int(header.point_count)
    after = [path.stat().st_size, header.start_of_waveform_data_packet_record, header.start_of_first_evlr]
    end = min(int(place) for place in after if place)
    available = max(end - int(header.offset_to_point_data), 0)
    if header.are_points_compressed:
        Compression.of(header).check(header, path)
        return
    found = available // int(header.point_format.size)
    if found < count:
        raise cut_short(path, count, found)
    if found > count:
        msg = (
            f"the header of {path.name} announces {count} points and bytes of {found} follow it: one of the two is "
            "wrong; export it again"
        )
        raise UnreadablePointsError(msg)


def _columns(point_format: Any) -> list[_Column]:
    """What becomes of a point's fields that are neither coordinates nor colours."""
    extended = point_format.id >= _FIRST_EXTENDED_FORMAT
    columns = [
        _field("intensity", "u2"),
        _bits("return number", "bit_fields", 0, 4 if extended else 3),
        _bits("number of returns", "bit_fields", 4 if extended else 3, 4 if extended else 3),
    ]
    if extended:
        columns += [
            _bits("classification flags", "classification_flags", 0, 4),
            _field("classification", "u1"),
            _field("user data", "u1"),
            _field("scan angle", "i2", description="in steps of 0.006 degrees"),
        ]
    else:
        columns += [
            _bits("classification flags", "raw_classification", 5, 3),
            _bits("classification", "raw_classification", 0, 5),
            _field("scan angle rank", "i1", description="in degrees"),
            _field("user data", "u1"),
        ]
    columns.append(_field("point source id", "u2"))
    names = set(point_format.dimension_names)
    if "gps_time" in names:
        columns.append(_field("gps-time", "f8", source="gps_time"))
    if "nir" in names:
        columns.append(_field("NIR", "u2", source="nir"))
    for dimension in point_format.extra_dimensions:
        columns += _extra(dimension, {column.attribute.name for column in columns})
    return columns


def _field(name: str, kind: str, *, source: str = "", description: str = "") -> _Column:
    attribute = PointAttribute(name=name, dtype=np.dtype(kind).newbyteorder("<"), description=description)
    field = source or name.replace(" ", "_")
    return _Column(attribute, lambda rows: rows[field])


def _bits(name: str, field: str, shift: int, width: int) -> _Column:
    """Some bits of a byte."""
    attribute = PointAttribute(name=name, dtype=np.dtype("u1"))
    mask = (1 << width) - 1
    return _Column(attribute, lambda rows: rows[field] >> shift & mask)


def _extra(dimension: Any, taken: set[str]) -> list[_Column]:
    """One attribute for each element of an extra dimension; none for bytes of which no name or type is known."""
    if dimension.num_elements > 3 or dimension.name in _NAMELESS:
        return []
    dtype = np.dtype(dimension.type_str())
    columns = []
    for element in range(dimension.num_elements):
        name = free_name(dimension.name + (f"[{element}]" if dtype.shape else ""), taken)
        taken.add(name)
        scaled = dimension.scales is not None
        attribute = PointAttribute(
            name=name,
            dtype=np.dtype("<f8") if scaled else decodable(dtype.base),
            description=dimension.description,
        )
        columns.append(_Column(attribute, _extra_reader(dimension, element if dtype.shape else None)))
    return columns


def _extra_reader(dimension: Any, element: int | None) -> Callable[[Rows], npt.NDArray[Any]]:
    def read(rows: Rows) -> npt.NDArray[Any]:
        values = rows[dimension.name] if element is None else rows[dimension.name][:, element]
        if dimension.scales is None:
            return np.asarray(values)
        index = element or 0
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(values * float(dimension.scales[index]) + float(dimension.offsets[index]))

    return read
