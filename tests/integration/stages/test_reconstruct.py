"""The reconstruct stage as a pod runs it: a process of its own, against the real store, after an ingest result."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointcloud_api.names import StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.resource import Quality
from pointcloud_api.stages import (
    DOCUMENT_VARIABLE,
    PHOTO_MANIFEST,
    POD_UID_VARIABLE,
    Artefact,
    ExitCode,
    Figures,
    Photo,
    PhotoManifest,
    Progress,
    ProgressLine,
    ReconstructDocument,
    ReconstructSettings,
    StageResult,
    Termination,
)
from tests.fixtures.store import StoreServer
from tools.scene.accuracy import compare, read_images_txt
from tools.scene.camera import Truth
from tools.scene.degenerate import not_a_photo, unrelated
from tools.scene.photos import write

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
JOB = {"namespace": "surveys", "name": "beach", "uid": "6f1f"}
INGEST_POD, POD = "ingest-pod", "reconstruct-pod"


@dataclass(frozen=True)
class Run:
    """What a finished pod left."""

    exit_code: int
    termination: Termination
    progress: list[Progress]
    log: str
    folder: Path
    """The pod's folder in the store."""

    @property
    def result(self) -> StageResult:
        assert self.termination.result, self.termination.error
        return self.termination.result

    def json(self, path: str) -> Any:
        return json.loads((self.folder / path).read_bytes())


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def ingested(store: StoreServer, photos: Iterable[Path], *, size: tuple[int, int] | None = None) -> None:
    """Leave photos in the store as an ingest pod does; `size` is claimed for those that are none."""
    prefix = stage_prefix(stage=StageName.INGEST, key="photos", **JOB)
    folder = store.folder / artefact_path(prefix, INGEST_POD, "")
    (folder / "images").mkdir(parents=True)
    listed = []
    for photo in photos:
        stored = folder / "images" / photo.name
        stored.write_bytes(photo.read_bytes())
        width, height = size or Image.open(photo).size
        listed.append(
            Photo(
                path=f"images/{photo.name}",
                size=stored.stat().st_size,
                sha256=_digest(stored),
                width=width,
                height=height,
            )
        )
    manifest = folder / PHOTO_MANIFEST
    manifest.write_text(PhotoManifest(photos=tuple(listed)).model_dump_json())
    result = StageResult(
        stage=StageName.INGEST,
        key="photos",
        pod_uid=INGEST_POD,
        artefacts=(Artefact(path=PHOTO_MANIFEST, size=manifest.stat().st_size, sha256=_digest(manifest)),),
        figures=Figures(images_found=len(listed), images_usable=len(listed)),
    )
    (store.folder / result_path(prefix)).write_text(result.model_dump_json())


def reconstruct(store: StoreServer, tmp_path: Path, *, quality: Quality = Quality.MEDIUM, device: str = "cpu") -> Run:
    """Run a reconstruct pod to its end."""
    document = ReconstructDocument.model_validate(
        {
            **JOB,
            "key": "model",
            "attempt": 1,
            "store_url": store.url,
            "upstream": "photos",
            "settings": ReconstructSettings(quality=quality),
            "device": device,
        }
    )
    token = tmp_path / "token"
    token.write_text(store.token(namespace=JOB["namespace"], pod_uid=POD))
    termination = tmp_path / "termination-log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("operator", "images/stage", "images/colmap")),
        DOCUMENT_VARIABLE: document.model_dump_json(),
        POD_UID_VARIABLE: POD,
        "POINTCLOUD_SCRATCH": str(tmp_path / "scratch"),
        "POINTCLOUD_TERMINATION_LOG": str(termination),
        "POINTCLOUD_TOKEN_FILE": str(token),
    }
    process = subprocess.run(
        [sys.executable, "-m", "pointcloud_colmap"], env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in process.stdout.splitlines() if line.startswith('{"progress"')]
    return Run(
        exit_code=process.returncode,
        termination=Termination.model_validate_json(termination.read_bytes()),
        progress=[ProgressLine.model_validate_json(line).progress for line in lines],
        log=process.stdout + process.stderr,
        folder=store.folder / artefact_path(document.prefix, POD, ""),
    )


