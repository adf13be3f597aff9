"""Models in files, in snapshots, and joined: none loses a photo, and none is taken for another."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.merging import merge_models
from pointcloud_colmap.model_files import read_models, write_models
from pointcloud_colmap.snapshots import Snapshots
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import Store
from tests.fixtures.store import StoreServer

PREFIX = "processed/surveys/beach/6f1f/key"


@dataclass
class World:
    """A made-up scene: its database, and the model of all its photos."""

    database: Path
    model: pycolmap.Reconstruction
    digests: dict[str, str] = field(default_factory=dict)

    def part(self, *images: int) -> pycolmap.Reconstruction:
        """The model of some photos, by their numbers from 1."""
        part = pycolmap.Reconstruction(self.model)
        for image_id in self.model.reg_image_ids():
            if image_id not in images:
                part.deregister_frame(part.image(image_id).frame_id)
        part.tear_down()
        return part

    def cache(self) -> pycolmap.DatabaseCache:
        with pycolmap.Database.open(self.database) as connection:
            return pycolmap.DatabaseCache.create(connection, pycolmap.DatabaseCacheOptions())


@pytest.fixture
def world(tmp_path: Path) -> World:
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = 1
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = 12
    options.num_points3D = 200
    database = tmp_path / "database.db"
    pycolmap.set_random_seed(0)
    with pycolmap.Database.open(database) as connection:
        model = pycolmap.synthesize_dataset(options, connection)
        noise = pycolmap.SyntheticNoiseOptions()
        noise.point2D_stddev = 0.5
        pycolmap.synthesize_noise(noise, model, connection)
    return World(database, model, {image.name: f"sha-of-{image.name}" for image in model.images.values()})


def places(model: pycolmap.Reconstruction) -> dict[str, list[float]]:
    images = (model.image(image_id) for image_id in model.reg_image_ids())
    return {image.name: image.projection_center().round(6).tolist() for image in images}


def test_models_are_read_as_they_were_written(world: World, tmp_path: Path) -> None:
    written = [world.part(1, 2, 3, 4), world.part(6, 7, 8)]
    write_models(tmp_path / "it.npy", written, world.digests)
    read = read_models(tmp_path / "it.npy", world.cache(), world.digests)
    for before, after in zip(written, read, strict=True):
        after.tear_down()
        assert places(after) == places(before)
        assert sorted(map(len_of_track, after.points3D.values())) == sorted(map(len_of_track, before.points3D.values()))
        after.update_point_3d_errors()
        before.update_point_3d_errors()
        assert after.compute_mean_reprojection_error() == pytest.approx(
            before.compute_mean_reprojection_error(), abs=0.001
        )
        assert [c.params.tolist() for c in after.cameras.values()] == [
            c.params.tolist() for c in before.cameras.values()
        ]


def len_of_track(point: pycolmap.Point3D) -> int:
    return point.track.length()


def test_a_model_of_other_features_is_refused(world: World, tmp_path: Path) -> None:
    write_models(tmp_path / "it.npy", [world.part(1, 2, 3)], world.digests)
    first = world.model.image(1).name
    with pytest.raises(ValueError, match="other features"):
        read_models(tmp_path / "it.npy", world.cache(), {**world.digests, first: "another"})
    with pytest.raises(ValueError, match="no models of these photos"):
        read_models(tmp_path / "it.npy", world.cache(), {})


@pytest.mark.parametrize("content", [b"", b"no model", b"\x93NUMPY"])
def test_a_file_of_something_else_is_refused(world: World, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it.npy").write_bytes(content)
    with pytest.raises(ValueError, match="holds no models"):
        read_models(tmp_path / "it.npy", world.cache(), world.digests)


# Joined.


def moved(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    """The same, in coordinates of its own, as every model has them."""
    rotation = pycolmap.Rotation3d(np.array([0.1, 0.7, -0.2, 0.6]) / np.linalg.norm([0.1, 0.7, -0.2, 0.6]))
    model.transform(pycolmap.Sim3d(2.5, rotation, np.array([1.0, -20.0, 3.0])))
    return model


def test_models_that_share_photos_become_one(world: World) -> None:
    larger, smaller = world.part(*range(1, 9)), moved(world.part(*range(6, 13)))
    models, merged = merge_models([smaller, larger], world.database, options=pycolmap.IncrementalPipelineOptions())
    assert merged == 1
    assert [model.num_reg_images() for model in models] == [12]
    assert models[0].num_points3D() >= larger.num_points3D()
    models[0].update_point_3d_errors()
    assert models[0].compute_mean_reprojection_error() < 1
    aligned = pycolmap.compare_reconstructions(models[0], world.model, alignment_error="proj_center")
    assert aligned
    assert max(error.proj_center_error for error in aligned["errors"]) < 0.01


def test_models_that_share_too_little_stay_apart(world: World) -> None:
    parts = [world.part(*range(7, 13)), world.part(*range(1, 9))]
    models, merged = merge_models(parts, world.database, options=pycolmap.IncrementalPipelineOptions())
    assert (merged, [model.num_reg_images() for model in models]) == (0, [8, 6])


# Snapshots.


def snapshots(  # noqa: PLR0917 - what a pod has
    store: StoreServer,
    tmp_path: Path,
    world: World,
    pod_uid: str,
    recipe: str = "recipe",
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Snapshots, Checkpoint, LeftPieces]:
    folder = tmp_path / pod_uid
    folder.mkdir()
    (folder / "token").write_text(store.token(namespace="surveys", pod_uid=pod_uid))
    client = Store(store.url, folder / "token")
    checkpoint = Checkpoint(client, prefix=PREFIX, pod_uid=pod_uid)
    taken = Snapshots(world.digests, recipe=recipe, checkpoint=checkpoint, scratch=folder / "snapshots", clock=clock)
    return taken, checkpoint, LeftPieces(client, PREFIX, but_of=pod_uid)


def brought(store: StoreServer, tmp_path: Path, world: World, pod_uid: str, recipe: str = "recipe") -> list[int]:
    taken, _, left = snapshots(store, tmp_path, world, pod_uid, recipe)
    taken.find(left)
    return [model.num_reg_images() for model in taken.bring(world.cache())]


def test_the_most_advanced_snapshot_that_can_be_used_is_brought(
    store_server: StoreServer, tmp_path: Path, world: World
) -> None:
    assert brought(store_server, tmp_path, world, "pod-0") == []
    taken, checkpoint, _ = snapshots(store_server, tmp_path, world, "pod-1")
    for count in (3, 11, 5):
        taken._due = 0
        taken.offer([world.part(*range(1, count + 1))])
    checkpoint.settle()
    assert brought(store_server, tmp_path, world, "pod-2") == [11]
    assert brought(store_server, tmp_path, world, "pod-3", recipe="another") == []
    (store_server.folder / PREFIX / "pod-1/snapshots/000001.npy").write_bytes(b"damaged")
    assert brought(store_server, tmp_path, world, "pod-4") == [5]
    last = world.model.image(12).name
    world.digests = {name: digest for name, digest in world.digests.items() if name == last}
    assert brought(store_server, tmp_path, world, "pod-5") == []


def test_snapshots_are_taken_ever_more_seldom_but_at_once_when_called_for(
    store_server: StoreServer, tmp_path: Path, world: World
) -> None:
    now = 1000.0
    taken, checkpoint, _ = snapshots(store_server, tmp_path, world, "pod-1", clock=lambda: now)
    taken.begin()
    moments = []
    models = [world.part(1, 2, 3)]
    for _ in range(3600):
        now += 1
        before = taken._taken
        taken.offer(models)
        if taken._taken > before:
            moments.append(now - 1000)
    assert moments[:4] == [2, 4, 6, 8]
    assert 40 < len(moments) < 60
    assert all(after - before <= max(2, after / 8) + 1 for before, after in pairwise(moments))
    taken._called_for.set()
    taken.offer(models)
    taken.offer(models)
    assert taken._taken == len(moments) + 1
    taken.last_moments()
    checkpoint.settle()
