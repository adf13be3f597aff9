"""Every way of matching and mapping, by the stage's real program on real photos of scenes with known cameras."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFilter

from pointcloud_api.resource import Density, Mapper, Matching, Quality
from pointcloud_api.stages import REPORT_FILE, ExitCode, Reason, ReconstructDocument, ReconstructSettings
from tests.fixtures.stages import StageRun, run_stage
from tests.fixtures.store import StoreServer
from tests.integration.stages.test_reconstruct import JOB, ingested, photos_of
from tools.scene.accuracy import compare, read_images_txt
from tools.scene.camera import Truth
from tools.scene.photos import take, write
from tools.scene.ruin import ruin


def reconstruct(store: StoreServer, tmp_path: Path, **settings: Any) -> StageRun:
    document = ReconstructDocument(
        **JOB,
        key="model",
        attempt=1,
        store_url=store.url,
        upstream="photos",
        settings=ReconstructSettings(**{"quality": Quality.LOW, "density": Density.SPARSE, **settings}),
        device="cpu",
    )
    return run_stage("pointcloud_colmap", document, store=store, tmp_path=tmp_path, pod_uid="pod-1")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[Path]]:
    """Photos once around a ruin, small enough that a run takes seconds."""
    folder = tmp_path_factory.mktemp("scene")
    truth = write(folder, photos=24, width=560)
    return truth, sorted((folder / "photos").iterdir())


def located(photos: Sequence[Path], truth: Truth, folder: Path) -> list[Path]:
    """The photos with the EXIF GPS of where they were taken, ten metres in the scene to a metre."""
    folder.mkdir()
    for photo, camera in zip(photos, truth.cameras, strict=True):
        with Image.open(photo) as image:
            exif = image.getexif()
            north, east = (50 + camera.centre[1] / 11_119.5, 8 + camera.centre[0] / 7_147.4)
            exif.get_ifd(ExifTags.IFD.GPSInfo).update(
                {1: "N", 2: (north, 0, 0), 3: "E", 4: (east, 0, 0), 5: b"\0", 6: 100 + camera.centre[2]}
            )
            image.save(folder / photo.name, "JPEG", quality=95, exif=exif)
    return sorted(folder.iterdir())


def assert_accurate(run: StageRun, truth: Truth) -> None:
    accuracy = compare(read_images_txt(run.folder / "sparse" / "images.txt"), truth)
    assert accuracy.registered == accuracy.expected
    assert accuracy.centre_error_max < 0.01


@pytest.mark.parametrize("matching", [Matching.SEQUENTIAL, Matching.SPATIAL])
def test_a_chosen_way_of_matching_compares_fewer_pairs_and_loses_no_photo(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Truth, list[Path]], matching: Matching
) -> None:
    truth, photos = scene
    ingested(store_server, located(photos, truth, tmp_path / "located"))
    run = reconstruct(store_server, tmp_path, matching=matching)

    assert run.exit_code == ExitCode.DONE, run.stdout
    report = run.json(REPORT_FILE)["matching"]
    assert (report["asked"], report["used"], report["why"]) == (matching, matching, "asked for")
    assert report["verified"] <= report["matched"] <= report["possible"] == 24 * 23 // 2
    if matching is Matching.SEQUENTIAL:
        assert report["matched"] < report["possible"]
    assert max(line.done for line in run.progress if line.step == "alike") == 24
    assert {line.total for line in run.progress if line.step == "match"} == {report["matched"]}
    assert_accurate(run, truth)


def test_places_that_no_photo_tells_fail_before_any_work(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Truth, list[Path]]
) -> None:
    ingested(store_server, scene[1])
    run = reconstruct(store_server, tmp_path, matching=Matching.SPATIAL)
    run.assert_failed(Reason.BAD_SETTINGS, ExitCode.BAD_SETTINGS)
    assert {line.step for line in run.progress} == {"download"}


def test_the_global_mapper_places_all_photos(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Truth, list[Path]]
) -> None:
    truth, photos = scene
    ingested(store_server, photos)
    run = reconstruct(store_server, tmp_path, mapper=Mapper.GLOBAL)

    assert run.exit_code == ExitCode.DONE, run.stdout
    assert run.json(REPORT_FILE)["mapper"] == "global"
    assert_accurate(run, truth)
    colours = np.array([line.split()[4:7] for line in points_of(run)], float)
    assert colours.mean() > 20, "points have the photos' colours"


def points_of(run: StageRun) -> list[str]:
    lines = (run.folder / "sparse" / "points3D.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_two_subjects_in_one_upload_are_told_apart_and_every_photo_left_out_has_its_cause(
    store_server: StoreServer, tmp_path: Path, scene: tuple[Truth, list[Path]]
) -> None:
    truth, photos = scene
    folder = tmp_path / "mixed"
    folder.mkdir()
    larger, smaller = photos[:16], truth.cameras[:11]
    for photo in larger:
        (folder / f"larger-{photo.name}").write_bytes(photo.read_bytes())
    for index, camera in enumerate(smaller):
        take(ruin(seed=99), camera, folder / f"smaller-{camera.name}", seed=index)
    with Image.open(photos[5]) as image:
        image.filter(ImageFilter.GaussianBlur(9)).save(folder / "blurred.jpg", exif=image.getexif(), quality=95)
    Image.new("RGB", (560, 420), (90, 90, 90)).save(folder / "bare.jpg", quality=95)
    ingested(store_server, sorted(folder.iterdir()))
    run = reconstruct(store_server, tmp_path)

    assert run.exit_code == ExitCode.DONE, run.stdout
    report = run.json(REPORT_FILE)
    assert [model["images"] for model in report["models"]] == [16, 11]
    causes = {photo["name"]: photo["cause"] for photo in report["unregistered"]}
    assert causes == {
        "blurred.jpg": "blurred",
        "bare.jpg": "tooFewFeatures",
        **{f"smaller-{camera.name}": "inAnotherModel" for camera in smaller},
    }
    assert all(photo["remedy"] for photo in report["unregistered"])
    partial = next(warning for warning in run.result.warnings if warning.reason == "PartialReconstruction")
    assert partial.message.startswith("16 of 29 photos were registered. 11 in another model")


def test_the_banana_is_reconstructed_but_for_a_photo_at_most(store_server: StoreServer, tmp_path: Path) -> None:
    ingested(store_server, photos_of("banana"))
    run = reconstruct(store_server, tmp_path, quality=Quality.MEDIUM)
    assert run.exit_code == ExitCode.DONE, run.stdout
    assert run.result.figures.images_registered
    assert run.result.figures.images_registered >= 15
    left_out = run.json(REPORT_FILE)["unregistered"]
    assert len(left_out) == 16 - run.result.figures.images_registered
