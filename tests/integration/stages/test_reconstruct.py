"""The reconstruct stage as a pod runs it: a process of its own, against the real store, after an ingest result."""

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pointcloud_api.names import StageName
from pointcloud_api.resource import Density, Georeferencing, Quality, ReconstructionExport
from pointcloud_api.stages import (
    PHOTO_MANIFEST,
    REPORT_FILE,
    ExitCode,
    Figures,
    Photo,
    PhotoManifest,
    Progress,
    Reason,
    ReconstructDocument,
    ReconstructSettings,
)
from pointcloud_stage.store import sha256_of
from tests.fixtures.stages import ROOT, StageBefore, StageRun, run_stage
from tests.fixtures.store import StoreServer
from tools.scene.accuracy import compare, read_images_txt
from tools.scene.camera import Truth
from tools.scene.degenerate import not_a_photo, unrelated
from tools.scene.photos import write

DATA = ROOT.parent / "shared" / "data"
JOB = {"namespace": "surveys", "name": "beach", "uid": "6f1f"}


def ingested(
    store: StoreServer, photos: Iterable[Path], *, key: str = "photos", size: tuple[int, int] | None = None
) -> None:
    """Leave photos in the store as an ingest pod does; `size` is claimed for those that are none."""
    pod = StageBefore(store, StageName.INGEST, JOB, key=key)
    listed = []
    for photo in photos:
        width, height = size or Image.open(photo).size
        stored = pod.leave(f"images/{photo.name}", photo.read_bytes())
        listed.append(Photo(**stored.model_dump(), width=width, height=height))
    manifest = pod.leave(PHOTO_MANIFEST, PhotoManifest(photos=tuple(listed)).model_dump_json().encode())
    pod.finish([manifest], Figures(images_found=len(listed), images_usable=len(listed)))


def reconstruct(
    store: StoreServer,
    tmp_path: Path,
    *,
    key: str = "model",
    upstream: str = "photos",
    previous_key: str | None = None,
    quality: Quality = Quality.MEDIUM,
    georeference: Georeferencing = Georeferencing.AUTO,
    exports: tuple[ReconstructionExport, ...] = (),
) -> StageRun:
    """Run a reconstruct pod to its end."""
    document = ReconstructDocument(
        **JOB,
        key=key,
        attempt=1,
        store_url=store.url,
        upstream=upstream,
        settings=ReconstructSettings(
            quality=quality, georeference=georeference, exports=exports, density=Density.SPARSE
        ),
        previous_key=previous_key,
        device="cpu",
    )
    return run_stage("pointcloud_colmap", document, store=store, tmp_path=tmp_path, pod_uid=f"pod-of-{key}")


def photos_of(name: str) -> list[Path]:
    """A real set of photos, where it lies beside the checkout."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no photos in {folder}")
    return sorted(folder.glob("*.JPG"))


def test_brighton_beach_is_reconstructed_whole(store_server: StoreServer, tmp_path: Path) -> None:
    ingested(store_server, photos_of("brighton-beach"))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.DONE, run.stdout
    figures = run.result.figures
    assert (figures.images_found, figures.images_usable, figures.images_registered) == (18, 18, 18)
    assert figures.points
    assert figures.points > 6000
    assert figures.mean_reprojection_error
    assert figures.mean_reprojection_error <= 0.4
    assert figures.device == "cpu"
    assert not run.result.warnings
    report = run.json(REPORT_FILE)
    assert report["cameras"] == 1
    assert (report["units"], report["georeference"]["crs"]) == ("metres", "EPSG:32615")
    assert report["georeference"]["positionsUsed"] == 18
    assert report["georeference"]["residuals"]["rms"] < 1


def test_rendered_photos_are_placed_where_they_were_taken_and_level(store_server: StoreServer, tmp_path: Path) -> None:
    truth = write(tmp_path / "scene")
    ingested(store_server, sorted((tmp_path / "scene" / "photos").iterdir()))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.DONE, run.stdout
    poses = read_images_txt(run.folder / "sparse" / "images.txt")
    accuracy = compare(poses, truth)
    assert accuracy.registered == accuracy.expected
    assert accuracy.centre_error_max < 0.01
    assert _tilt_degrees(poses, truth) < 3

    _assert_counted_all_the_way(run.progress, photos=len(truth.cameras))
    view = run.json("view.json")
    assert view["up"] == [0, 0, 1]
    assert view["position"][2] > view["target"][2], "the photos look down at the ruin"


def _assert_counted_all_the_way(progress: Sequence[Progress], *, photos: int) -> None:
    steps = list(dict.fromkeys(line.step for line in progress))
    assert steps == ["download", "extract", "match", "map", "export", "upload"]
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

    assert "60 %" in run.assert_failed(Reason.NO_OVERLAP, ExitCode.BAD_DATA).remedy


def test_photos_that_colmap_cannot_read_are_named(store_server: StoreServer, tmp_path: Path) -> None:
    one = not_a_photo(tmp_path / "photos")
    other = Path(shutil.copy(one, one.with_name("other.jpg")))
    ingested(store_server, [one, other], size=(640, 480))
    run = reconstruct(store_server, tmp_path)
    run.assert_failed(Reason.TOO_FEW_POINTS, ExitCode.BAD_DATA)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten neighbouring photos, small enough that a run takes seconds."""
    folder = tmp_path_factory.mktemp("scene")
    write(folder, width=640)
    return sorted((folder / "photos").iterdir())[:10]


