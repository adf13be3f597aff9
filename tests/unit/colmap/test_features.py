"""Features of photos over several attempts and runs: each extracts only what no pod before it has stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pycolmap
import pytest
from PIL import Image, ImageFilter

from pointcloud_api.resource import CameraSharing, Quality
from pointcloud_api.stages import Photo
from pointcloud_colmap.camera_groups import group_by_camera
from pointcloud_colmap.device import Device
from pointcloud_colmap.exif import read_shots
from pointcloud_colmap.feature_files import read_features
from pointcloud_colmap.features import Extraction, extract_features
from pointcloud_colmap.kept import KeptFeatures
from pointcloud_colmap.photos import Photos
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import Reporter
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import Store
from tests.fixtures.store import StoreServer

RECIPE = PRESETS[Quality.LOW].extraction_recipe(Device.CPU)


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    """Five photos of one camera without EXIF; the last shows nothing."""
    folder = tmp_path / "images"
    folder.mkdir()
    listed = {}
    for seed in range(5):
        name = f"{seed}.jpg"
        noise = np.random.default_rng(seed).integers(0, 255 if seed < 4 else 1, (150, 200, 3), np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).save(folder / name)
        listed[name] = Photo(path=f"images/{name}", size=1, sha256=f"sha-of-{seed}", width=200, height=150)
    return Photos(folder=folder, by_name=listed)


def some(photos: Photos, names: Sequence[str]) -> Photos:
    return Photos(folder=photos.folder, by_name={name: photos.by_name[name] for name in names})


@dataclass
class Attempts:
    """Pods of runs, which the key tells apart, over one store."""

    store: StoreServer
    folder: Path

    def attempt(self, photos: Photos, *, key: str, pod_uid: str, run_before: str | None = None) -> "Attempt":
        """Extracts what others have not left, as one pod."""
        folder = self.folder / f"{key}-{pod_uid}"
        folder.mkdir()
        (folder / "token").write_text(self.store.token(namespace="surveys", pod_uid=pod_uid))
        client = Store(self.store.url, folder / "token")
        checkpoint = Checkpoint(client, prefix=_prefix(key), pod_uid=pod_uid)
        kept = KeptFeatures(photos, recipe=RECIPE, checkpoint=checkpoint, scratch=folder / "features")
        begun: list[int] = []
        reporter = Reporter(lambda line: begun.append(line.done) if line.step == "extract" else None, nonce=pod_uid)
        reporter.plan(reuse=1, enter=1, extract=1)
        before = LeftPieces(client, _prefix(run_before), but_of=pod_uid) if run_before else None
        kept.bring(LeftPieces(client, _prefix(key), but_of=pod_uid), before, reporter)
        groups = group_by_camera(photos, read_shots(photos), CameraSharing.AUTO)
        how = Extraction(preset=PRESETS[Quality.LOW], device=Device.CPU, threads=2, groups=groups)
        features = extract_features(folder / "database.db", photos, kept=kept, how=how, progress=reporter)
        checkpoint.settle()
        return Attempt(folder / "database.db", kept, features, begun[0])

    def stored(self, key: str) -> dict[str, bytes]:
        """The features below the key by pod and file name."""
        root = self.store.folder / _prefix(key)
        return {f"{file.parts[-3]}/{file.name}": file.read_bytes() for file in root.glob("*/features/*")}


@dataclass
class Attempt:
    database: Path
    kept: KeptFeatures
    features: dict[str, int]
    begun: int
    """How many photos were done when the step `extract` began."""


def _prefix(key: str) -> str:
    return f"processed/surveys/beach/6f1f/{key}"


@pytest.fixture
def attempts(store_server: StoreServer, tmp_path: Path) -> Attempts:
    return Attempts(store_server, tmp_path)


def contents(database: Path) -> tuple[set[tuple[int, int]], dict[str, npt.NDArray[np.uint8]]]:
    """Sizes of the cameras, and the descriptors by photo."""
    with pycolmap.Database.open(database) as connection:
        images = connection.read_all_images()
        assert {image.camera_id for image in images} == {c.camera_id for c in connection.read_all_cameras()}
        assert len({image.frame_id for image in images}) == connection.num_frames() == len(images)
        cameras = {(camera.camera_id, camera.width) for camera in connection.read_all_cameras()}
        return cameras, {image.name: connection.read_descriptors(image.image_id).data for image in images}


def test_a_database_with_features_of_an_earlier_run_is_as_one_without(attempts: Attempts, photos: Photos) -> None:
    whole = attempts.attempt(photos, key="whole", pod_uid="pod-0")
    attempts.attempt(some(photos, ["0.jpg", "2.jpg", "4.jpg"]), key="first", pod_uid="pod-1")
    second = attempts.attempt(photos, key="second", pod_uid="pod-2", run_before="first")

    assert second.features == whole.features
    assert second.features["4.jpg"] == 0
    assert (second.begun, len(second.kept.brought), second.kept.from_attempts) == (3, 3, 0)
    cameras, descriptors = contents(second.database)
    expected_cameras, expected = contents(whole.database)
    assert cameras == expected_cameras
    assert len(cameras) == 1
    assert {name: data.tobytes() for name, data in descriptors.items()} == {
        name: data.tobytes() for name, data in expected.items()
    }


def test_features_are_stored_once_below_a_key_by_whichever_pod_had_them_first(
    attempts: Attempts, photos: Photos
) -> None:
    first = attempts.attempt(some(photos, ["0.jpg", "2.jpg"]), key="key", pod_uid="pod-1")
    second = attempts.attempt(photos, key="key", pod_uid="pod-2")
    third = attempts.attempt(photos, key="key", pod_uid="pod-3")

    assert [attempt.kept.from_attempts for attempt in (first, second, third)] == [0, 2, 5]
    assert sorted(attempts.stored("key")) == [
        "pod-1/sha-of-0.npy", "pod-1/sha-of-2.npy", "pod-2/sha-of-1.npy", "pod-2/sha-of-3.npy", "pod-2/sha-of-4.npy",
    ]  # fmt: skip
    assert contents(third.database)[1].keys() == contents(second.database)[1].keys()
    assert third.features == second.features


def test_every_run_stores_the_features_of_all_its_photos_in_the_same_bytes(attempts: Attempts, photos: Photos) -> None:
    attempts.attempt(photos, key="first", pod_uid="pod")
    attempts.attempt(photos, key="second", pod_uid="pod", run_before="first")
    assert len(attempts.stored("first")) == 5
    assert attempts.stored("second") == attempts.stored("first")


def test_a_stored_photo_is_taken_as_it_is(attempts: Attempts, photos: Photos) -> None:
    """What is brought is entered, not extracted once more in secret."""
    attempts.attempt(photos, key="first", pod_uid="pod-1")
    swapped = dict(photos.by_name)
    swapped["0.jpg"] = swapped["1.jpg"]
    second = attempts.attempt(
        Photos(folder=photos.folder, by_name=swapped), key="second", pod_uid="pod-2", run_before="first"
    )
    assert second.begun == 5
    assert second.features["0.jpg"] == second.features["1.jpg"]


@pytest.mark.parametrize("content", [b"", b"no features", b"\x93NUMPY"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.npy").write_bytes(content)
    with pytest.raises(ValueError, match="holds no features"):
        read_features(tmp_path / "it.npy")


def test_arrays_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "it.npy").open("wb") as file:
        np.save(file, np.zeros((5, 6), np.float32))
        np.save(file, np.zeros((4, 128), np.uint8))
    with pytest.raises(ValueError, match="holds no features"):
        read_features(tmp_path / "it.npy")


def test_recipes_tell_apart_what_changes_features_and_nothing_else() -> None:
    medium, high = PRESETS[Quality.MEDIUM], PRESETS[Quality.HIGH]
    recipe = medium.extraction_recipe(Device.CPU)
    assert recipe == medium.extraction_recipe(Device.CPU)
    assert recipe == replace(medium, guided_matching=True, ba_global_max_refinements=5).extraction_recipe(Device.CPU)
    others = [high.extraction_recipe(Device.CPU), medium.extraction_recipe(Device.CUDA)]
    others += [medium.matching_recipe(Device.CPU), medium.matching_recipe(Device.CUDA)]
    others += [high.matching_recipe(Device.CPU), medium.matching_recipe(Device.CPU, "OPENCV")]
    assert len({recipe, *others}) == 7
