"""LAS and LAZ files of every point format, as others write them, and what is said about those we cannot read."""

from contextlib import suppress
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_potree.inputs import UnreadablePointsError, open_points
from pointcloud_potree.points import BLOCK_POINTS, blocks_of
from tests.fixtures.clouds import read_whole

LEGACY = ["intensity", "return number", "number of returns", "classification flags", "classification",
          "scan angle rank", "user data", "point source id"]  # fmt: skip
EXTENDED = ["intensity", "return number", "number of returns", "classification flags", "classification", "user data",
            "scan angle", "point source id", "gps-time"]  # fmt: skip
OTHERS = {
    0: LEGACY, 1: [*LEGACY, "gps-time"], 2: ["rgb", *LEGACY], 3: ["rgb", *LEGACY, "gps-time"],
    4: [*LEGACY, "gps-time"], 5: ["rgb", *LEGACY, "gps-time"], 6: EXTENDED, 7: ["rgb", *EXTENDED],
    8: ["rgb", *EXTENDED, "NIR"], 9: EXTENDED, 10: ["rgb", *EXTENDED, "NIR"],
}  # fmt: skip
SUFFIXES = (".las", ".laz")


def survey(point_format: int, count: int, *, extra: list[laspy.ExtraBytesParams] | None = None) -> laspy.LasData:
    """A cloud whose every field is random."""
    rng = np.random.default_rng(point_format)
    header = laspy.LasHeader(point_format=point_format, version="1.4")
    header.scales, header.offsets = np.array([0.01, 0.001, 0.5]), np.array([4.5e6, -10, 0])
    header.add_extra_dims(extra or [])
    cloud = laspy.LasData(header)
    cloud.points = laspy.ScaleAwarePointRecord.zeros(count, header=header)
    for dimension in header.point_format.standard_dimensions:
        if dimension.kind == laspy.DimensionKind.FloatingPoint:
            cloud[dimension.name] = rng.normal(size=count)
        else:
            highest = min(int(dimension.max), 2**31)
            cloud[dimension.name] = rng.integers(int(dimension.min), highest + 1, count)
    return cloud


def written(cloud: laspy.LasData, folder: Path, suffix: str) -> Path:
    file = folder / f"survey{suffix}"
    cloud.write(file)
    return file


