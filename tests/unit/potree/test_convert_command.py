"""`python -m pointcloud_potree.convert`: from the files of other programs to an octree, or a reason why not."""

import json
from pathlib import Path

import laspy
import numpy as np
import pytest

from pointcloud_potree.convert import main
from pointcloud_potree.inputs import ChosenPoints, open_points
from pointcloud_potree.inputs.grey import GREY
from pointcloud_potree.octree import FILES
from pointcloud_potree.reader import Octree
from pointcloud_potree.verifier import fingerprint, verify_octree


def scan(file: Path, *, points: int = 20_000) -> Path:
    rng = np.random.default_rng(1)
    cloud = laspy.LasData(laspy.LasHeader(point_format=7, version="1.4"))
    cloud.xyz = rng.random((points, 3)) * 100
    cloud.red, cloud.green, cloud.blue = rng.integers(256, 65536, (3, points))
    cloud.write(file)
    return file


def test_files_become_a_folder_that_holds_all_their_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "points3D.txt"
    model.write_text("1 10 20 30 1 2 3 0.5\n2 nan 20 30 1 2 3 0.5\n", encoding="ascii")
    files = [scan(tmp_path / "one.laz"), scan(tmp_path / "two.las", points=50), model]
    folder = tmp_path / "shown"
    assert main([*map(str, files), str(folder), "--encoding", "uncompressed", "--name", "Survey"]) == 0
    assert verify_octree(folder) > 1
    metadata = json.loads((folder / "metadata.json").read_text())
    assert (metadata["points"], metadata["name"], metadata["encoding"]) == (20_051, "Survey", "DEFAULT")
    told = capsys.readouterr().out
    assert "not all files have it: intensity, " in told
    assert "coordinates are not finite: 1 points" in told
    assert f"{folder}: 20051 points in" in told


def test_the_name_is_the_first_files_and_the_encoding_brotli(tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    assert main([str(scan(tmp_path / "survey.laz", points=10)), str(folder)]) == 0
    metadata = Octree(folder).metadata
    assert (metadata.name, metadata.encoding) == ("survey", "BROTLI")


def test_of_the_attributes_those_that_are_named_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(scan(tmp_path / "one.laz")), str(scan(tmp_path / "two.las", points=50))]
    folder = tmp_path / "shown"
    assert main([*files, str(folder), "--attributes", "gps-time", "rgb"]) == 0
    names = [attribute.name for attribute in Octree(folder).metadata.attributes]
    assert names == ["position", "rgb", "gps-time"]
    chosen = ChosenPoints(open_points(*map(Path, files)), ["rgb", "gps-time"])
    verify_octree(folder, fingerprint(Octree(folder), chosen))
    assert main([*files, str(folder), "--attributes", "rgb", "confidence"]) == 1
    assert "the points have no confidence: choose among rgb, intensity, " in capsys.readouterr().err


def test_points_without_colours_are_grey(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = laspy.LasData(laspy.LasHeader(point_format=6, version="1.4"))
    cloud.xyz = np.random.default_rng(1).random((50, 3)) * 100
    cloud.write(tmp_path / "survey.laz")
    assert main([str(tmp_path / "survey.laz"), str(tmp_path / "shown")]) == 0
    octree = Octree(tmp_path / "shown")
    with (tmp_path / "shown" / "octree.bin").open("rb") as file:
        colours = octree.read(next(octree.nodes()), file).attributes["rgb"]
    assert (colours == GREY << 8).all()
    assert "have no colours" in capsys.readouterr().out


def test_a_file_that_ends_too_early_is_a_reason_and_no_octree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = scan(tmp_path / "survey.laz")
    file.write_bytes(file.read_bytes()[:-5000])
    assert main([str(file), str(tmp_path / "shown")]) == 1
    assert "error: survey.laz announces 20000 points but ends before their end" in capsys.readouterr().err
    assert not any((tmp_path / "shown" / name).exists() for name in FILES)


def test_no_points_are_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(scan(tmp_path / "survey.las", points=0)), str(tmp_path / "shown")]) == 1
    assert "there is nothing to show" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "shown"
    taken.write_text("a file")
    assert main([str(scan(tmp_path / "survey.las", points=10)), str(taken)]) == 1
    assert f"error: {taken}: File exists; name an OUT that can be written" in capsys.readouterr().err


def test_an_unknown_encoding_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(scan(tmp_path / "survey.las", points=1)), str(tmp_path / "shown"), "--encoding", "zip"])
    assert "invalid Encoding value: 'zip'" in capsys.readouterr().err
