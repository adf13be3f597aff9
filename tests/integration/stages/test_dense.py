"""Dense clouds by the stage's real program: on processors, and with true depth maps of a rendered scene.

Everything around depth maps is the same for any engine.
"""

import os
import shutil
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import laspy
import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray
from PIL import Image

from pointcloud_api.names import StageName
from pointcloud_api.resource import Quality
from pointcloud_api.stages import (
    LAZ_FILE,
    PHOTO_MANIFEST,
    POINTS_FILE,
    REPORT_FILE,
    VIEW_FILE,
    Artefact,
    ExitCode,
    Figures,
    Photo,
    PhotoManifest,
    Progress,
    Reason,
    ReconstructDocument,
    ReconstructSettings,
)
from pointcloud_stage.pieces import Piece, PieceList
from tests.fixtures.clouds import read_ply
from tests.fixtures.exact_depth import PROGRAM, VARIABLE, Orders
from tests.fixtures.stages import CODE, ROOT, StageBefore, StageProcess, StageRun, start_stage
from tests.fixtures.store import StoreServer
from tests.integration.conftest import until
from tests.integration.stages.test_reconstruct import JOB
from tools.scene.accuracy import fit_robust_similarity
from tools.scene.camera import Camera, FloatArray
from tools.scene.gps import geotag
from tools.scene.photos import write
from tools.scene.raycast import measure
from tools.scene.ruin import ruin

PHOTOS: Final = 8
MAPS: Final = 2 * PHOTOS
"""With two passes; each map is two files, depths and normals."""
MOMENTS: Final = (1, 2, 4, 6, 7, 9, 10, 12, 13, 15)
PROCESSORS: Final = ("-m", "pointcloud_colmap")
"""Arguments of Python: the stage with the engine that it has without a GPU."""


@dataclass(frozen=True)
class Scene:
    """Rendered photos next to each other, so small that a run takes seconds."""

    truth: Path
    cameras: tuple[Camera, ...]
    photos: tuple[Path, ...]

    @property
    def names(self) -> list[str]:
        return [camera.name for camera in self.cameras]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    truth = write(folder / "all", photos=24, width=480)
    chosen = truth.model_copy(update={"cameras": truth.cameras[:PHOTOS]})
    geotag(folder / "all" / "photos", folder / "photos", chosen, noise=0.3)
    photos = tuple(folder / "photos" / camera.name for camera in chosen.cameras)
    return Scene(folder / "all" / "truth" / "cameras.json", chosen.cameras, photos)


def ingested(store: StoreServer, photos: Sequence[Path], masks: Mapping[str, bytes] | None = None) -> None:
    """Leave photos in the store as an ingest pod does, with masks by name of the photo."""
    pod = StageBefore(store, StageName.INGEST, JOB, key="photos")
    listed = []
    for photo in photos:
        width, height = Image.open(photo).size
        stored = pod.leave(f"images/{photo.name}", photo.read_bytes())
        mask: Artefact | None = None
        if masks is not None and photo.name in masks:
            mask = pod.leave(f"masks/{photo.name}.png", masks[photo.name])
        listed.append(Photo(**stored.model_dump(), width=width, height=height, mask=mask))
    manifest = pod.leave(PHOTO_MANIFEST, PhotoManifest(photos=tuple(listed)).model_dump_json().encode())
    pod.finish([manifest], Figures(images_found=len(listed), images_usable=len(listed)))


@dataclass
class Key:
    """Pods of one key, one after the other."""

    store: StoreServer
    tmp_path: Path
    scene: Scene
    name: str = "model"
    program: Sequence[str] = tuple(PROGRAM)
    pods: int = 0

    @property
    def document(self) -> ReconstructDocument:
        return ReconstructDocument(
            **JOB,
            key=self.name,
            attempt=1,
            store_url=self.store.url,
            upstream="photos",
            settings=ReconstructSettings(quality=Quality.LOW),
            device="cpu",
        )

    def start(self, **orders: Any) -> StageProcess:
        self.pods += 1
        return start_stage(
            list(self.program),
            self.document,
            store=self.store,
            tmp_path=self.tmp_path,
            pod_uid=f"{self.name}-{self.pods}",
            variables={
                VARIABLE: Orders(truth=self.scene.truth, **orders).model_dump_json(),
                "PYTHONPATH": os.pathsep.join([*(str(ROOT / path) for path in CODE), str(ROOT)]),
            },
        )

    def run(self, **orders: Any) -> StageRun:
        run = self.start(**orders).wait()
        assert run.exit_code == ExitCode.DONE, run.stdout
        return run

    @property
    def folder(self) -> Path:
        """Where its pods' folders are."""
        return self.store.folder / self.document.prefix

    @property
    def _pieces(self) -> list[Piece]:
        """Maps that pods have stored and listed until now."""
        files = self.folder.glob("*/checkpoint/*.json")
        lists = [PieceList.model_validate_json(file.read_bytes()) for file in files]
        return [piece for listed in lists for piece in listed.pieces if piece.name.startswith("maps/")]

    @property
    def maps(self) -> dict[str, Path]:
        """Their files, by the piece's name."""
        return {piece.name: self.folder / piece.pod_uid / piece.file.path for piece in self._pieces}

    @property
    def makers(self) -> dict[str, set[str]]:
        """The pods that made each map, by its depths' name. Of the last one a killed pod may have stored half."""
        by_pod: dict[str, set[str]] = {}
        for piece in self._pieces:
            by_pod.setdefault(piece.pod_uid, set()).add(piece.name)
        made: dict[str, set[str]] = {}
        for pod, names in by_pod.items():
            for name in whole_maps(names):
                made.setdefault(name, set()).add(pod)
        return made