def photos_of(name: str) -> list[Path]:
    """A real set of photos, where it lies beside the checkout."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no photos in {folder}")
    return sorted(folder.glob("*.JPG"))


def test_brighton_beach_is_reconstructed_whole(store_server: StoreServer, tmp_path: Path) -> None:
    ingested(store_server, photos_of("brighton-beach"))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.DONE, run.log
    figures = run.result.figures
    assert (figures.images_found, figures.images_usable, figures.images_registered) == (18, 18, 18)
    assert figures.points
    assert figures.points > 6000
    assert figures.mean_reprojection_error
    assert figures.mean_reprojection_error <= 0.4
    assert figures.device == "cpu"
    assert not run.result.warnings
    assert run.json("report.json")["cameras"] == 1


def test_rendered_photos_are_placed_where_they_were_taken_and_level(store_server: StoreServer, tmp_path: Path) -> None:
    truth = write(tmp_path / "scene")
    ingested(store_server, sorted((tmp_path / "scene" / "photos").iterdir()))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.DONE, run.log
    poses = read_images_txt(run.folder / "sparse" / "images.txt")
    accuracy = compare(poses, truth)
    assert accuracy.registered == accuracy.expected
    assert accuracy.centre_error_max < 0.01
    assert _tilt_degrees(poses, truth) < 3

    _assert_counted_all_the_way(run.progress, photos=len(truth.cameras))
    view = run.json("view.json")
    assert view["up"] == [0, 0, 1]
    assert view["position"][2] > view["target"][2], "the photos look down at the ruin"


def _assert_counted_all_the_way(progress: list[Progress], *, photos: int) -> None:
    steps = list(dict.fromkeys(line.step for line in progress))
    assert steps == ["download", "inspect", "extract", "match", "map", "export", "upload"]
    percents = [line.percent for line in progress]
    assert percents == sorted(percents)
    ends = {line.step: line for line in progress}
    assert (ends["extract"].done, ends["extract"].total) == (photos, photos)
    assert (ends["match"].done, ends["match"].total) == (photos * (photos - 1) // 2,) * 2
    assert (ends["map"].done, ends["map"].total) == (photos, photos)
    for step in ("extract", "match", "map"):
        assert any(0 < line.done < photos for line in progress if line.step == step), f"{step} jumped to its end"


def _tilt_degrees(poses: Any, truth: Truth) -> float:
    """Between +Z of the reconstruction and the scene's up, which is +Z too."""
    ups = [
        np.asarray(camera.rotation) @ poses[camera.name].rotation.T @ [0, 0, 1]
        for camera in truth.cameras
        if camera.name in poses
    ]
    up = np.mean(ups, axis=0)
    return float(np.degrees(np.arccos(up[2] / np.linalg.norm(up))))


def test_unrelated_photos_fail_for_want_of_overlap(store_server: StoreServer, tmp_path: Path) -> None:
    ingested(store_server, unrelated(tmp_path / "photos"))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.BAD_DATA, run.log
    assert run.termination.error
    assert run.termination.error.reason == "NoOverlap"
    assert "60 %" in run.termination.error.remedy


def test_photos_that_colmap_cannot_read_are_named(store_server: StoreServer, tmp_path: Path) -> None:
    one = not_a_photo(tmp_path / "photos")
    other = Path(shutil.copy(one, one.with_name("other.jpg")))
    ingested(store_server, [one, other], size=(640, 480))
    run = reconstruct(store_server, tmp_path)
    assert run.exit_code == ExitCode.BAD_DATA, run.log
    assert run.termination.error
    assert run.termination.error.reason == "TooFewPoints"
