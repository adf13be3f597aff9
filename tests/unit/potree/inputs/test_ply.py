"""PLY files as COLMAP and others write them, and what is said about those we cannot read."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pointcloud_potree.inputs import UnreadablePointsError, open_points
from pointcloud_potree.points import BLOCK_POINTS, blocks_of
from tests.fixtures.clouds import read_whole

XYZ = ["property float x", "property float y", "property float z"]
RGB = ["property uchar red", "property uchar green", "property uchar blue"]
PLY_TYPES = {
    "i1": "char", "u1": "uint8", "i2": "short", "u2": "uint16", "i4": "int", "u4": "uint32", "f4": "float32",
    "f8": "double",
}  # fmt: skip
ENCODINGS = ["binary_little_endian", "binary_big_endian", "ascii"]
NAMES = ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "views", "confidence")
DENSE = np.dtype([*((name, "<f4") for name in NAMES[:6]), *((name, "u1") for name in NAMES[6:9]),
                  ("views", "<u2"), ("confidence", "<f8")])  # fmt: skip


def write(path: Path, *, header: list[str], body: bytes) -> Path:
    path.write_bytes("\n".join(["ply", *header, "end_header", ""]).encode() + body)
    return path


def header_of(rows: np.ndarray[Any, Any], encoding: str) -> list[str]:
    fields = [(name, rows.dtype[name].str[1:]) for name in rows.dtype.names or ()]
    return [f"format {encoding} 1.0", f"element vertex {len(rows)}",
            *(f"property {PLY_TYPES[kind]} {name}" for name, kind in fields)]  # fmt: skip


def body_of(rows: np.ndarray[Any, Any], encoding: str) -> bytes:
    if encoding == "ascii":
        return "".join(" ".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()
    order = "<" if encoding == "binary_little_endian" else ">"
    return rows.astype(rows.dtype.newbyteorder(order)).tobytes()


def dense(count: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(count)
    rows = np.zeros(count, DENSE)
    for name in NAMES[:6]:
        rows[name] = rng.normal(size=count)
    for name in NAMES[6:9]:
        rows[name] = rng.integers(0, 256, count)
    rows["views"] = rng.integers(0, 2**16, count)
    rows["confidence"] = rng.random(count)
    return rows


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("count", [1, 1000])
def test_every_property_comes_out_by_name(tmp_path: Path, encoding: str, count: int) -> None:
    rows = dense(count)
    file = write(tmp_path / "points.ply", header=header_of(rows, encoding), body=body_of(rows, encoding))
    source = open_points(file)
    assert source.count == count
    assert [(a.name, a.dtype.str, a.elements) for a in source.attributes] == [
        ("rgb", "<u2", 3), ("NormalX", "<f4", 1), ("NormalY", "<f4", 1), ("NormalZ", "<f4", 1), ("views", "<u2", 1),
        ("confidence", "<f8", 1),
    ]  # fmt: skip
    cloud = read_whole(source)
    assert cloud.positions.dtype == np.float64
    assert np.array_equal(cloud.positions, np.column_stack([rows[name] for name in "xyz"]))
    colours = np.column_stack([rows[name] for name in ("red", "green", "blue")])
    assert np.array_equal(cloud.attributes["rgb"], colours.astype(np.uint16) * 256)
    for name, source_name in {"NormalX": "nx", "NormalZ": "nz", "views": "views", "confidence": "confidence"}.items():
        assert np.array_equal(cloud.attributes[name], rows[source_name])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_blocks_are_bounded_and_come_twice_the_same(tmp_path: Path, encoding: str) -> None:
    rows = np.zeros(BLOCK_POINTS + 3, [(name, "<f4") for name in "xyz"])
    rows["x"] = np.arange(len(rows))
    file = write(tmp_path / "points.ply", header=header_of(rows, encoding), body=body_of(rows, encoding))
    source = open_points(file)
    for _ in range(2):
        blocks = list(blocks_of(source))
        assert [len(block.positions) for block in blocks] == [BLOCK_POINTS, 3]
        assert np.array_equal(np.concatenate([block.positions[:, 0] for block in blocks]), rows["x"])
        assert all(block.positions.flags.c_contiguous for block in blocks)


@given(
    rows=arrays.arrays(
        np.dtype([("x", "<f8"), ("y", "<f4"), ("z", "<i2"), ("a", "i1"), ("b", "<u4"), ("c", "<f8")]),
        st.integers(0, 20),
        elements=st.tuples(
            st.floats(), st.floats(width=32), st.integers(-(2**15), 2**15 - 1), st.integers(-128, 127),
            st.integers(0, 2**32 - 1), st.floats(),
        ),
    ),
    encoding=st.sampled_from(ENCODINGS),
)  # fmt: skip
def test_any_numbers_survive_any_encoding(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray[Any, Any], encoding: str
) -> None:
    file = tmp_path_factory.mktemp("ply") / "points.ply"
    cloud = read_whole(open_points(write(file, header=header_of(rows, encoding), body=body_of(rows, encoding))))
    for axis, name in enumerate("xyz"):
        assert np.array_equal(cloud.positions[:, axis], rows[name].astype(np.float64), equal_nan=True)
    for name in "abc":
        assert np.array_equal(cloud.attributes[name], rows[name], equal_nan=name == "c")


def test_elements_around_the_vertices_are_passed_over(tmp_path: Path) -> None:
    for encoding in ENCODINGS:
        rows = dense(2)
        _, *vertices = header_of(rows, encoding)
        cameras = ["element camera 3", "property double focal"]
        header = [f"format {encoding} 1.0", "comment made by hand", "obj_info none", *cameras, *vertices]
        header += ["element face 1", "property list uchar int vertex_indices"]
        focal = np.array([(1.0,), (2.0,), (3.0,)], [("focal", "<f8")])
        face = b"3 0 1 1\n" if encoding == "ascii" else b"\3" + bytes(12)
        body = body_of(focal, encoding) + body_of(rows, encoding) + face
        cloud = read_whole(open_points(write(tmp_path / "points.ply", header=header, body=body)))
        assert np.array_equal(cloud.positions[:, 0], rows["x"])
        assert np.array_equal(cloud.attributes["confidence"], rows["confidence"])


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("ushort", [[65535, 256, 300], [0, 255, 1]], [[65535, 256, 300], [0, 0, 0]]),
        ("ushort", [[255, 2, 3], [0, 255, 1]], [[65280, 512, 768], [0, 65280, 256]]),
        ("float", [[1, 0.5, 0], [2, -1, np.nan]], [[65280, 128 * 256, 0], [65280, 0, 0]]),
    ],
)
def test_colours_of_other_types_are_shown_as_they_are_meant(
    tmp_path: Path, kind: str, values: list[list[float]], expected: list[list[int]]
) -> None:
    header = ["format ascii 1.0", "element vertex 2", *XYZ, *(f"property {kind} {name}" for name in "rgb")]
    body = "".join(f"0 0 0 {r} {g} {b}\r\n" for r, g, b in values).encode()
    cloud = read_whole(open_points(write(tmp_path / "points.ply", header=header, body=body)))
    assert cloud.attributes["rgb"].tolist() == expected


def test_a_name_that_viewers_keep_for_themselves_is_changed(tmp_path: Path) -> None:
    header = ["format ascii 1.0", "element vertex 1", *XYZ, "property int rgb", "property int NormalX", *RGB]
    header += ["property float nx"]
    cloud = read_whole(open_points(write(tmp_path / "points.ply", header=header, body=b"0 0 0 7 8 1 2 3 9\n")))
    assert cloud.attributes["rgb"].tolist() == [[256, 512, 768]]
    assert {name: values.tolist() for name, values in cloud.attributes.items() if name != "rgb"} == {
        "rgb (2)": [7], "NormalX": [8], "NormalX (2)": [9],
    }  # fmt: skip


def test_no_points_and_no_colours_are_no_errors_of_the_file(tmp_path: Path) -> None:
    source = open_points(
        write(tmp_path / "points.ply", header=["format ascii 1.0", "element vertex 0", *XYZ], body=b"")
    )
    assert (source.count, list(source.attributes), list(blocks_of(source))) == (0, [], [])


LITTLE = "format binary_little_endian 1.0"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([LITTLE, "element vertex 3", *XYZ, *RGB], "announces 3 points but ends after 2"),
        ([LITTLE, "element vertex 1", *XYZ, *RGB], "announces 1 points and bytes of 2 follow"),
        (["format ascii 2.0", "element vertex 2", *XYZ], "is in no format of PLY 1.0"),
        (["format gzip 1.0", "element vertex 2", *XYZ], "is in no format of PLY 1.0"),
        ([LITTLE, "element vertex 2", *XYZ[:2]], "lack z"),
        ([LITTLE, "element vertex 2", *XYZ, "property list uchar int i"], r"has lists \(i\)"),
        ([LITTLE, "element face 2", "property list uchar int i", "element vertex 2", *XYZ], r"has lists \(i\)"),
        ([LITTLE, "element face 2"], "has no vertices"),
        ([LITTLE, "element vertex -2", *XYZ], "none of PLY's, 'element vertex -2'"),
        ([LITTLE, "element vertex 2", "property half x"], "none of PLY's, 'property half x'"),
        ([LITTLE, "element vertex 2", *XYZ, *XYZ], "export it again"),
    ],
)
def test_a_header_that_cannot_be_right_is_told(tmp_path: Path, header: list[str], message: str) -> None:
    path = write(tmp_path / "points.ply", header=header, body=bytes(2 * 15 + 14))
    with pytest.raises(UnreadablePointsError, match=message):
        open_points(path)


@pytest.mark.parametrize("content", [b"ply", b"plywood", b"ply\nformat binary_little_endian 1.0\n"])
def test_a_file_without_a_header_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "points.ply"
    path.write_bytes(content)
    with pytest.raises(UnreadablePointsError, match="does not begin with a PLY header"):
        open_points(path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1 2 3\n", "announces 2 points but ends after 1"),
        (b"1 2 3\n4 5\n", "from number 1 on are not what its header announces, 3 numbers"),
        (b"1 2 3\n4 5 six\n", "from number 1 on are not what its header announces, 3 numbers"),
    ],
)
def test_text_that_is_no_points_is_told(tmp_path: Path, body: bytes, message: str) -> None:
    source = open_points(
        write(tmp_path / "points.ply", header=["format ascii 1.0", "element vertex 2", *XYZ], body=body)
    )
    with pytest.raises(UnreadablePointsError, match=message):
        list(blocks_of(source))


def test_a_file_that_shrinks_after_it_was_opened_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "points.ply", header=[LITTLE, "element vertex 2", *XYZ], body=bytes(24))
    source = open_points(file)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UnreadablePointsError, match="ends after 1"):
        list(blocks_of(source))


@given(place=st.integers(0, 400), value=st.integers(0, 255), length=st.integers(0, 500))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, length: int
) -> None:
    rows = dense(5)
    file = tmp_path_factory.mktemp("ply") / "points.ply"
    write(file, header=header_of(rows, "binary_little_endian"), body=rows.tobytes())
    content = bytearray(file.read_bytes()[:length])
    if place < len(content):
        content[place] = value
    file.write_bytes(content)
    with suppress(UnreadablePointsError):
        source = open_points(file)
        assert sum(len(block.positions) for block in blocks_of(source)) == source.count
