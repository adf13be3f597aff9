"""The convert stage as a pod runs it: a process of its own, against the real store, after a reconstruct result."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pointcloud_api.names import StageName
from pointcloud_api.resource import Encoding
from pointcloud_api.stages import (
    LAZ_FILE,
    OUTPUT_MANIFEST,
    POINTS_FILE,
    REPORT_FILE,
    THUMBNAIL_FILE,
    TRANSFORMS_FILE,
    UNDISTORTED_FILE,
    VIEW_FILE,
    ConvertDocument,
    ConvertSettings,
    ExitCode,
    Figures,
    OutputManifest,
    Reason,
)
from pointcloud_potree.reader import Octree, fingerprint, verify_octree
from tests.fixtures.stages import StageBefore, StageRun, run_stage
from tests.fixtures.store import StoreServer

JOB = {"namespace": "surveys", "name": "beach", "uid": "6f1f"}
HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""
ROW = np.dtype([("position", "<f4", 3), ("colour", "u1", 3)])


def cloud(points: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rng = np.random.default_rng(1)
    rows = np.zeros(points, ROW)
    rows["position"] = rng.normal(0, 10, (points, 3))
    rows["colour"] = rng.integers(0, 256, (points, 3))
    return rows


def reconstructed(store: StoreServer, files: dict[str, bytes]) -> None:
    """Leave files in the store as a reconstruct pod does."""
    pod = StageBefore(store, StageName.RECONSTRUCT, JOB, key="points")
    artefacts = [pod.leave(path, content) for path, content in files.items()]
    pod.finish(artefacts, Figures(images_found=18, images_registered=17))


def run(store: StoreServer, tmp_path: Path, *, encoding: Encoding = Encoding.BROTLI) -> StageRun:
    document = ConvertDocument(
        **JOB,
        key="octree",
        attempt=1,
        store_url=store.url,
        upstream="points",
        settings=ConvertSettings(encoding=encoding),
    )
    return run_stage("pointcloud_potree", document, store=store, tmp_path=tmp_path)


def ply(rows: np.ndarray[tuple[int], np.dtype[np.void]]) -> bytes:
    return HEADER.format(count=len(rows)).encode() + rows.tobytes()


@pytest.mark.usefixtures("viewer_page")
@pytest.mark.parametrize("encoding", Encoding)
def test_points_become_a_folder_that_shows_them(store_server: StoreServer, tmp_path: Path, encoding: Encoding) -> None:
    rows = cloud(30_000)
    view = json.dumps({"title": "Beach", "position": [0, 0, 30], "target": [0, 0, 0]}).encode()
    reconstructed(store_server, {POINTS_FILE: ply(rows), VIEW_FILE: view, REPORT_FILE: b'{"cameras": 1}'})

    stage = run(store_server, tmp_path, encoding=encoding)

    assert stage.exit_code == ExitCode.DONE, stage.stdout
    octree = Octree(stage.folder)
    expected = fingerprint(octree, rows["position"].astype(np.float64), rows["colour"])
    assert verify_octree(stage.folder, expected) == stage.result.figures.nodes
    assert octree.metadata.encoding == ("BROTLI" if encoding is Encoding.BROTLI else "DEFAULT")
    assert stage.result.figures.points == len(rows)
    assert stage.result.figures.images_registered == 17
    assert (stage.folder / VIEW_FILE).read_bytes() == view
    assert stage.json(REPORT_FILE) == {"cameras": 1}
    assert stage.result.artefact(THUMBNAIL_FILE) is not None
    with Image.open(stage.folder / THUMBNAIL_FILE) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 400))
    assert "./assets/" in (stage.folder / "index.html").read_text()
    assert list(dict.fromkeys(p.step for p in stage.progress)) == [
        "download", "sort", "sample", "encode", "verify", "upload",
    ]  # fmt: skip
    assert stage.progress[-1].percent == 100


@pytest.mark.usefixtures("viewer_page")
def test_what_may_be_kept_lies_beside_the_page_and_no_photos(store_server: StoreServer, tmp_path: Path) -> None:
    pod = StageBefore(store_server, StageName.RECONSTRUCT, JOB, key="points")
    points = pod.leave(POINTS_FILE, ply(cloud(100)))
    kept = {LAZ_FILE: b"laz", TRANSFORMS_FILE: b"{}"}
    files = [pod.leave(path, content) for path, content in (kept | {UNDISTORTED_FILE: b"photos"}).items()]
    listed = OutputManifest(files=tuple(files)).model_dump_json().encode()
    pod.finish([points, pod.leave(OUTPUT_MANIFEST, listed)], Figures())

    stage = run(store_server, tmp_path)

    assert stage.exit_code == ExitCode.DONE, stage.stdout
    assert {path: (stage.folder / path).read_bytes() for path in kept} == kept
    assert {file["path"] for file in stage.json(OUTPUT_MANIFEST)["files"]} == kept.keys()
    assert not (stage.folder / UNDISTORTED_FILE).exists()


@pytest.mark.usefixtures("viewer_page")
def test_points_that_are_not_numbers_are_left_out_with_a_warning(store_server: StoreServer, tmp_path: Path) -> None:
    rows = cloud(100)
    rows["position"][7, 1] = np.nan
    reconstructed(store_server, {POINTS_FILE: ply(rows)})
    result = run(store_server, tmp_path).result
    assert result.figures.points == 99
    assert [warning.reason for warning in result.warnings] == ["PointsDropped"]


@pytest.mark.usefixtures("viewer_page")
def test_a_cloud_that_cannot_be_drawn_is_published_without_a_picture(store_server: StoreServer, tmp_path: Path) -> None:
    behind = json.dumps({"title": "Beach", "position": [0, 0, 1000], "target": [0, 0, 2000]}).encode()
    reconstructed(store_server, {POINTS_FILE: ply(cloud(100)), VIEW_FILE: behind})
    stage = run(store_server, tmp_path)
    assert stage.exit_code == ExitCode.DONE, stage.stdout
    assert stage.result.artefact(THUMBNAIL_FILE) is None
    assert "no picture of the cloud could be drawn: ValueError: no point is in sight" in stage.log


@pytest.mark.usefixtures("viewer_page")
def test_no_points_at_all_is_told_with_a_remedy(store_server: StoreServer, tmp_path: Path) -> None:
    reconstructed(store_server, {POINTS_FILE: ply(cloud(0))})
    error = run(store_server, tmp_path).assert_failed(Reason.TOO_FEW_POINTS, ExitCode.BAD_DATA)
    assert "nothing to show" in error.message


@pytest.mark.usefixtures("viewer_page")
def test_points_lost_by_the_store_are_asked_for_again(store_server: StoreServer, tmp_path: Path) -> None:
    reconstructed(store_server, {VIEW_FILE: b"{}"})
    run(store_server, tmp_path).assert_failed(Reason.UPSTREAM_MISSING, ExitCode.TRY_AGAIN)