def vertices_of(run: StageRun) -> NDArray[Any]:
    """The rows of points.ply, as its header tells them."""
    types = {"float": "<f4", "uchar": "u1", "ushort": "<u2"}
    with (run.folder / POINTS_FILE).open("rb") as stream:
        lines = iter(stream.readline, b"end_header\n")
        words = [line.decode().split() for line in lines]
        fields = [(name, types[kind]) for first, kind, name in (w for w in words if len(w) == 3) if first == "property"]
        return np.fromfile(stream, fields)


def columns(vertices: NDArray[Any], *names: str) -> FloatArray:
    return np.column_stack([vertices[name] for name in names]).astype(float)


@dataclass(frozen=True)
class Surface:
    """What true cameras see: how far points are from what they should lie on."""

    cameras: Sequence[Camera]

    def compare(self, points: FloatArray, normals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """For points (N, 3) of the scene: metres between each and what lies behind or before it in the view that fits
        best (N,), and the cosine between its normal (N, 3) and the true one there (N,)."""
        errors, cosines = np.full(len(points), np.inf), np.full(len(points), -1.0)
        for camera in self.cameras:
            depths, true_normals = measure(ruin(), camera)
            rows, there = _rows(camera, points)
            depth = ((points - np.array(camera.centre)) @ np.array(camera.rotation))[:, 2]
            error = np.where(there & (depths[rows] > 0), np.abs(depths[rows] - depth), np.inf)
            better = error < errors
            errors[better] = error[better]
            cosines[better] = (normals * true_normals[rows]).sum(axis=1)[better]
        return errors, cosines


def _rows(camera: Camera, points: FloatArray) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]:
    """The pixel (row, column) of each point, and whether it is in the photo."""
    columns_, rows_ = np.floor(camera.project(points)).astype(np.int64).T
    there = (columns_ >= 0) & (columns_ < camera.width) & (rows_ >= 0) & (rows_ < camera.height)
    return (np.clip(rows_, 0, camera.height - 1), np.clip(columns_, 0, camera.width - 1)), there


def in_the_scene(run: StageRun, scene: Scene) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
    """Points and normals of the cloud in the scene's own metres, by where the model's cameras are, and all columns."""
    model = pycolmap.Reconstruction(run.folder / "sparse")
    centres = {image.name: image.projection_center() for image in map(model.image, model.reg_image_ids())}
    known = [camera for camera in scene.cameras if camera.name in centres]
    fit = fit_robust_similarity(
        np.array([centres[camera.name] for camera in known]), np.array([camera.centre for camera in known])
    )
    vertices = vertices_of(run)
    normals = columns(vertices, "nx", "ny", "nz") @ fit.rotation.T
    return fit.apply(columns(vertices, "x", "y", "z")), normals, vertices


