"""One deadline over all stages and attempts, whose clock stands while the job may not work."""

from datetime import datetime, timedelta

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase
from pointcloud_operator.model.config import InstallConfig
from tests.unit.operator.builders import CONFIG
from tests.unit.operator.world import UPLOAD, World

FOR_EVER = CONFIG.model_copy(update={"active_deadline_seconds": 0})
QUEUED = {"queueName": "gpu"}


def resumed(world: World) -> datetime | None:
    return world.status.active_since


def phase(world: World) -> Phase | None:
    return world.status.phase


def running(spec: dict[str, object], config: InstallConfig = CONFIG) -> World:
    """A job whose ingest pod runs."""
    world = World(spec, config)
    world.step()
    (child,) = world.live()
    child.queued = False
    world.start(child)
    world.step()
    return world


def test_the_clock_starts_with_the_first_intent_and_costs_no_further_write() -> None:
    world = running({})
    assert world.status.active_since == world.job.status.start_time
    assert world.status.active_seconds == 0
    version = world.job.metadata.resource_version
    world.seconds += 100
    world.step()
    assert world.job.metadata.resource_version == version


def test_the_job_fails_when_its_time_is_over_and_its_job_goes() -> None:
    world = running({"activeDeadlineSeconds": 600})
    (child,) = world.live()
    decision = world.decide()
    assert world.status.active_since is not None
    assert decision.wake_at == world.status.active_since + timedelta(seconds=600)
    world.seconds += 600
    decision = world.step()
    assert phase(world) is Phase.FAILED
    assert child.deleting
    assert [note.reason for note in decision.notes] == ["DeadlineExceeded"]
    assert "ingest" in decision.notes[0].message
    assert "spec.activeDeadlineSeconds" in decision.notes[0].message
    assert (world.status.active_seconds or 0) >= 600
    assert not world.status.active_since


def test_the_time_of_earlier_stages_counts() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.seconds += 590
    world.complete()
    world.step()
    assert world.live()[0].stage is StageName.RECONSTRUCT
    world.seconds += 10
    world.step()
    assert phase(world) is Phase.FAILED
    assert world.status.stage is StageName.RECONSTRUCT


def test_no_stage_begins_after_the_deadline_and_what_is_done_stays_done() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.complete()
    world.seconds += 700
    world.step()
    assert world.made == 1
    assert world.stage(StageName.INGEST).phase is Phase.SUCCEEDED
    assert (world.status.phase, world.status.stage) == (Phase.FAILED, StageName.RECONSTRUCT)


def test_a_store_that_stays_away_is_not_waited_for_beyond_the_deadline() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.complete()
    world.store_away = True
    world.step()
    assert phase(world) is Phase.PENDING
    world.seconds += 700
    world.step()
    assert (world.status.phase, world.status.stage) == (Phase.FAILED, StageName.RECONSTRUCT)
    world.store_away = False
    world.change(activeDeadlineSeconds=6000)
    world.run_until_quiet()
    assert phase(world) is Phase.SUCCEEDED


def test_a_result_in_time_to_be_the_last_ends_well_however_late_it_is_seen() -> None:
    world = World({"activeDeadlineSeconds": 600})
    for _ in StageName:
        world.step()
        world.complete()
    world.seconds += 700
    world.step()
    assert phase(world) is Phase.SUCCEEDED


def test_suspended_time_does_not_count() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.seconds += 500
    world.change(suspend=True)
    world.step()
    assert world.status.active_since is None
    worked = world.status.active_seconds
    world.seconds += 10_000
    world.step()
    assert world.status.active_seconds == worked
    world.change(suspend=False)
    world.step()
    assert phase(world) is Phase.PENDING
    assert resumed(world) == world.now
    world.seconds += 600 - (worked or 0)
    world.step()
    assert phase(world) is Phase.FAILED


def test_time_in_kueue_s_queue_does_not_count() -> None:
    world = World({"activeDeadlineSeconds": 600, **QUEUED})
    world.step()
    world.step()
    assert world.status.active_since is None
    world.seconds += 10_000
    world.step()
    assert phase(world) is Phase.PENDING
    (child,) = world.live()
    child.queued = False
    world.start(child)
    world.step()
    assert world.status.active_since == world.now


@pytest.mark.parametrize("arrived", [False, True])
def test_waiting_for_uploads_does_not_count(*, arrived: bool) -> None:
    world = World({"activeDeadlineSeconds": 600, **UPLOAD})
    if arrived:
        world.upload()
    world.step()
    assert (world.status.active_seconds, world.status.active_since) == (None, None)


def test_another_run_has_its_own_time() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.seconds += 600
    world.step()
    assert phase(world) is Phase.FAILED
    world.change(activeDeadlineSeconds=700)
    world.step()
    assert world.live()
    assert world.status.active_seconds == 0


def test_the_install_s_deadline_holds_where_the_spec_states_none_and_may_be_none() -> None:
    world = running({})
    world.seconds += CONFIG.active_deadline_seconds
    world.step()
    assert phase(world) is Phase.FAILED
    world = running({}, FOR_EVER)
    world.seconds += 10 * CONFIG.active_deadline_seconds
    decision = world.step()
    assert phase(world) is Phase.RUNNING
    assert decision.wake_at is None


def test_a_job_that_keeps_the_next_attempt_waiting_is_not_waited_for_beyond_the_deadline() -> None:
    world = running({"activeDeadlineSeconds": 600})
    world.live()[0].deleting = True
    world.carry_out(world.decide())
    world.seconds += 700
    world.carry_out(world.decide())
    assert phase(world) is Phase.FAILED
