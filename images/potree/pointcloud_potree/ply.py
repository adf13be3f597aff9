"""Reads the points of a PLY file as COLMAP exports it: binary, little-endian, one row a vertex.

Our own few lines, because the well-kept library for PLY (plyfile) is under the GPL.
"""

import re
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt

TYPES: Final = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2",
    "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
MAX_HEADER_LINES: Final = 200
CHUNK_ROWS: Final = 1 << 18


class BadPlyError(ValueError):
    """The file is no PLY that we can read; the message says what it should be."""


def read_ply(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Read positions and colours; memory beside the result does not grow with the file.

    Args:
        path: Of a binary little-endian PLY whose vertices have x, y, z and 8-bit red, green, blue. Their
            other properties and other elements are passed over.

    Returns:
        float64 (N, 3) and uint8 (N, 3), C-contiguous.

    Raises:
        BadPlyError: It is something else, or cut short.
    """
    with path.open("rb") as file:
        count, row = _read_header(file, path)
        available = (path.stat().st_size - file.tell()) // row.itemsize
        if available < count:
            msg = f"{path.name} announces {count} points but ends after {available}: it was not written to its end"
            raise BadPlyError(msg)
        positions = np.empty((count, 3), np.float64)
        colours = np.empty((count, 3), np.uint8)
        for start in range(0, count, CHUNK_ROWS):
            chunk = np.fromfile(file, row, min(CHUNK_ROWS, count - start))
            for axis, name in enumerate("xyz"):
                positions[start : start + len(chunk), axis] = chunk[name]
            for channel, name in enumerate(("red", "green", "blue")):
                colours[start : start + len(chunk), channel] = chunk[name]
    return positions, colours


def _read_header(file: IO[bytes], path: Path) -> tuple[int, np.dtype[np.void]]:
    """Read up to the first vertex: how many there are, and the layout of one."""
    lines = _header_lines(file, path)
    if lines[1:2] != ["format binary_little_endian 1.0"]:
        msg = f"{path.name} is not in the PLY format binary_little_endian 1.0: export it as that"
        raise BadPlyError(msg)
    body = [line for line in lines[2:] if line.split(" ")[0] not in ("comment", "obj_info")]
    vertices = re.fullmatch(r"element vertex (\d+)", body[0]) if body else None
    if vertices is None:
        msg = f"the first element of {path.name} is not its vertices: export it as a point cloud"
        raise BadPlyError(msg)
    fields: list[tuple[str, str]] = []
    for line in body[1:]:
        if line.startswith("element "):
            break
        words = line.split(" ")
        if len(words) != 3 or words[0] != "property" or words[1] not in TYPES:
            msg = f"cannot read the vertices of {path.name}: unknown header line {line!r}"
            raise BadPlyError(msg)
        fields.append((words[2], TYPES[words[1]]))
    _check_fields(dict(fields), path)
    return int(vertices[1]), np.dtype(fields)


def _header_lines(file: IO[bytes], path: Path) -> list[str]:
    lines: list[str] = []
    for _ in range(MAX_HEADER_LINES):
        line = file.readline(1024).decode("ascii", "replace").rstrip("\r\n")
        if not lines and line != "ply":
            break
        if line == "end_header":
            return lines
        lines.append(line)
    msg = f"{path.name} does not begin with a PLY header: it is another format or was not written to its end"
    raise BadPlyError(msg)


def _check_fields(fields: dict[str, str], path: Path) -> None:
    missing = [name for name in ("x", "y", "z") if fields.get(name) not in ("<f4", "<f8")]
    missing += [name for name in ("red", "green", "blue") if fields.get(name) != "u1"]
    if missing:
        msg = f"the vertices of {path.name} lack {', '.join(missing)}: export float x, y, z and uchar red, green, blue"
        raise BadPlyError(msg)