def extracted(run: StageRun) -> list[str]:
    """The photos whose features COLMAP extracted, by its own log."""
    assert run.exit_code == ExitCode.DONE, run.stdout
    return sorted(re.findall(r"feature_extraction\.cc.*Name: +(\S+)", run.log))


def stored_features(run: StageRun) -> dict[str, bytes]:
    """The features that the pod stored, by the file's name."""
    return {file.name: file.read_bytes() for file in (run.folder / "features").iterdir()}


def test_photos_that_are_added_are_the_only_ones_extracted(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path]
) -> None:
    names = [photo.name for photo in rendered]
    ingested(store_server, rendered[:8])
    first = reconstruct(store_server, tmp_path, key="first", quality=Quality.LOW)
    ingested(store_server, rendered, key="more-photos")
    second = reconstruct(
        store_server, tmp_path, key="second", upstream="more-photos", previous_key="first", quality=Quality.LOW
    )

    assert (extracted(first), extracted(second)) == (names[:8], names[8:])
    assert (first.result.figures.images_reused, second.result.figures.images_reused) == (0, 8)
    assert second.result.figures.images_registered == 10
    assert second.json(REPORT_FILE)["figures"]["imagesReused"] == 8
    assert second.json(REPORT_FILE)["cameras"] == 1
    assert second.json(REPORT_FILE)["takenOver"] == {
        "featuresFromAttempts": 0, "featuresFromRun": 8, "pairsFromAttempts": 0, "pairsFromRun": 8 * 7 // 2,
    }  # fmt: skip
    before, after = stored_features(first), stored_features(second)
    assert len(before) == 8
    assert len(after) == 10
    assert before.items() <= after.items()
    assert [line.step for line in second.progress if line.done == line.total][:3] == [
        "download", "reuse", "enter",
    ]  # fmt: skip
    assert min(line.done for line in second.progress if line.step == "extract") == 8
    assert min(line.done for line in second.progress if line.step == "match") == 8 * 7 // 2


def test_what_an_earlier_run_lost_is_extracted_again(
    store_server: StoreServer, tmp_path: Path, rendered: list[Path]
) -> None:
    photos = rendered[:5]
    ingested(store_server, photos)
    first = reconstruct(store_server, tmp_path, key="first", quality=Quality.LOW)

    def again(key: str, *, quality: Quality = Quality.LOW) -> list[str]:
        run = reconstruct(store_server, tmp_path, key=key, previous_key="first", quality=quality)
        names = extracted(run)
        assert run.result.figures.images_reused == 5 - len(names)
        assert run.result.figures.images_registered == 5
        return names

    all_names = [photo.name for photo in photos]
    assert again("whole") == []
    assert again("of-another-quality", quality=Quality.MEDIUM) == all_names
    (first.folder / "features" / f"{sha256_of(photos[-1])}.npy").unlink()
    assert again("less-one") == all_names[-1:]
    damaged = first.folder / "features" / f"{sha256_of(photos[0])}.npy"
    damaged.write_bytes(damaged.read_bytes()[::-1])
    assert again("one-damaged") == [all_names[0], all_names[-1]]
    for listed in (first.folder / "checkpoint").iterdir():
        listed.write_text("{}")
    assert again("garbled") == all_names
    shutil.rmtree(first.folder)
    assert again("gone") == all_names