def test_a_dense_cloud_lies_on_the_true_surface_and_moves_to_the_map_with_its_model(
    store_server: StoreServer, tmp_path: Path, scene: Scene
) -> None:
    ingested(store_server, scene.photos)
    run = Key(store_server, tmp_path, scene).run()

    assert not run.result.warnings
    figures, report = run.result.figures, run.json(REPORT_FILE)
    assert figures.images_registered == PHOTOS
    assert (figures.density, report["density"]) == ("dense", "auto")
    assert figures.points
    assert figures.points > 20 * report["sparsePoints"] > 0
    assert report["dense"]["points"] == figures.points
    assert report["dense"]["withoutMaps"] == []
    assert (report["dense"]["engine"], report["dense"]["views"], report["dense"]["maps"]) == ("exact", PHOTOS, MAPS)
    assert {"undistort", "patch_match", "fuse"} <= report["seconds"].keys()
    assert report["units"] == "metres"

    points, normals, vertices = in_the_scene(run, scene)
    assert len(points) == figures.points
    errors, cosines = Surface(scene.cameras).compare(points, normals)
    assert np.median(errors) < 0.02
    assert np.quantile(errors, 0.95) < 0.15
    assert np.median(cosines) > 0.99, "normals turn with the model"
    assert vertices["views"].min() == 3
    assert 3 <= np.median(vertices["views"]) <= PHOTOS
    assert columns(vertices, "red", "green", "blue").mean() > 20

    _assert_counted_all_the_way(run.progress)
    _assert_every_reader_gets_it(run, vertices, report)


def _assert_counted_all_the_way(progress: Sequence[Progress]) -> None:
    steps = list(dict.fromkeys(line.step for line in progress))
    dense = ["undistort", "patch_match", "fuse"]
    assert steps == ["download", "extract", "match", "map", *dense, "export", "upload"]
    percents = [line.percent for line in progress]
    assert percents == sorted(percents)
    ends = {line.step: line for line in progress}
    assert (ends["undistort"].done, ends["undistort"].total) == (PHOTOS, PHOTOS)
    assert (ends["patch_match"].done, ends["patch_match"].total) == (MAPS, MAPS)
    assert any(0 < line.done < MAPS for line in progress if line.step == "patch_match")


def _assert_every_reader_gets_it(run: StageRun, vertices: NDArray[Any], report: Mapping[str, Any]) -> None:
    positions, colours = read_ply(run.folder / POINTS_FILE)
    assert (positions == columns(vertices, "x", "y", "z")).all()
    assert (colours == columns(vertices, "red", "green", "blue")).all()
    cloud = laspy.read(run.folder / LAZ_FILE)
    crs = cloud.header.parse_crs()
    assert crs is not None
    assert crs.to_string() == report["georeference"]["crs"]
    assert len(cloud.x) == len(vertices)
    assert np.ptp(cloud.z) == pytest.approx(np.ptp(vertices["z"]), abs=0.01), "both are in metres"
    target = np.array(run.json(VIEW_FILE)["target"])
    assert target == pytest.approx(np.median(positions, axis=0), abs=1e-3), "the view is of the dense cloud"


def test_processors_compute_depth_and_the_cloud_lies_on_the_surface(
    store_server: StoreServer, tmp_path: Path, scene: Scene
) -> None:
    ingested(store_server, scene.photos)
    run = Key(store_server, tmp_path, scene, program=PROCESSORS).run()
    figures, report = run.result.figures, run.json(REPORT_FILE)
    assert figures.density == "dense"
    assert report["dense"]["engine"] == "patch match on processors"
    assert report["dense"]["withoutMaps"] == []
    assert figures.points == report["dense"]["points"] > 20 * report["sparsePoints"]
    points, normals, _ = in_the_scene(run, scene)
    errors, cosines = Surface(scene.cameras).compare(points, normals)
    assert np.median(errors) < 0.05, "a pixel is some 4 cm wide there"
    assert np.quantile(errors, 0.95) < 0.2
    assert np.median(cosines) > 0.95


def whole_maps(names: Collection[str]) -> set[str]:
    """The stored files of depths whose normals are stored as well."""
    depths = {name for name in names if "/depth_maps/" in name}
    return {name for name in depths if name.replace("/depth_maps/", "/normal_maps/") in names}


def test_killed_at_ten_moments_processors_make_no_stored_map_again_and_the_same_cloud(
    store_server: StoreServer, tmp_path: Path, scene: Scene
) -> None:
    ingested(store_server, scene.photos)
    key = Key(store_server, tmp_path, scene, program=PROCESSORS)
    undisturbed = Key(store_server, tmp_path, scene, program=PROCESSORS, name="undisturbed")
    for moment, stored in enumerate(MOMENTS):
        pod = key.start()
        until(partial(_stored, key, stored), "maps are stored while others are made")
        pod.vanish()
        if moment == 0:
            # Of the same model, as COLMAP's mapping is not the same each time.
            shutil.copytree(key.folder, undisturbed.folder)
    before = key.maps
    last = key.run()
    assert last.json(REPORT_FILE)["dense"]["mapsFromAttempts"] == len(whole_maps(before))
    assert {name: makers for name, makers in key.makers.items() if len(makers) > 1} == {}
    assert len(whole_maps(key.maps)) == MAPS
    points = undisturbed.run().folder / POINTS_FILE
    assert (last.folder / POINTS_FILE).read_bytes() == points.read_bytes()


