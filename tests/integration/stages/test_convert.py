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
from pointcloud_potree.inputs import ArrayPoints, open_points
from pointcloud_potree.reader import Octree
from pointcloud_potree.verifier import fingerprint, verify_octree
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
        address="https://maps.example.com/potree/surveys/beach/octree/",
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
    expected = fingerprint(octree, ArrayPoints.coloured(rows["position"].astype(np.float64), rows["colour"]))
    assert verify_octree(stage.folder, expected) == stage.result.figures.nodes
    assert octree.metadata.encoding == ("BROTLI" if encoding is Encoding.BROTLI else "DEFAULT")
    assert stage.result.figures.points == len(rows)
    assert stage.result.figures.images_registered == 17
    assert (stage.folder / VIEW_FILE).read_bytes() == view
    assert stage.json(REPORT_FILE) == {"cameras": 1}
    assert stage.result.artefact(THUMBNAIL_FILE) is not None
    with Image.open(stage.folder / THUMBNAIL_FILE) as picture:
        assert (picture.format, picture.size) == ("JPEG", (640, 400))
    page = (stage.folder / "index.html").read_text()
    assert "./assets/" in page
    assert f"<title>{JOB['name']}</title>" in page
    assert 'property="og:description" content="30,000 points from 17 photos"' in page
    thumbnail = "https://maps.example.com/potree/surveys/beach/octree/thumbnail.jpg"
    assert f'property="og:image" content="{thumbnail}"' in page
    assert list(dict.fromkeys(p.step for p in stage.progress)) == [
        "download", "read", "sort", "encode", "verify", "upload",
    ]  # fmt: skip
    assert stage.progress[-1].percent == 100


@pytest.mark.usefixtures("viewer_page")
def test_normals_and_views_of_a_dense_cloud_are_kept(store_server: StoreServer, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    names = ("x", "y", "z", "nx", "ny", "nz")
    rows = np.zeros(
        500, [*((name, "<f4") for name in names), *((name, "u1") for name in ("r", "g", "b")), ("n", "<u2")]
    )
    for name in names:
        rows[name] = rng.normal(size=500)
    rows["n"] = rng.integers(2, 300, 500)
    normals = "".join(f"property float {name}\n" for name in names[3:])
    header = HEADER.replace("property uchar red", f"{normals}property uchar red")
    header = header.replace("end_header", "property ushort views\nend_header")
    dense = tmp_path / "dense.ply"
    dense.write_bytes(header.format(count=500).encode() + rows.tobytes())
    reconstructed(store_server, {POINTS_FILE: dense.read_bytes()})

    stage = run(store_server, tmp_path)

    assert stage.exit_code == ExitCode.DONE, stage.stdout
    octree = Octree(stage.folder)
    assert list(octree.attributes) == ["rgb", "NormalX", "NormalY", "NormalZ", "views"]
    verify_octree(stage.folder, fingerprint(octree, open_points(dense)))


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


TEXT = HEADER.replace("binary_little_endian", "ascii").format(count=2).encode()


@pytest.mark.usefixtures("viewer_page")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "points.ply is empty"),
        (b"<!DOCTYPE html>", "points.ply is of no format that is known"),
        (TEXT[:50], "points.ply does not begin with a PLY header"),
        (TEXT.replace(b"property float z\n", b""), "the vertices of points.ply lack z"),
        (ply(cloud(3))[:-1], "points.ply announces 3 points but ends after 2"),
        (TEXT + b"1 2 3 4 5 6\n1 2 three 4 5 6\n", "the vertices of points.ply from number 1 on are not what"),
        (b"LASF", "points.ply ends within its header"),
    ],
)
def test_points_that_cannot_be_read_are_told_with_a_remedy(
    store_server: StoreServer, tmp_path: Path, content: bytes, message: str
) -> None:
    reconstructed(store_server, {POINTS_FILE: content})
    error = run(store_server, tmp_path).assert_failed(Reason.UNREADABLE_POINTS, ExitCode.BAD_DATA)
    assert error.message.startswith(f"The points of the reconstruction cannot be read: {message}")
    assert "spec.reconstruction" in error.remedy


@pytest.mark.usefixtures("viewer_page")
def test_points_lost_by_the_store_are_asked_for_again(store_server: StoreServer, tmp_path: Path) -> None:
    reconstructed(store_server, {VIEW_FILE: b"{}"})
    run(store_server, tmp_path).assert_failed(Reason.UPSTREAM_MISSING, ExitCode.TRY_AGAIN)