@pytest.mark.parametrize(
    ("point_format", "suffix"),
    # lazrs compresses no waveforms.
    [(number, suffix) for number in OTHERS for suffix in SUFFIXES if suffix == ".las" or number not in {4, 5, 9, 10}],
)
def test_every_point_format_comes_out_by_potrees_names(tmp_path: Path, point_format: int, suffix: str) -> None:
    cloud = survey(point_format, 500)
    source = open_points(written(cloud, tmp_path, suffix))
    assert source.count == 500
    assert [attribute.name for attribute in source.attributes] == OTHERS[point_format]
    read = read_whole(source)
    assert np.array_equal(read.positions, cloud.xyz)
    for attribute in source.attributes:
        values = read.attributes[attribute.name]
        assert values.dtype == attribute.dtype
        name = attribute.name.replace(" ", "_").replace("-", "_").lower()
        if name == "rgb":
            colours = np.column_stack([cloud.red, cloud.green, cloud.blue])
            assert np.array_equal(values, np.where(colours > 255, colours, 0))
        elif name == "classification_flags":
            flags = [cloud.synthetic, cloud.key_point, cloud.withheld]
            flags += [cloud.overlap] if point_format >= 6 else []
            assert np.array_equal(values, sum(np.array(flag) << bit for bit, flag in enumerate(flags)))
        else:
            assert np.array_equal(values, np.array(cloud[name]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_extra_bytes_come_out_by_name_as_the_numbers_they_stand_for(tmp_path: Path, suffix: str) -> None:
    extra = [
        laspy.ExtraBytesParams("NormalX", "f4"),
        laspy.ExtraBytesParams("amplitude", "u2", scales=[0.01], offsets=[5], description="decibels"),
        laspy.ExtraBytesParams("counter", "u8"),
        laspy.ExtraBytesParams("drift", "3i2"),
        laspy.ExtraBytesParams("rgb", "u1"),
        laspy.ExtraBytesParams("tilt", "2u1", scales=[2, 3], offsets=[0, 1]),
    ]
    cloud = survey(7, 3, extra=extra)
    cloud["NormalX"], cloud["counter"], cloud["rgb"] = [0.5, -1, 0], [1, 2**40, 3], [7, 8, 9]
    cloud["drift"] = [[1, -2, 3], [4, 5, 6], [7, 8, -9]]
    cloud.points.array["amplitude"] = [0, 1, 1000]
    cloud.points.array["tilt"] = [[1, 2], [3, 4], [5, 6]]
    source = open_points(written(cloud, tmp_path, suffix))
    read = read_whole(source).attributes
    found = {
        attribute.name: (attribute.dtype.str, read[attribute.name].tolist())
        for attribute in source.attributes
        if attribute.name not in OTHERS[7]
    }
    assert found == {
        "NormalX": ("<f4", [0.5, -1, 0]),
        "amplitude": ("<f8", [5, 5.01, 15]),
        "counter": ("<f8", [1, 2**40, 3]),
        "drift[0]": ("<i2", [1, 4, 7]),
        "drift[1]": ("<i2", [-2, 5, 8]),
        "drift[2]": ("<i2", [3, 6, -9]),
        "rgb (2)": ("|u1", [7, 8, 9]),
        "tilt[0]": ("<f8", [2, 6, 10]),
        "tilt[1]": ("<f8", [7, 13, 19]),
    }
    assert next(a.description for a in source.attributes if a.name == "amplitude") == "decibels"


def coloured(count: int, *, brightest: int, at: int) -> laspy.LasData:
    cloud = survey(2, count)
    for channel in ("red", "green", "blue"):
        cloud[channel] = np.arange(count) % 200
    cloud.green[at] = brightest
    return cloud


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_eight_bit_colours_in_sixteen_bits_are_made_as_bright_as_they_are_meant(tmp_path: Path, suffix: str) -> None:
    cloud = coloured(300, brightest=255, at=299)
    colours = read_whole(open_points(written(cloud, tmp_path, suffix))).attributes["rgb"]
    assert np.array_equal(colours, np.column_stack([cloud.red, cloud.green, cloud.blue]) * 256)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("at", [0, BLOCK_POINTS])
def test_one_brighter_colour_anywhere_tells_that_all_have_sixteen_bits(tmp_path: Path, at: int, suffix: str) -> None:
    cloud = coloured(BLOCK_POINTS + 1, brightest=256, at=at)
    colours = read_whole(open_points(written(cloud, tmp_path, suffix))).attributes["rgb"]
    assert colours[at].tolist() == [0, 256, 0]
    assert np.count_nonzero(colours) == 1  # what viewers would take for bright 8-bit colours is black


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_blocks_are_bounded_and_come_twice_the_same(tmp_path: Path, suffix: str) -> None:
    cloud = survey(1, 2 * BLOCK_POINTS + 7)
    source = open_points(written(cloud, tmp_path, suffix))
    for _ in range(2):
        blocks = list(blocks_of(source))
        assert [len(block.positions) for block in blocks] == [BLOCK_POINTS, BLOCK_POINTS, 7]
        assert np.array_equal(np.concatenate([block.positions for block in blocks]), cloud.xyz)
        assert np.array_equal(np.concatenate([block.attributes["gps-time"] for block in blocks]), cloud.gps_time)
        assert all(block.positions.flags.c_contiguous for block in blocks)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_points_are_no_error_of_the_file(tmp_path: Path, suffix: str) -> None:
    source = open_points(written(survey(3, 0), tmp_path, suffix))
    assert (source.count, list(blocks_of(source))) == (0, [])


@pytest.mark.parametrize("kept", [0.999, 0.7, 0.2])
def test_a_las_file_that_ends_too_early_is_told_at_once(tmp_path: Path, kept: float) -> None:
    file = written(survey(3, 10_000), tmp_path, ".las")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    with pytest.raises(UnreadablePointsError, match="announces 10000 points but ends after"):
        open_points(file)


@pytest.mark.parametrize("kept", [0.999, 0.7, 0.2])
@pytest.mark.parametrize("point_format", [3, 7])
def test_a_laz_file_that_ends_too_early_is_told_at_once(tmp_path: Path, point_format: int, kept: float) -> None:
    file = written(survey(point_format, 120_000), tmp_path, ".laz")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    with pytest.raises(UnreadablePointsError, match="announces 120000 points but ends before their end"):
        open_points(file)


def test_a_laz_file_with_other_chunks_than_its_points_need_is_told(tmp_path: Path) -> None:
    file = written(survey(7, 60_000), tmp_path, ".laz")
    content = bytearray(file.read_bytes())
    content[247:255] = (40_000).to_bytes(8, "little")
    file.write_bytes(content)
    with pytest.raises(UnreadablePointsError, match="announces 40000 points and has 2 chunks of 50000"):
        open_points(file)


def patched(folder: Path, place: int, content: bytes) -> Path:
    file = written(survey(7, 100), folder, ".las")
    data = bytearray(file.read_bytes())
    data[place : place + len(content)] = content
    file.write_bytes(data)
    return file


NAN, ZERO, HUGE = (np.float64(v).tobytes() for v in (np.nan, 0, 2**60))


@pytest.mark.parametrize(
    ("place", "content", "message"),
    [
        (25, b"\3", "contradicts itself"),  # a version older than its point format
        (94, b"\1\0", "the header of survey.las is none of LAS that can be read"),  # its own size
        (100, b"\xff\xff\xff\xff", "contradicts itself"),  # more records than there is room for
        (104, b"\x0b", "the header of survey.las is none of LAS that can be read"),  # a point format that is not
        (105, b"\1\0", "the header of survey.las is none of LAS that can be read"),  # shorter than its format
        (247, b"\xff\xff\xff\xff\xff\xff\xff\x7f", "announces 9223372036854775807 points but ends after 100"),
        (247, b"\x63", "announces 99 points and bytes of 100 follow"),
        (131, NAN, "no usable scale"),
        (139, ZERO, "no usable scale"),
        (155, NAN, "no usable scale"),
    ],
)
def test_a_header_that_cannot_be_right_is_told(tmp_path: Path, place: int, content: bytes, message: str) -> None:
    with pytest.raises(UnreadablePointsError, match=message):
        open_points(patched(tmp_path, place, content))


@settings(deadline=None)
@given(place=st.integers(4, 700), value=st.integers(0, 255), suffix=st.sampled_from(SUFFIXES))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int, suffix: str
) -> None:
    cloud = survey(7, 50, extra=[laspy.ExtraBytesParams("amplitude", "u2")])
    file = written(cloud, tmp_path_factory.mktemp("las"), suffix)
    data = bytearray(file.read_bytes())
    data[place] = value
    file.write_bytes(data)
    with suppress(UnreadablePointsError):
        source = open_points(file)
        assert sum(len(block.positions) for block in blocks_of(source)) == source.count
