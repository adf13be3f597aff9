"""PointcloudJobs that have ended are kept for a time that success and failure have each for themselves."""

from datetime import timedelta

import pytest

from pointcloud_api.resource import Phase
from pointcloud_operator.model.config import InstallConfig
from tests.unit.operator.builders import CONFIG, Json
from tests.unit.operator.world import World

INSTALL = InstallConfig.model_validate({**CONFIG.model_dump(), "retention": {"failedSeconds": 100}})
KEPT: Json = {"retention": {"succeededSeconds": 600, "failedSeconds": 60}}


def ended(phase: Phase, spec: Json | None = None, config: InstallConfig = CONFIG) -> World:
    world = World(spec or {}, config=config)
    for _ in range(10):
        world.step()
        if world.status.phase and world.status.phase.terminal:
            break
        if phase is Phase.FAILED:
            (child,) = world.live()
            child.end(world.now, exit_code=66)
            child.failed = "PodFailurePolicy"
        else:
            world.complete()
    assert world.status.phase is phase
    return world


def after(world: World, seconds: int) -> World:
    """The world so long after the job's end; a decision is taken a second later than it begins."""
    assert world.status.completion_time
    end = world.status.completion_time + timedelta(seconds=seconds)
    world.seconds += round((end - world.now).total_seconds()) - 1
    return world


@pytest.mark.parametrize(("phase", "seconds"), [(Phase.SUCCEEDED, 600), (Phase.FAILED, 60)])
def test_it_is_deleted_when_its_time_is_over_and_looked_at_then(phase: Phase, seconds: int) -> None:
    world = ended(phase, KEPT)
    early = after(world, seconds - 1).decide()
    assert not early.remove
    assert world.status.completion_time
    assert early.wake_at == world.status.completion_time + timedelta(seconds=seconds)
    late = after(world, seconds).step()
    assert (late.remove, late.wake_at, world.gone) == (True, None, True)


def test_the_install_s_time_counts_where_the_job_has_none() -> None:
    world = ended(Phase.FAILED, config=INSTALL)
    assert not after(world, 99).decide().remove
    assert after(world, 100).decide().remove
    own = ended(Phase.FAILED, KEPT, INSTALL)
    assert after(own, 60).decide().remove


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED])
def test_without_any_time_it_is_kept_for_good(phase: Phase) -> None:
    world = ended(phase)
    decision = after(world, 1_000_000_000).decide()
    assert (decision.remove, decision.wake_at) == (False, None)


def test_no_time_at_all_is_a_time() -> None:
    world = ended(Phase.SUCCEEDED, {"retention": {"succeededSeconds": 0}})
    assert world.decide().remove


def test_a_job_that_has_not_ended_is_kept() -> None:
    world = World(KEPT)
    world.step()
    world.seconds += 1000
    assert not world.decide().remove


def test_a_changed_retention_counts_at_once_and_runs_nothing() -> None:
    world = ended(Phase.SUCCEEDED)
    made = world.made
    world.change(**KEPT)
    decision = world.step()
    assert world.status.observed_generation == 2
    assert decision.wake_at
    assert (decision.create, decision.notes, world.made) == (None, (), made)
    assert after(world, 600).decide().remove


def test_a_spec_that_asks_for_more_is_answered_before_time_counts() -> None:
    world = after(ended(Phase.SUCCEEDED, KEPT), 600)
    world.change(reconstruction={"quality": "high"})
    decision = world.step()
    assert not decision.remove
    assert decision.create


def test_what_is_superseded_is_removed_with_it() -> None:
    world = ended(Phase.SUCCEEDED, {"retention": {"succeededSeconds": CONFIG.superseded_seconds}})
    world.change(reconstruction={"quality": "high"})
    for _ in range(5):
        world.step()
        world.complete()
    assert world.status.phase is Phase.SUCCEEDED
    decision = after(world, CONFIG.superseded_seconds).decide()
    assert decision.remove
    assert len(decision.erase) == 2


def test_with_the_policy_delete_its_artefacts_go_too() -> None:
    world = ended(Phase.SUCCEEDED, {**KEPT, "output": {"deletionPolicy": "Delete"}})
    after(world, 600).run_until_quiet()
    assert world.gone
    assert not world.stored()
