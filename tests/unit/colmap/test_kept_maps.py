"""Depth maps in the store: whole ones, each once, and none of another model; and the model that most of them are of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from pointcloud_colmap.depth_maps import Kind, MapFile, Pass, is_whole, remove_broken
from pointcloud_colmap.kept_maps import KeptMaps
from pointcloud_colmap.kept_models import KeptModels
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces
from pointcloud_stage.store import Store
from tests.fixtures.store import StoreServer
from tools.scene.maps import write_map

PREFIX = "processed/surveys/beach/6f1f/key"
PASSES = (Pass.PHOTOMETRIC, Pass.GEOMETRIC)
VIEWS = ("a.jpg", "day 1/b.jpg", "c.jpg")


@dataclass
class Pods:
    """Pods of one key with their workspaces."""

    server: StoreServer
    folder: Path
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def store(self, pod: str) -> Store:
        token = self.folder / f"token-{pod}"
        token.write_text(self.server.token(namespace="surveys", pod_uid=pod))
        return Store(self.server.url, token, patience=1)

    def checkpoint(self, pod: str) -> Checkpoint:
        new = Checkpoint(self.store(pod), prefix=PREFIX, pod_uid=pod)
        return self.checkpoints.setdefault(pod, new)

    def left(self, pod: str) -> LeftPieces:
        return LeftPieces(self.store(pod), PREFIX, but_of=pod)

    def workspace(self, pod: str) -> Path:
        return self.folder / pod

    def maps(
        self, pod: str, *, recipe: str = "r", model: str = "m", clock: Callable[[], float] = lambda: 0
    ) -> KeptMaps:
        self.workspace(pod).mkdir(exist_ok=True)
        return KeptMaps(
            recipe=recipe,
            model=model,
            passes=PASSES,
            workspace=self.workspace(pod),
            views=VIEWS,
            checkpoint=self.checkpoint(pod),
            scratch=self.folder / f"kept-{pod}-{recipe}-{model}",
            clock=clock,
        )

    def make(self, pod: str, view: str, made_in: Pass = Pass.PHOTOMETRIC) -> None:
        rest = {Kind.DEPTH: (), Kind.NORMAL: (3,)}
        for kind in Kind:
            write_map(MapFile(view, made_in, kind).below(self.workspace(pod)), np.ones((4, 6, *rest[kind])))


@pytest.fixture
def pods(store_server: StoreServer, tmp_path: Path) -> Pods:
    return Pods(store_server, tmp_path)


def test_a_later_pod_gets_what_an_earlier_one_had_made(pods: Pods) -> None:
    kept = pods.maps("first")
    pods.make("first", "a.jpg")
    pods.make("first", "day 1/b.jpg", Pass.GEOMETRIC)
    kept.keep_new()
    kept.checkpoint.settle()
    assert [file for file in pods.folder.glob("kept-first-*/*") if file.is_file()] == [], "stored, and so removed"
    assert kept.count() == 2, "the engine still has its own"

    second = pods.maps("second")
    second.bring(pods.left("second"))
    assert (second.from_attempts, second.count(), second.total) == (2, 2, 6)
    for view, made_in in (("a.jpg", Pass.PHOTOMETRIC), ("day 1/b.jpg", Pass.GEOMETRIC)):
        for kind in Kind:
            file = MapFile(view, made_in, kind)
            assert file.below(pods.workspace("second")).read_bytes() == file.below(pods.workspace("first")).read_bytes()
    assert second.without() == ["a.jpg", "c.jpg"]
    second.keep_new()
    second.checkpoint.settle()
    assert not (pods.server.folder / PREFIX / "second").exists(), "what is stored is not stored again"


@pytest.mark.parametrize(("recipe", "model"), [("another", "m"), ("r", "another")])
def test_maps_of_another_model_or_recipe_are_left(pods: Pods, recipe: str, model: str) -> None:
    kept = pods.maps("first")
    pods.make("first", "a.jpg")
    kept.keep_new()
    kept.checkpoint.settle()
    second = pods.maps("second", recipe=recipe, model=model)
    second.bring(pods.left("second"))
    assert second.from_attempts == 0


def test_a_map_without_its_normals_is_no_map(pods: Pods) -> None:
    kept = pods.maps("first")
    pods.make("first", "a.jpg")
    kept.keep_new()
    kept.checkpoint.settle()
    normals = next((pods.server.folder / PREFIX / "first").glob("maps/photometric/normal_maps/*"))
    normals.write_bytes(normals.read_bytes()[::-1])
    second = pods.maps("second")
    second.bring(pods.left("second"))
    assert second.from_attempts == 0
    assert not [file for file in pods.workspace("second").rglob("*") if file.is_file()], "COLMAP would take it for one"
    pods.make("second", "a.jpg")
    second.keep_new()
    second.checkpoint.settle()
    assert len(list((pods.server.folder / PREFIX / "second").glob("maps/*/*/*"))) == 2


def test_half_a_map_is_not_kept(pods: Pods) -> None:
    kept = pods.maps("first")
    pods.make("first", "a.jpg")
    depth = MapFile("a.jpg", Pass.PHOTOMETRIC, Kind.DEPTH).below(pods.workspace("first"))
    whole = depth.read_bytes()
    depth.write_bytes(whole[:-1])
    assert kept.count() == 0
    kept.keep_new()
    depth.write_bytes(whole)
    assert kept.count() == 1


def test_keeping_takes_a_twentieth_of_the_time(pods: Pods) -> None:
    ticks = iter([10.0, 10.0, 11.0, 30.9, 31.1, 31.1, 31.2])
    kept = pods.maps("first", clock=lambda: next(ticks))
    kept.count()  # at 10.0, until 11.0: a second
    pods.make("first", "a.jpg")
    assert kept.count() == 1  # at 30.9
    kept.checkpoint.settle()
    assert not (pods.server.folder / PREFIX / "first").exists()
    kept.count()  # at 31.1
    kept.checkpoint.settle()
    assert (pods.server.folder / PREFIX / "first" / "maps").exists()


@pytest.mark.parametrize(
    ("content", "kind", "whole"),
    [
        (b"3&2&1&" + bytes(24), Kind.DEPTH, True),
        (b"3&2&3&" + bytes(72), Kind.NORMAL, True),
        (b"3&2&1&" + bytes(23), Kind.DEPTH, False),
        (b"3&2&1&" + bytes(25), Kind.DEPTH, False),
        (b"3&2&1&" + bytes(24), Kind.NORMAL, False),
        (b"3&2&", Kind.DEPTH, False),
        (b"", Kind.DEPTH, False),
    ],
)
def test_a_map_is_whole_when_it_is_as_long_as_its_header_says(
    tmp_path: Path,
    content: bytes,
    kind: Kind,
    whole: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    file = tmp_path / "it.bin"
    file.write_bytes(content)
    assert is_whole(file, kind) == whole
    assert not is_whole(tmp_path / "missing.bin", kind)


def test_what_is_broken_is_removed_and_nothing_else(pods: Pods) -> None:
    pods.workspace("first").mkdir()
    for view in VIEWS[:2]:
        pods.make("first", view)
    broken = MapFile("a.jpg", Pass.PHOTOMETRIC, Kind.NORMAL).below(pods.workspace("first"))
    broken.write_bytes(broken.read_bytes()[:10])
    remove_broken(pods.workspace("first"), VIEWS, PASSES)
    left = {file.name for file in pods.workspace("first").rglob("*") if file.is_file()}
    assert left == {"b.jpg.photometric.bin"}


# The model that maps belong to.


@dataclass
class World:
    """A made-up scene: its database and its model."""

    database: Path
    model: pycolmap.Reconstruction
    digests: dict[str, str]


@pytest.fixture
def world(tmp_path: Path) -> World:
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions(num_rigs=1, num_cameras_per_rig=1, num_frames_per_rig=6)
    with pycolmap.Database.open(tmp_path / "database.db") as connection:
        model = pycolmap.synthesize_dataset(options, connection)
    digests = {image.name: f"sha-of-{image.name}" for image in model.images.values()}
    return World(tmp_path / "database.db", model, digests)


def models_of(pods: Pods, world: World, pod: str) -> KeptModels:
    return KeptModels(
        world.digests,
        recipe="m",
        maps_recipe="r",
        checkpoint=pods.checkpoint(pod),
        scratch=pods.folder / f"models-{pod}",
    )


def test_the_model_that_most_maps_are_of_is_the_one_to_go_on_with(pods: Pods, world: World) -> None:
    digests = {}
    for pod, maps in (("first", 1), ("second", 2), ("third", 0)):
        kept = models_of(pods, world, pod)
        world.model.transform(pycolmap.Sim3d(1.5, pycolmap.Rotation3d(), np.zeros(3)))
        kept.keep([world.model], merged=maps)
        digests[pod] = kept.digest
        of_pod = pods.maps(pod, model=kept.digest)
        for view in VIEWS[:maps]:
            pods.make(pod, view)
        of_pod.keep_new()
        of_pod.checkpoint.settle()
    fourth = models_of(pods, world, "fourth")
    left = pods.left("fourth")
    (model,) = fourth.bring(left, world.database)
    assert fourth.digest == digests["second"]
    assert fourth.merged == 2
    assert model.num_reg_images() == 6
    centres = {image.name: image.projection_center() for image in model.images.values()}
    for image in world.model.images.values():
        assert centres[image.name] == pytest.approx(image.projection_center() / 1.5, abs=1e-9)


def test_without_a_kept_model_there_is_none(pods: Pods, world: World) -> None:
    kept = models_of(pods, world, "first")
    assert kept.bring(pods.left("first"), world.database) == []
    assert kept.digest == ""
