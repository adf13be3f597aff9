"""Finished work is found again where it exists, whatever has become of the status."""

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase
from pointcloud_api.stages import Reason, StageError, Termination
from tests.unit.operator.builders import Json, result
from tests.unit.operator.world import UPLOAD, World

FIGURES: Json = {"imagesFound": 19, "imagesUsable": 18, "imagesRegistered": 7, "imagesReused": 5, "points": 6427}
CHANGED: Json = {"reconstruction": {"quality": "high"}}


def published(spec: Json | None = None) -> World:
    world = World(spec or {})
    if world.job.spec.source.upload:
        world.upload()
    world.run_until_quiet()
    world.store = {
        path: result(told.stage, told.key, **FIGURES).model_copy(update={"pod_uid": told.pod_uid})
        for path, told in world.store.items()
    }
    return world


@pytest.mark.parametrize("spec", [{}, CHANGED, UPLOAD, {"output": {"deletionPolicy": "Delete"}}])
def test_a_wiped_status_comes_back_from_the_store_without_any_job(spec: Json) -> None:
    world = published(spec)
    made, keys, published_key = world.made, [stage.key for stage in world.status.stages], world.status.published
    world.children.clear()
    world.wipe_status()
    decision = world.step()
    assert (decision.create, world.made) == (None, made)
    assert world.status.phase is Phase.SUCCEEDED
    assert [stage.key for stage in world.status.stages] == keys
    assert (world.status.published, world.status.points) == (published_key, 6427)
    assert world.status.url == "https://pointclouds.example.com/potree/photos/ruin/"
    assert world.status.images
    assert (world.status.images.display, world.status.images.found, world.status.images.reused) == ("7/18", 19, 5)
    settled = world.status
    assert world.step().status == settled


def test_so_does_that_of_a_finished_job_that_is_suspended() -> None:
    world = published()
    world.change(suspend=True)
    world.step()
    before = world.status
    world.wipe_status()
    world.step()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.published == before.published


def test_a_new_job_that_is_suspended_waits() -> None:
    world = World({"suspend": True})
    world.step()
    assert world.status.phase is Phase.SUSPENDED
    assert world.decide().wants == ()


def test_a_stage_that_was_at_work_goes_on_as_it_was() -> None:
    world = World()
    world.step()
    world.complete()
    world.step()
    (child,) = world.live()
    world.start(child)
    made = world.made
    world.wipe_status()
    world.step()
    world.step()
    assert world.status.stage is StageName.RECONSTRUCT
    assert (world.live(), world.made) == ([child], made)


def test_what_was_run_again_under_another_key_is_found_although_its_first_key_is_gone() -> None:
    world = World()
    world.step()
    world.complete()
    world.step()
    first = world.stage(StageName.INGEST).key
    (child,) = world.live()
    world.start(child)
    error = StageError(reason=Reason.UPSTREAM_MISSING, message="it is gone", remedy="none")
    child.end(world.now, exit_code=75, termination=Termination(error=error))
    world.run_until_quiet()
    renewed, made = [stage.key for stage in world.status.stages], world.made
    assert first not in renewed
    assert not any(f"/{first}/" in path for path in world.stored()), "it was removed as superseded"
    world.children.clear()
    world.wipe_status()
    world.step()
    assert (world.status.phase, world.made) == (Phase.SUCCEEDED, made)
    assert [stage.key for stage in world.status.stages] == renewed


def test_a_store_that_is_away_is_waited_for() -> None:
    world = published()
    made = world.made
    world.store_away = True
    world.children.clear()
    world.wipe_status()
    for _ in range(3):
        decision = world.step()
        assert decision.create is None
        assert decision.wake_at
    assert world.condition("Reconciling") == "True"
    world.store_away = False
    world.step()
    assert (world.status.phase, world.made) == (Phase.SUCCEEDED, made)


def test_what_the_store_has_lost_too_runs_again_though_complete_jobs_are_still_there() -> None:
    world = published()
    made = world.made
    world.wipe_status()
    world.store.clear()
    world.run_until_quiet()
    assert (world.status.phase, world.made) == (Phase.SUCCEEDED, made + 3)
    assert {stage.attempt for stage in world.status.stages} == {2}