def _stored(key: Key, least: int) -> bool | None:
    return len(whole_maps(key.maps)) >= least or None


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_maps_that_a_pod_stored_are_not_made_again(
    store_server: StoreServer, tmp_path: Path, scene: Scene, end: signal.Signals
) -> None:
    ingested(store_server, scene.photos)
    key = Key(store_server, tmp_path, scene)
    made = PHOTOS + 2
    pod = key.start(stop_after=made)
    pod.until("patch_match", made)
    if end is signal.SIGKILL:
        until(lambda: len(whole_maps(key.maps)) >= made - 2 or None, "maps are stored while others are made")
        pod.vanish()
    else:
        pod.process.send_signal(signal.SIGTERM)
        pod.wait().assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)
        assert len(whole_maps(key.maps)) == made, "what is done is not lost when the pod has had notice"
    stored = key.maps
    damaged = next(name for name in stored if "/photometric/depth_maps/" in name)
    stored[damaged].write_bytes(b"480&360&1&")

    last = key.run()
    report = last.json(REPORT_FILE)
    assert report["dense"]["mapsFromAttempts"] == len(whole_maps(stored)) - 1
    first = next(line.done for line in last.progress if line.step == "patch_match")
    assert first == len(whole_maps(stored)) - 1
    assert "incremental_pipeline" not in last.log, "the model is the one that the maps were made of"
    assert report["dense"]["withoutMaps"] == []
    assert len(whole_maps(key.maps)) == MAPS
    assert (last.result.figures.images_registered, last.result.figures.density) == (PHOTOS, "dense")
    errors, _ = Surface(scene.cameras).compare(*in_the_scene(last, scene)[:2])
    assert np.median(errors) < 0.02


def test_a_view_whose_maps_are_not_whole_is_left_out_and_named(
    store_server: StoreServer, tmp_path: Path, scene: Scene
) -> None:
    ingested(store_server, scene.photos)
    broken, missing = scene.names[1], scene.names[2]
    key = Key(store_server, tmp_path, scene)
    run = key.run(cut_short=(broken,), leave_out=(missing,))

    without = {view["name"]: view["why"] for view in run.json(REPORT_FILE)["dense"]["withoutMaps"]}
    assert without.keys() == {broken, missing}
    assert without[missing] == "it was to be left out"
    assert run.result.figures.density == "dense"
    assert not [name for name in key.maps if name.endswith((broken, missing))]


@pytest.mark.parametrize("how", ["no maps", "no agreement"])
def test_photos_of_which_no_dense_cloud_comes_give_the_sparse_one_and_say_why(
    store_server: StoreServer, tmp_path: Path, scene: Scene, how: str
) -> None:
    ingested(store_server, scene.photos)
    key = Key(store_server, tmp_path, scene)
    # COLMAP's engine makes 0 of depths that the other views contradict.
    orders = {"leave_out": scene.names} if how == "no maps" else {"scale": dict.fromkeys(scene.names, 0.0)}
    run = key.run(**orders)
    (warning,) = run.result.warnings
    assert warning.reason == "NotDensified"
    assert ("it was to be left out" if how == "no maps" else "confirmed by the others") in warning.message
    report = run.json(REPORT_FILE)
    assert run.result.figures.density == "sparse"
    assert run.result.figures.points == report["sparsePoints"] == len(read_ply(run.folder / POINTS_FILE)[0])
    assert report["dense"]["points"] == 0
    assert report["warnings"] == [warning.model_dump()]


def test_masked_pixels_give_no_points(store_server: StoreServer, tmp_path: Path, scene: Scene) -> None:
    edge = scene.cameras[0].width // 4
    black = np.full((scene.cameras[0].height, scene.cameras[0].width), 255, np.uint8)
    black[:, :edge] = 0
    Image.fromarray(black).save(tmp_path / "mask.png")
    mask = (tmp_path / "mask.png").read_bytes()
    ingested(store_server, scene.photos, masks=dict.fromkeys(scene.names, mask))
    run = Key(store_server, tmp_path, scene).run()

    assert run.result.figures.density == "dense"
    points, _, vertices = in_the_scene(run, scene)
    unmasked = np.zeros(len(points), int)
    for camera in scene.cameras:
        (_, column), there = _rows(camera, points)
        unmasked += there & (column >= edge - 2)
    assert (unmasked >= vertices["views"]).mean() > 0.999
