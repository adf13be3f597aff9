"""A reconstruct pod is stopped or killed at any moment, and the next one goes on where it was."""

import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from pointcloud_api.names import result_path
from pointcloud_api.resource import Density, Matching, Quality
from pointcloud_api.stages import (
    REPORT_FILE,
    ExitCode,
    Progress,
    ProgressLine,
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
from tools.scene.accuracy import read_images_txt
from tools.scene.photos import write

PHOTOS: Final = 16
PAIRS: Final = PHOTOS * (PHOTOS - 1) // 2
FEW: Final = 10
"""Photos all of which are near each other in a sequence, so that looks add no pairs."""
_BLOCK: Final = 100
"""Pairs that COLMAP compares before it begins to write of the next ones."""

_EXTRACTED: Final = re.compile(r"feature_extraction\.cc.*Name: +(\S+)")
_COMPARING: Final = re.compile(r"Processing block \[\d+/\d+\]")
_PLACING: Final = re.compile(r"num_reg_frames=(\d+)\)")
_MADE: Final = "Keeping successful reconstruction"


def _placed(least: int) -> str:
    """What COLMAP prints when it has placed that many photos, or began with more, of an earlier pod's snapshot."""
    return rf"num_reg_frames=({'|'.join(map(str, range(least, PHOTOS)))})\)|{_MADE}"


@dataclass(frozen=True)
class Moment:
    """When a pod comes to its end: by what it has told of its progress, or by what COLMAP has printed."""

    name: str
    step: str
    told: int | None = None
    """So much of the step."""
    printed: str = ""
    """A pattern."""
    times: int = 1
    """Which of the lines that match it."""

    def awaited(self, pod: StageProcess) -> None:
        """Returns at that moment, or a little after it."""
        if self.told is not None:
            pod.until(self.step, self.told)
            return
        for _ in range(self.times):
            pod.until_printed(lambda line: re.search(self.printed, line) is not None)


MOMENTS: Final = (
    Moment("first photo downloaded", "download", told=1),
    Moment("2 photos extracted", "extract", printed=_EXTRACTED.pattern, times=2),
    Moment("2 more photos extracted", "extract", printed=_EXTRACTED.pattern, times=2),
    Moment("all but 2 photos extracted", "extract", told=PHOTOS - 2),
    Moment("all photos extracted", "extract", told=PHOTOS),
    Moment("last block of pairs begun", "match", printed=r"Processing block \[(\d+)/\1\]"),
    Moment("first features brought", "reuse", told=1),
    Moment("features entered", "enter", told=1),
    Moment("all but 5 pairs compared", "match", told=PAIRS - 5),
    Moment("all pairs compared", "match", told=PAIRS),
    Moment("mapping begun", "map", told=0),
    Moment("first photo placed", "map", printed=_placed(2)),
    Moment("half of the photos placed", "map", printed=_placed(PHOTOS // 2)),
    Moment("all but 2 photos placed", "map", printed=_placed(PHOTOS - 2)),
    Moment("model made, and explained", "map", printed=_MADE),
    Moment("cloud placed", "export", told=1),
    Moment("files written", "export", told=2),
    Moment("files stored", "upload", told=1),
)
"""In the order of the work."""
ALIKE: Final = (Moment("first photo looked up", "alike", told=1), Moment("all photos looked up", "alike", told=FEW))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of one scene, small enough that a run takes seconds."""
    folder = tmp_path_factory.mktemp("scene")
    write(folder, width=640)
    return sorted((folder / "photos").iterdir())[:PHOTOS]


@dataclass(frozen=True)
class Work:
    """Photos extracted, pairs compared and photos placed."""

    extracted: int
    compared: int
    placed: int

    def less(self, other: "Work") -> "Work":
        """What is here and not there."""
        return Work(
            max(0, self.extracted - other.extracted),
            max(0, self.compared - other.compared),
            max(0, self.placed - other.placed),
        )


@dataclass
class Key:
    """Pods of one key, one after the other."""

    store: StoreServer
    tmp_path: Path
    key: str = "model"
    matching: Matching = Matching.AUTO
    pods: int = 0

    @property
    def document(self) -> ReconstructDocument:
        return ReconstructDocument(
            **JOB,
            key=self.key,
            attempt=1,
            store_url=self.store.url,
            upstream="photos",
            settings=ReconstructSettings(quality=Quality.LOW, matching=self.matching, density=Density.SPARSE),
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
    def work(self) -> Work:
        """All that is stored."""
        return Work(len(self.features), self.pairs, self.placed)

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
    return set(_EXTRACTED.findall(stdout))


def first(progress: Iterable[Progress], step: str) -> int:
    """How much of a step was done when it began."""
    return next(line.done for line in progress if line.step == step)


@pytest.fixture(scope="module")
def names(rendered: list[Path]) -> dict[str, str]:
    """Names of the photos by hash."""
    return {sha256_of(photo): photo.name for photo in rendered}


def assert_same_result(run: StageRun, undisturbed: StageRun, *, photos: int = PHOTOS) -> None:
    """Registered the same photos; points as many as COLMAP's threads allow to say."""
    figures, expected = run.result.figures, undisturbed.result.figures
    assert run.json(REPORT_FILE)["unregistered"] == undisturbed.json(REPORT_FILE)["unregistered"]
    assert registered(run) == registered(undisturbed)
    assert figures.images_registered == expected.images_registered == photos
    assert figures.models == expected.models
    for key in ("matching", "cameras"):
        assert run.json(REPORT_FILE)[key] == undisturbed.json(REPORT_FILE)[key]
    assert expected.points
    assert figures.points == pytest.approx(expected.points, rel=0.02)


def registered(run: StageRun) -> set[str]:
    """Names of the photos in the model that a run has left."""
    return set(read_images_txt(run.folder / "sparse" / "images.txt"))


def done(lines: Sequence[str], before: Work) -> Work:
    """What a pod had certainly done when it had printed so much, by COLMAP's own log, added to what it began with.

    COLMAP prints the name of a photo before it writes its features, and of a block before it compares it.
    """
    steps = {told.step for told in pod_told(lines)}
    matching, mapping = bool(steps & {"match", "map", "export", "upload"}), bool(steps & {"map", "export", "upload"})
    photos, blocks = len(extracted("".join(lines))), sum(bool(_COMPARING.search(line)) for line in lines)
    return Work(
        PHOTOS if matching else before.extracted + max(0, photos - 1),
        PAIRS if mapping else before.compared + max(0, blocks - 1) * _BLOCK,
        PHOTOS
        if steps & {"export", "upload"}
        else max([before.placed, *(int(count) for line in lines for count in _PLACING.findall(line))]),
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_nothing_that_a_pod_stored_is_done_again_whenever_it_ends(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path], names: dict[str, str], end: signal.Signals
) -> None:
    ingested(store_server, rendered)
    undisturbed = Key(store_server, tmp_path, key="undisturbed").run()
    key = Key(store_server, tmp_path)
    # However quick a pod is, it has not finished before the signal.
    store_server.closed_to = "result.json"
    print(
        f"\n| {end.name} when | photos extracted again | pairs compared again | photos placed again |\n| --- |"
        + " ---: |" * 3
    )
    for moment in MOMENTS:
        known, before = key.features, key.work
        pod = key.start()
        moment.awaited(pod)
        due = done(pod.read, before)
        stdout, progress = pod.vanish() if end == signal.SIGKILL else told_to_end(pod)
        after = key.work
        if end == signal.SIGTERM:
            assert due.less(after) == Work(0, 0, 0), f"{moment.name}: all that was done is stored when there is notice"
            assert after.compared >= max((line.done for line in pod_told(pod.read) if line.step == "match"), default=0)
        if moment in MOMENTS[-2:]:
            assert after == Work(PHOTOS, PAIRS, PHOTOS), "before a pod writes its files, all that it made is stored"
        assert not extracted(stdout) & {names[photo] for photo in known}, moment
        for step, had in (("extract", before.extracted), ("match", before.compared), ("map", before.placed)):
            if any(line.step == step for line in progress):
                assert first(progress, step) == had, moment
        again = done([*stdout.splitlines(keepends=True)], before).less(after)
        print(f"| {moment.name} | {again.extracted} | {again.compared} | {again.placed} |")
    assert key.work == Work(PHOTOS, PAIRS, PHOTOS)

    store_server.closed_to = None
    last = key.run()
    assert first(last.progress, "map") == PHOTOS
    assert not extracted(last.log)
    assert last.result.figures.images_reused == PHOTOS
    assert last.json(REPORT_FILE)["takenOver"] == {
        "featuresFromAttempts": PHOTOS, "featuresFromRun": 0, "pairsFromAttempts": PAIRS, "pairsFromRun": 0,
    }  # fmt: skip
    assert [file.name for file in last.folder.iterdir() if file.name in {"features", "pairs"}] == []
    assert_same_result(last, undisturbed)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=lambda end: end.name)
def test_a_pod_that_ends_while_photos_are_looked_up_costs_that_step_alone(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path], end: signal.Signals
) -> None:
    ingested(store_server, rendered[:FEW])
    undisturbed = Key(store_server, tmp_path, key="undisturbed", matching=Matching.SEQUENTIAL).run()
    key = Key(store_server, tmp_path, matching=Matching.SEQUENTIAL)
    for moment in ALIKE:
        known = key.features
        pod = key.start()
        moment.awaited(pod)
        stdout, progress = pod.vanish() if end == signal.SIGKILL else told_to_end(pod)
        assert first(progress, "extract") == len(known)
        assert len(extracted(stdout)) == FEW - len(known)
        if end == signal.SIGTERM:
            assert len(key.features) == FEW
    assert_same_result(key.run(), undisturbed, photos=FEW)


def pod_told(lines: Iterable[str]) -> list[Progress]:
    """Progress among printed lines."""
    return [ProgressLine.model_validate_json(line).progress for line in lines if line.startswith('{"progress":')]


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
    pod.until("extract", 0)
    store_server.away = True
    pod.until("match", PAIRS)
    store_server.away = False
    run = pod.wait()
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert "cannot be stored for later pods at present" in run.log
    assert (len(key.features), key.pairs) == (PHOTOS, PAIRS)
