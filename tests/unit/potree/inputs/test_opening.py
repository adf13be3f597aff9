"""A file's format is told by its content; several files are one cloud."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import laspy
import numpy as np
import pytest

from pointcloud_potree.inputs import ArrayPoints, JoinedPoints, UnreadablePointsError, open_points
from pointcloud_potree.points import BLOCK_POINTS, PointSource, blocks_of
from tests.fixtures.clouds import read_whole

PLY = b"""ply
format ascii 1.0
element vertex 2
property double x
property double y
property double z
property uchar red
property uchar green
property uchar blue
property float intensity
end_header
1 2 3 4 5 6 0.5
-1 -2 -3 7 8 9 1.5
"""
MODEL = b"1 10 20 30 1 2 3 0.5 1 1 2 2\n"


def scan(file: Path) -> Path:
    header = laspy.LasHeader(point_format=2, version="1.2")
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = np.array([[4.5], [5.5], [6.5]])
    cloud.red, cloud.green, cloud.blue = np.array([[65535], [256], [300]])
    cloud.intensity = [7]
    cloud.write(file)
    return file


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    ply, model = tmp_path / "cloud.ply", tmp_path / "model"
    ply.write_bytes(PLY)
    model.mkdir()
    (model / "points3D.txt").write_bytes(MODEL)
    return [ply, scan(tmp_path / "scan.las"), scan(tmp_path / "scan.laz"), model]


def names(source: PointSource) -> list[str]:
    return [attribute.name for attribute in source.attributes]


def test_content_and_not_the_name_tells_the_format(files: list[Path], tmp_path: Path) -> None:
    for number, file in enumerate(files[:3]):
        shutil.copy(file, tmp_path / f"{number}.xyz")
        assert np.array_equal(
            read_whole(open_points(tmp_path / f"{number}.xyz")).positions, read_whole(open_points(file)).positions
        )


def test_files_of_any_format_are_one_cloud_in_their_order(files: list[Path]) -> None:
    source = open_points(*files)
    cloud = read_whole(source)
    assert source.count == 5
    assert cloud.positions.tolist() == [[1, 2, 3], [-1, -2, -3], [4.5, 5.5, 6.5], [4.5, 5.5, 6.5], [10, 20, 30]]
    assert names(source) == ["rgb"]
    assert (cloud.attributes["rgb"] >> 8).tolist() == [[4, 5, 6], [7, 8, 9], [255, 1, 1], [255, 1, 1], [1, 2, 3]]


def test_what_all_have_is_kept_in_a_type_that_holds_all_and_the_rest_is_told(files: list[Path]) -> None:
    source = open_points(*files[:2])
    assert isinstance(source, JoinedPoints)
    assert names(source) == ["rgb", "intensity"]
    intensity = read_whole(source).attributes["intensity"]
    assert (intensity.dtype.str, intensity.tolist()) == ("<f4", [0.5, 1.5, 7])
    assert source.left_out == [
        "return number", "number of returns", "classification flags", "classification", "scan angle rank",
        "user data", "point source id",
    ]  # fmt: skip
    assert open_points(*files[1:3]).attributes == open_points(files[1]).attributes


@pytest.mark.parametrize(
    ("types", "common"),
    [
        (["u1", "<u2"], "<u2"), (["i1", "u1"], "<i2"), (["<u2", "<i2"], "<i4"), (["<u4", "<i4"], "<f8"),
        (["<u2", "<f4"], "<f4"), (["<i4", "<f4"], "<f8"), (["<f4", "<f8", "u1"], "<f8"),
    ],
)  # fmt: skip
def test_the_common_type_holds_every_value_and_viewers_decode_it(types: list[str], common: str) -> None:
    columns = []
    for kind in types:
        dtype = np.dtype(kind)
        info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        columns.append(np.array([info.min, info.max], dtype))
    source = JoinedPoints([ArrayPoints(np.zeros((2, 3)), {"a": column}) for column in columns])
    assert source.attributes[0].dtype.str == np.dtype(common).str
    joined = read_whole(source).attributes["a"]
    assert joined.tolist() == [number for column in columns for number in column.tolist()]


def test_arrays_come_in_blocks() -> None:
    count = BLOCK_POINTS + 1
    source = ArrayPoints(np.zeros((count, 3)), {"a": np.arange(count, dtype="<u4"), "rgb": np.zeros((count, 3), "<u2")})
    blocks = list(blocks_of(source))
    assert [len(block.positions) for block in blocks] == [BLOCK_POINTS, 1]
    assert np.array_equal(np.concatenate([block.attributes["a"] for block in blocks]), np.arange(count))
    assert [(a.name, a.elements) for a in source.attributes] == [("a", 1), ("rgb", 3)]
    with pytest.raises(ValueError, match="3 positions but 2 of a"):
        ArrayPoints(np.zeros((3, 3)), {"a": np.zeros(2, "u1")})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cloud is empty: points are read from PLY"),
        (b"\xff\xd8\xff\xe0 a photo", r"is of no format that is known \(it begins with b'\\xff\\xd8"),
        (b"LASF", "ends within its header"),
        (b"LASF" + bytes(400), "contradicts itself"),
    ],
)
def test_a_file_of_no_such_format_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "cloud").write_bytes(content)
    with pytest.raises(UnreadablePointsError, match=message):
        open_points(tmp_path / "cloud")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "there is no file to read points from"),
        (["nowhere.ply"], r"nowhere\.ply cannot be opened: No such file"),
        (["points3D.bin"], r"points3D\.bin cannot be opened: No such file"),
        (["."], "holds no COLMAP model"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, paths: Sequence[str], message: str) -> None:
    with pytest.raises(UnreadablePointsError, match=message):
        open_points(*(tmp_path / path for path in paths))
