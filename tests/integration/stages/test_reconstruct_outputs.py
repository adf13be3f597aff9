"""Where a reconstruction is in the world and what it leaves, from rendered photos whose cameras are known."""

import json
import zipfile
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pycolmap
import pytest
from PIL import Image
from pyproj import Transformer

from pointcloud_api.resource import Quality, ReconstructionExport
from pointcloud_api.stages import (
    LAZ_FILE,
    OUTPUT_MANIFEST,
    POINTS_FILE,
    REPORT_FILE,
    TRANSFORMS_FILE,
    UNDISTORTED_FILE,
    VIEW_FILE,
    ExitCode,
)
from pointcloud_stage.store import sha256_of
from tests.fixtures.stages import StageRun
from tests.fixtures.store import StoreServer
from tests.integration.stages.test_reconstruct import ingested, reconstruct
from tools.scene.accuracy import fit_robust_similarity
from tools.scene.camera import Truth
from tools.scene.gps import geotag, in_the_scene
from tools.scene.photos import write

NOISE = 0.3
"""Metres: the receivers of the sets of real photos are about as good."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("scene")
    return folder / "photos", write(folder, width=640)


def run(store: StoreServer, tmp_path: Path, photos: Path, **settings: Any) -> StageRun:
    ingested(store, sorted(photos.iterdir()))
    stage = reconstruct(store, tmp_path, quality=Quality.LOW, **settings)
    assert stage.exit_code == ExitCode.DONE, stage.stdout
    return stage


def test_photos_with_gps_become_a_cloud_in_metres_on_the_map(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Path, Truth]
) -> None:
    photos, truth = scene
    geotag(photos, tmp_path / "photos", truth, noise=NOISE)
    stage = run(store_server, tmp_path, tmp_path / "photos", exports=(ReconstructionExport.UNDISTORTED_IMAGES,))
    assert not stage.result.warnings
    report = stage.json(REPORT_FILE)
    found = report["georeference"]
    assert (found["crs"], found["positionsUsed"], report["units"]) == ("EPSG:32632", 20, "metres")
    # Three axes; of 60 numbers seven went into the fit.
    assert found["residuals"]["rms"] == pytest.approx(NOISE * np.sqrt(3 * 53 / 60), rel=0.35)
    assert 0 < found["scaleError"] < 0.02
    model = pycolmap.Reconstruction(stage.folder / "sparse")
    assert stage.json(VIEW_FILE)["units"] == "metres"
    _assert_cameras_are_where_they_were(model, truth, report)
    _assert_figures_of_photos(report, model)
    _assert_transforms_fit_the_photos(stage.json(TRANSFORMS_FILE), truth)
    _assert_laz_is_on_the_map(stage.folder / LAZ_FILE, model, report)
    _assert_archive_is_ready_for_training(stage.folder / UNDISTORTED_FILE, tmp_path, truth)
    _assert_all_outputs_are_listed(stage)


def _assert_cameras_are_where_they_were(model: pycolmap.Reconstruction, truth: Truth, report: dict[str, Any]) -> None:
    by_name = {image.name: image.projection_center() for image in map(model.image, model.reg_image_ids())}
    origin = report["georeference"]["origin"]
    placed = in_the_scene(
        np.array([by_name[camera.name] for camera in truth.cameras]),
        np.array([origin["latitude"], origin["longitude"], origin["altitude"]]),
    )
    assert placed == pytest.approx(np.array([camera.centre for camera in truth.cameras]), abs=2 * NOISE)


def _assert_figures_of_photos(report: dict[str, Any], model: pycolmap.Reconstruction) -> None:
    assert len(report["images"]) == 20
    assert sum(photo["points"] for photo in report["images"]) == model.compute_num_observations()
    assert all(0.2 < photo["coverage"] < 1 and photo["gpsError"] < 4 * NOISE for photo in report["images"])
    assert report["pointsPerImage"] == pytest.approx(model.compute_num_observations() / 20, abs=0.06)
    assert {"clean", "align", "export"} <= report["seconds"].keys()


def _assert_transforms_fit_the_photos(document: dict[str, Any], truth: Truth) -> None:
    """Known points of the scene, projected by the document alone, are where the photos show them."""
    frames = {frame["file_path"].removeprefix("images/"): frame for frame in document["frames"]}
    poses = {name: np.array(frame["transform_matrix"]) for name, frame in frames.items()}
    assert poses.keys() == {camera.name for camera in truth.cameras}
    to_document = fit_robust_similarity(
        np.array([camera.centre for camera in truth.cameras]),
        np.array([poses[camera.name][:3, 3] for camera in truth.cameras]),
    )
    known = np.array([[x, y, z] for x in (-3.0, 0.0, 3.0) for y in (-3.0, 0.0, 3.0) for z in (0.0, 2.0)])
    for camera in truth.cameras:
        frame, pose = frames[camera.name], poses[camera.name]
        local = (to_document.apply(known) - pose[:3, 3]) @ pose[:3, :3]
        slopes = local[:, :2] / -local[:, 2:] * [1, -1]
        bent = slopes * (1 + frame["k1"] * (slopes**2).sum(axis=1, keepdims=True))
        pixels = bent * [frame["fl_x"], frame["fl_y"]] + [frame["cx"], frame["cy"]]
        assert pixels == pytest.approx(camera.project(known), abs=1.5)


def _assert_laz_is_on_the_map(file: Path, model: pycolmap.Reconstruction, report: dict[str, Any]) -> None:
    cloud = laspy.read(file)
    crs = cloud.header.parse_crs()
    assert crs is not None
    assert crs.to_string() == report["georeference"]["crs"]
    longitude, latitude = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(cloud.x, cloud.y)
    origin = report["georeference"]["origin"]
    local = pycolmap.GPSTransform().ellipsoid_to_enu(
        np.column_stack([latitude, longitude, cloud.z]), origin["latitude"], origin["longitude"], origin["altitude"]
    )
    points = np.array([point.xyz for _, point in sorted(model.points3D.items())])
    assert local == pytest.approx(points, abs=0.002)
    assert len(points) == report["figures"]["points"]


def _assert_archive_is_ready_for_training(file: Path, tmp_path: Path, truth: Truth) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    model = pycolmap.Reconstruction(folder / "sparse/0")
    assert {camera.model_name for camera in model.cameras.values()} == {"PINHOLE"}
    document = json.loads((folder / TRANSFORMS_FILE).read_text())
    assert (folder / document["ply_file_path"]).is_file()
    assert len(document["frames"]) == len(truth.cameras)
    for frame in document["frames"]:
        with Image.open(folder / frame["file_path"]) as photo:
            assert photo.size == (frame["w"], frame["h"])
        assert (frame["k1"], frame["k2"]) == (0, 0)


def _assert_all_outputs_are_listed(stage: StageRun) -> None:
    listed = {file["path"]: file for file in stage.json(OUTPUT_MANIFEST)["files"]}
    assert {POINTS_FILE, LAZ_FILE, TRANSFORMS_FILE, REPORT_FILE, UNDISTORTED_FILE} <= listed.keys()
    assert {f"sparse/{name}.{form}" for name in ("cameras", "images", "points3D") for form in ("bin", "txt")} < set(
        listed
    )
    for path, file in listed.items():
        stored = stage.folder / path
        assert (stored.stat().st_size, sha256_of(stored)) == (file["size"], file["sha256"])


def test_gps_that_would_spoil_the_cloud_is_declined_with_a_warning_and_the_cloud_is_level(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Path, Truth]
) -> None:
    photos, truth = scene
    truth = truth.model_copy(update={"cameras": truth.cameras[:10]})
    geotag(photos, tmp_path / "photos", truth, altered=lambda places: places * [1, 1, 0])
    stage = run(store_server, tmp_path, tmp_path / "photos")
    (warning,) = stage.result.warnings
    assert warning.reason == "NotGeoreferenced"
    assert "all altitudes are zero" in warning.message
    assert "exiftool" in warning.message
    report = stage.json(REPORT_FILE)
    assert (report["units"], report["georeference"]) == ("arbitrary", None)
    assert report["warnings"] == [warning.model_dump()]
    assert stage.json(VIEW_FILE)["units"] == "arbitrary"
    assert laspy.read(stage.folder / LAZ_FILE).header.parse_crs() is None
    listed = [file["path"] for file in stage.json(OUTPUT_MANIFEST)["files"]]
    assert UNDISTORTED_FILE not in listed
