"""A reconstruct pod is stopped or killed at any moment, and the next one goes on where it was."""

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pointcloud_api.names import result_path
from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import (
    REPORT_FILE,
    ExitCode,
    Progress,
    Reason,
    ReconstructDocument,
    ReconstructSettings,
    StageResult,
)
from pointcloud_stage.pieces import PieceList
from pointcloud_stage.store import sha256_of
from tests.fixtures.stages import StageProcess, StageRun, start_stage
from tests.fixtures.store import StoreServer
from tests.integration.stages.test_reconstruct import JOB, ingested
from tools.scene.photos import write

PHOTOS: Final = 16
PAIRS: Final = PHOTOS * (PHOTOS - 1) // 2
MOMENTS: Final = (
    ("inspect", PHOTOS),
    ("extract", 2),
    ("extract", 6),
    ("extract", PHOTOS - 2),
    ("match", 1),
    ("match", PAIRS // 3),
    ("match", PAIRS - 20),
    ("map", 0),
    ("map", 2),
    ("map", PHOTOS // 2),
)
"""Step, and how much of it is done, when a pod comes to its end."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of one scene, small enough that a run takes seconds."""
    folder = tmp_path_factory.mktemp("scene")
    write(folder, width=640)
    return sorted((folder / "photos").iterdir())[:PHOTOS]


@dataclass
class Key:
    """Pods of one key, one after the other."""

    store: StoreServer
    tmp_path: Path
    key: str = "model"
    pods: int = 0

    @property
    def document(self) -> ReconstructDocument:
        return ReconstructDocument(
            **JOB,
            key=self.key,
            attempt=1,
            store_url=self.store.url,
            upstream="photos",
            settings=ReconstructSettings(quality=Quality.LOW, density=Density.SPARSE),
            device="cpu",
        )

    @property
    def folder(self) -> Path:
        """Of the key in the store."""
        return self.store.folder / self.document.prefix

    def start(self) -> StageProcess:
        self.pods += 1
        return start_stage(
            ["-m", "pointcloud_colmap"],
            self.document,
            store=self.store,
            tmp_path=self.tmp_path,
            pod_uid=f"{self.key}-{self.pods}",
        )

    def run(self) -> StageRun:
        run = self.start().wait()
        assert run.exit_code == ExitCode.DONE, run.stdout
        return run

    def listed(self, kind: str) -> list[Path]:
        """The pieces that pods have stored and listed until now."""
        lists = [PieceList.model_validate_json(file.read_bytes()) for file in self.folder.glob("*/checkpoint/*.json")]
        pieces = [piece for listed in lists for piece in listed.pieces if piece.name.startswith(f"{kind}/")]
        return [self.folder / piece.pod_uid / piece.file.path for piece in pieces]

    @property
    def features(self) -> set[str]:
        """Hashes of the photos whose features are stored."""
        return {file.stem for file in self.listed("features")}

    @property
    def pairs(self) -> int:
        """How many compared pairs are stored."""
        return sum(_pairs_in(block) for block in self.listed("pairs"))

    @property
    def placed(self) -> int:
        """Photos of the most advanced snapshot that is stored."""
        lists = [PieceList.model_validate_json(file.read_bytes()) for file in self.folder.glob("*/checkpoint/*.json")]
        names = [piece.name for listed in lists for piece in listed.pieces if piece.name.startswith("snapshots/")]
        return max((int(name.rpartition("/")[2]) for name in names), default=0)


def _pairs_in(block: Path) -> int:
    with block.open("rb") as stream:
        _photos, pairs = np.load(stream), np.load(stream)
    return len(pairs)


def extracted(stdout: str) -> set[str]:
    """Names of the photos whose features COLMAP extracted, by its own log."""
    return set(re.findall(r"feature_extraction\.cc.*Name: +(\S+)", stdout))


def first(progress: Iterable[Progress], step: str) -> int:
    """How much of a step was done when it began."""
    return next(line.done for line in progress if line.step == step)


@pytest.fixture(scope="module")
def names(rendered: list[Path]) -> dict[str, str]:
    """Names of the photos by hash."""
    return {sha256_of(photo): photo.name for photo in rendered}


def assert_same_result(run: StageRun, undisturbed: StageRun) -> None:
    """Registered the same photos; points as many as COLMAP's threads allow to say."""
    figures, expected = run.result.figures, undisturbed.result.figures
    assert run.json(REPORT_FILE)["unregistered"] == undisturbed.json(REPORT_FILE)["unregistered"]
    assert figures.images_registered == expected.images_registered == PHOTOS
    assert figures.models == expected.models
    for key in ("matching", "cameras"):
        assert run.json(REPORT_FILE)[key] == undisturbed.json(REPORT_FILE)[key]
    assert expected.points
    assert figures.points == pytest.approx(expected.points, rel=0.02)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_nothing_that_a_pod_stored_is_done_again_whenever_it_ends(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path], names: dict[str, str], end: signal.Signals
) -> None:
    ingested(store_server, rendered)
    undisturbed = Key(store_server, tmp_path, key="undisturbed").run()
    key = Key(store_server, tmp_path)
    for step, done in MOMENTS:
        features, pairs, placed = key.features, key.pairs, key.placed
        pod = key.start()
        pod.until(step, done)
        if end == signal.SIGKILL:
            stdout, progress = pod.vanish()
        else:
            stdout, progress = told_to_end(pod)
            stored = {"inspect": PHOTOS, "extract": len(key.features), "match": key.pairs, "map": key.placed}
            assert stored[step] >= done, "what a pod has told of is not lost when it has had notice"
        assert not extracted(stdout) & {names[photo] for photo in features}, (step, done)
        if step in {"extract", "match", "map"}:
            assert first(progress, "extract") == len(features)
        if step in {"match", "map"}:
            assert first(progress, "match") == pairs
        if step == "map":
            assert first(progress, "map") == placed
    features, pairs = key.features, key.pairs
    assert (len(features), pairs) == (PHOTOS, PAIRS), "all was done when mapping began"
    placed = key.placed
    if end == signal.SIGTERM:
        assert placed >= PHOTOS // 2

    last = key.run()
    assert first(last.progress, "map") == placed
    assert not extracted(last.log)
    assert last.result.figures.images_reused == PHOTOS
    assert last.json(REPORT_FILE)["takenOver"] == {
        "featuresFromAttempts": PHOTOS, "featuresFromRun": 0, "pairsFromAttempts": PAIRS, "pairsFromRun": 0,
    }  # fmt: skip
    assert [file.name for file in last.folder.iterdir() if file.name in {"features", "pairs"}] == []
    assert_same_result(last, undisturbed)


def told_to_end(pod: StageProcess) -> tuple[str, tuple[Progress, ...]]:
    pod.process.send_signal(signal.SIGTERM)
    run = pod.wait()
    run.assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)
    return run.stdout, run.progress


