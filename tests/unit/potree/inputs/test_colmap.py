"""COLMAP's models as COLMAP writes them, and what is said about those that are damaged."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_potree.inputs import UnreadablePointsError, open_points
from pointcloud_potree.points import BLOCK_POINTS, Block, blocks_of
from tests.fixtures.clouds import read_whole

NAMES = ["rgb", "error", "track length"]


def model(folder: Path, count: int) -> Block:
    """A model's points, in the order of their ids; the model is written as COLMAP does, as text and as binary."""
    rng = np.random.default_rng(count)
    positions, colours = rng.normal(0, 100, (count, 3)), rng.integers(0, 256, (count, 3), np.uint8)
    errors, lengths = rng.random(count), rng.integers(0, 40, count)
    reconstruction = pycolmap.Reconstruction()
    for number in range(count):
        point = pycolmap.Point3D(xyz=positions[number], color=colours[number], error=errors[number])
        reconstruction.add_point3D_with_id(number + 1, point)
        for photo in range(lengths[number]):
            reconstruction.point3D(number + 1).track.add_element(photo, photo + 7)
    for kind in ("text", "binary"):
        (folder / kind).mkdir()
    reconstruction.write_text(folder / "text")
    reconstruction.write_binary(folder / "binary")
    values = {
        "rgb": colours.astype("<u2") * 256, "error": errors.astype("<f4"), "track length": lengths.astype("<u4"),
    }  # fmt: skip
    return Block(positions, values)


@pytest.mark.parametrize("kind", ["binary", "text"])
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_points_come_out_as_colmap_has_them(tmp_path: Path, kind: str, count: int) -> None:
    expected = model(tmp_path, count)
    source = open_points(tmp_path / kind)
    assert (source.count, [attribute.name for attribute in source.attributes]) == (count, NAMES)
    read = read_whole(source)
    order = np.lexsort(read.positions.T), np.lexsort(expected.positions.T)
    assert read.positions[order[0]] == pytest.approx(expected.positions[order[1]], rel=1e-12)
    for attribute in source.attributes:
        found, meant = read.attributes[attribute.name][order[0]], expected.attributes[attribute.name][order[1]]
        assert found.dtype == meant.dtype == attribute.dtype
        assert found == pytest.approx(meant, rel=1e-6)


def test_the_binary_file_is_taken_where_both_are(tmp_path: Path) -> None:
    model(tmp_path, 3)
    (tmp_path / "text" / "points3D.bin").write_bytes((tmp_path / "binary" / "points3D.bin").read_bytes())
    (tmp_path / "text" / "points3D.txt").write_text("no points", encoding="ascii")
    assert open_points(tmp_path / "text").count == 3
    with pytest.raises(UnreadablePointsError, match="line 1"):
        list(blocks_of(open_points(tmp_path / "text" / "points3D.txt")))


def binary(points: int) -> bytes:
    """A file of points that differ in their x and in the length of their track."""
    parts = [points.to_bytes(8, "little")]
    for point in range(points):
        length = point % 3
        numbers = np.array([point, 0, 0], "<f8").tobytes() + bytes([1, 2, 3]) + np.array([0.5], "<f8").tobytes()
        parts += [point.to_bytes(8, "little"), numbers, length.to_bytes(8, "little"), bytes(8 * length)]
    return b"".join(parts)


def text(points: int) -> bytes:
    return b"# a comment\n\n" + b"".join(
        b"%d %d 0 0 1 2 3 0.5%s\n" % (point, point, b" 1 2" * (point % 3)) for point in range(points)
    )


@pytest.mark.parametrize(("name", "content"), [("points3D.bin", binary), ("points3D.txt", text)])
def test_blocks_are_bounded_and_come_twice_the_same(tmp_path: Path, name: str, content: object) -> None:
    count = BLOCK_POINTS + 3
    (tmp_path / name).write_bytes(content(count))  # type: ignore[operator]
    source = open_points(tmp_path)
    for _ in range(2):
        blocks = list(blocks_of(source))
        assert [len(block.positions) for block in blocks] == [BLOCK_POINTS, 3]
        assert np.array_equal(np.concatenate([block.positions[:, 0] for block in blocks]), np.arange(count))
        lengths = np.concatenate([block.attributes["track length"] for block in blocks])
        assert np.array_equal(lengths, np.arange(count) % 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "announces 0 points but ends before their end"),
        (binary(3)[:-1], "announces 3 points but ends before their end"),
        (binary(3) + b"\0", "does not end with its last point"),
        (b"\xff" * 8 + binary(3)[8:], "announces 18446744073709551615 points but ends before their end"),
        (binary(2)[:-16] + b"\xff" * 8, "announces 2 points but ends before their end"),
    ],
)
def test_a_binary_file_that_cannot_be_right_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "points3D.bin").write_bytes(content)
    with pytest.raises(UnreadablePointsError, match=message):
        list(blocks_of(open_points(tmp_path)))


@pytest.mark.parametrize("line", [b"1 2 3", b"1 2 3 4 5 6 7 8 9", b"1 2 3 4 5 6 256 0.5", b"1 x 3 4 5 6 7 0.5"])
def test_a_line_that_cannot_be_right_is_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "points3D.txt").write_bytes(text(2) + line + b"\n")
    with pytest.raises(UnreadablePointsError, match=r"line 5 of points3D\.txt is not that of a point"):
        list(blocks_of(open_points(tmp_path)))


@given(place=st.integers(0, 250), value=st.integers(0, 255), length=st.integers(0, 300))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, length: int
) -> None:
    file = tmp_path_factory.mktemp("model") / "points3D.bin"
    content = bytearray(binary(4)[:length])
    if place < len(content):
        content[place] = value
    file.write_bytes(content)
    with suppress(UnreadablePointsError):
        source = open_points(file)
        assert sum(len(block.positions) for block in blocks_of(source)) == source.count
