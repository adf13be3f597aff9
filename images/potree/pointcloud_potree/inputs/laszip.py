"""What a LAZ file says of its compression, and whether that can be true.

lazrs believes all of it: of a damaged file it asks for any amount of memory, which ends the whole process. Layout as
LASzip writes it: https://github.com/LASzip/LASzip, and its specification of LAZ 1.4.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pointcloud_potree.inputs.failure import UnreadablePointsError, cut_short
from pointcloud_potree.points import BLOCK_POINTS

_RECORD: Final = struct.Struct("<H10xI16xH")
"""Kind of compression, points of a chunk, and the number of parts that a point is made of."""
_ITEM: Final = struct.Struct("<HHH")
"""One of these parts: its kind, its bytes and its version."""
_CHUNKED: Final = (2, 3)
"""The kinds of compression that come in chunks, with a table of them."""
_VARIABLE: Final = 0xFFFFFFFF
"""Instead of points of a chunk, where the table tells it of each."""
_LARGEST_CHUNK: Final = 4 * BLOCK_POINTS
_PLACE: Final = struct.Struct("<q")
"""Of the table, just before the first chunk; -1 where it is told by the last 8 bytes of the file."""
_TABLE: Final = struct.Struct("<II")
"""Its version, and the number of chunks."""


@dataclass(frozen=True)
class Compression:
    """What LASzip's record tells."""

    kind: int
    chunk_size: int
    """Points of a chunk, which is decompressed as a whole where that is done in parallel."""
    point_size: int
    """Bytes of a point once it is decompressed."""

    @classmethod
    def of(cls, header: Any) -> Self:
        """Of laspy's header. Raises ValueError or struct.error where it has no such record."""
        record = bytes(header.vlrs[header.vlrs.index("LasZipVlr")].record_data)
        kind, chunk_size, items = _RECORD.unpack_from(record)
        parts = record[_RECORD.size : _RECORD.size + items * _ITEM.size]
        return cls(kind, chunk_size, sum(size for _, size, _ in _ITEM.iter_unpack(parts)))

    @property
    def has_small_chunks(self) -> bool:
        """Whether several chunks at a time take no more memory than a few blocks of points."""
        return self.chunk_size <= _LARGEST_CHUNK or self.chunk_size == _VARIABLE

    def check(self, header: Any, path: Path) -> None:
        """Raise UnreadablePointsError where header, record and table of chunks contradict one another."""
        count = int(header.point_count)
        if self.point_size != header.point_format.size or self.chunk_size == 0:
            msg = f"{path.name} has points of another length than its header tells: export it again"
            raise UnreadablePointsError(msg)
        if self.kind not in _CHUNKED or count == 0:
            return
        chunks = _chunks(path, int(header.offset_to_point_data))
        if chunks is None:
            raise cut_short(path, count, None)
        expected = -(-count // self.chunk_size)
        if (chunks > count) if self.chunk_size == _VARIABLE else (chunks != expected):
            msg = f"{path.name} announces {count} points and has {chunks} chunks of {self.chunk_size}: export it again"
            raise UnreadablePointsError(msg)


def _chunks(path: Path, offset: int) -> int | None:
    """The number of chunks; None where the file ends before their table."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for place in (offset, size - _PLACE.size):
            file.seek(max(place, 0))
            found = file.read(_PLACE.size)
            table = _PLACE.unpack(found)[0] if len(found) == _PLACE.size else -1
            if table != -1:
                break
        if not offset <= table <= size - _TABLE.size:
            return None
        file.seek(table)
        return int(_TABLE.unpack(file.read(_TABLE.size))[1])