def test_a_pod_of_a_silent_node_and_the_one_in_its_place_do_not_harm_each_other(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path]
) -> None:
    ingested(store_server, rendered)
    key = Key(store_server, tmp_path)
    silent = key.start()
    silent.until("match", 1)
    silent.freeze()
    successor = key.run()
    silent.thaw()
    late = silent.wait()

    assert late.exit_code == ExitCode.DONE
    assert (
        late.result
        == successor.result
        == StageResult.model_validate_json((store_server.folder / result_path(key.document.prefix)).read_bytes())
    )
    assert successor.result.pod_uid == "model-2"
    assert successor.result.figures.images_reused == PHOTOS
    for artefact in successor.result.artefacts:
        assert sha256_of(successor.folder / artefact.path) == artefact.sha256
    assert len(key.features) == PHOTOS


def test_what_was_damaged_in_between_costs_its_own_work_alone(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path], names: dict[str, str]
) -> None:
    ingested(store_server, rendered)
    key = Key(store_server, tmp_path)
    pod = key.start()
    pod.until("map", 2)
    told_to_end(pod)
    gone, damaged, *_ = key.listed("features")
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    block, *_ = key.listed("pairs")
    lost = _pairs_in(block)
    block.write_bytes(b"\x00" * block.stat().st_size)

    run = key.run()
    assert extracted(run.log) == {names[gone.stem], names[damaged.stem]}
    assert run.json(REPORT_FILE)["takenOver"] == {
        "featuresFromAttempts": PHOTOS - 2, "featuresFromRun": 0,
        "pairsFromAttempts": PAIRS - lost, "pairsFromRun": 0,
    }  # fmt: skip
    assert run.result.figures.images_registered == PHOTOS


def test_a_store_that_is_away_does_not_stop_the_work(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path]
) -> None:
    ingested(store_server, rendered)
    key = Key(store_server, tmp_path)
    pod = key.start()
    pod.until("inspect", PHOTOS)
    store_server.away = True
    pod.until("match", PAIRS)
    store_server.away = False
    run = pod.wait()
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert "cannot be stored for later pods at present" in run.log
    assert (len(key.features), key.pairs) == (PHOTOS, PAIRS)
