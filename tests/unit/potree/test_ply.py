"""PLY files as COLMAP and others write them, and what is said about those we cannot read."""

from pathlib import Path

import numpy as np
import pytest

from pointcloud_potree.ply import BadPlyError, read_ply

XYZ = ["property float x", "property float y", "property float z"]
RGB = ["property uchar red", "property uchar green", "property uchar blue"]


def write(path: Path, *, header: list[str], body: bytes) -> Path:
    path.write_bytes("\n".join(["ply", *header, "end_header", ""]).encode() + body)
    return path


def binary(count: int, properties: list[str]) -> list[str]:
    return ["format binary_little_endian 1.0", f"element vertex {count}", *properties]


def test_points_as_colmap_exports_them(tmp_path: Path) -> None:
    rows = np.array(
        [(1.5, -2, 3, 10, 20, 30), (4, 5, 6.25, 255, 0, 1)],
        [(name, "<f4") for name in "xyz"] + [(name, "u1") for name in ("r", "g", "b")],
    )
    path = write(tmp_path / "points.ply", header=binary(2, XYZ + RGB), body=rows.tobytes())
    positions, colours = read_ply(path)
    assert positions.tolist() == [[1.5, -2, 3], [4, 5, 6.25]]
    assert colours.tolist() == [[10, 20, 30], [255, 0, 1]]
    assert (str(positions.dtype), str(colours.dtype)) == ("float64", "uint8")


def test_doubles_normals_comments_and_faces_are_coped_with(tmp_path: Path) -> None:
    properties = [line.replace("float", "double") for line in XYZ]
    properties += ["property float nx", "property float ny", "property float nz", *RGB]
    header = ["format binary_little_endian 1.0", "comment made by hand", "element vertex 1", *properties]
    header += ["element face 0", "property list uchar int vertex_indices"]
    row = np.array((4.5e6 + 1e-6, 2, 3, 0, 0, 1, 7, 8, 9), "<f8,<f8,<f8,<f4,<f4,<f4,u1,u1,u1")
    positions, colours = read_ply(write(tmp_path / "points.ply", header=header, body=row.tobytes()))
    assert positions.tolist() == [[4.5e6 + 1e-6, 2, 3]]
    assert colours.tolist() == [[7, 8, 9]]


def test_no_points_is_not_an_error_of_the_file(tmp_path: Path) -> None:
    positions, colours = read_ply(write(tmp_path / "points.ply", header=binary(0, XYZ + RGB), body=b""))
    assert positions.shape == colours.shape == (0, 3)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (binary(3, XYZ + RGB), "announces 3 points but ends after 2"),
        (["format ascii 1.0", "element vertex 2", *XYZ, *RGB], "export it as that"),
        (binary(2, XYZ), "lack red, green, blue"),
        (binary(2, [*XYZ, "property list uchar int vertex_indices", *RGB]), "unknown header line 'property list"),
        (["format binary_little_endian 1.0", "element face 2"], "first element of points.ply is not its vertices"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, header: list[str], message: str) -> None:
    path = write(tmp_path / "points.ply", header=header, body=bytes(2 * 15 + 14))
    with pytest.raises(BadPlyError, match=message):
        read_ply(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8 a photo", b"ply\nformat binary_little_endian 1.0\n"])
def test_a_file_without_a_header_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "points.ply"
    path.write_bytes(content)
    with pytest.raises(BadPlyError, match="does not begin with a PLY header"):
        read_ply(path)
