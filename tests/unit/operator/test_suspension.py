"""A suspended job has no Job, keeps what is done, and goes on with the next attempt."""

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase
from pointcloud_api.stages import StageError, Termination
from tests.unit.operator.builders import ended_pod
from tests.unit.operator.world import UPLOAD, World


def phase(world: World) -> Phase | None:
    return world.status.phase


def at(stage: StageName) -> World:
    """A job whose pod of that stage runs."""
    world = World()
    world.step()
    while (child := world.live()[0]).stage is not stage:
        world.complete()
        world.step()
    child.run()
    world.step()
    return world


def failed() -> World:
    world = at(StageName.RECONSTRUCT)
    (child,) = world.live()
    error = StageError(reason="NoOverlap", message="it went wrong", remedy="do better")
    child.pod = ended_pod(exit_code=65, termination=Termination(error=error))
    child.failed = "PodFailurePolicy"
    world.step()
    assert world.status.phase is Phase.FAILED
    return world


def test_its_job_goes_and_nothing_is_created() -> None:
    world = at(StageName.RECONSTRUCT)
    (child,) = world.live()
    world.change(suspend=True)
    decision = world.step()
    assert (child.deleting, decision.create, decision.wants) == (True, None, ())
    assert world.status.phase is Phase.SUSPENDED
    assert world.status.stage is StageName.RECONSTRUCT
    assert world.stage(StageName.RECONSTRUCT).phase is Phase.SUSPENDED
    assert world.condition("Suspended") == "True"
    assert {world.condition(kind) for kind in ("Reconciling", "Stalled", "Failed", "Complete")} == {"False"}
    assert [note.reason for note in decision.notes] == ["Suspended"]
    assert world.status.progress
    assert "set spec.suspend to false" in world.status.progress.message
    again = world.step()
    assert (again.status, again.notes, again.create, again.delete) == (decision.status, (), None, ())


def test_the_next_attempt_goes_on() -> None:
    world = at(StageName.RECONSTRUCT)
    first = world.stage(StageName.RECONSTRUCT)
    shown = world.status.progress
    world.change(suspend=True)
    world.step()
    world.change(suspend=False)
    decision = world.step()
    second = world.stage(StageName.RECONSTRUCT)
    assert (second.key, second.attempt, second.phase) == (first.key, first.attempt + 1, Phase.PENDING)
    assert [child.job["metadata"]["name"] for child in world.live()] == [second.job]
    assert world.condition("Suspended") == "False"
    assert [note.reason for note in decision.notes] == ["Resumed"]
    assert world.status.progress
    assert shown
    assert world.status.progress.percent >= shown.percent
    assert world.step().notes == ()
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.made == 4


def test_what_its_job_has_finished_is_kept() -> None:
    world = at(StageName.RECONSTRUCT)
    world.complete()
    world.change(suspend=True)
    world.step()
    assert world.stage(StageName.RECONSTRUCT).phase is Phase.SUCCEEDED
    assert world.status.stage is StageName.CONVERT
    assert not world.live()
    world.change(suspend=False)
    world.run_until_quiet()
    assert world.made == 3


def test_a_result_whose_message_is_lost_is_kept_too() -> None:
    world = at(StageName.RECONSTRUCT)
    (child,) = world.live()
    world.finish(child, say=False)
    child.complete = True
    world.change(suspend=True)
    world.step()
    assert world.stage(StageName.RECONSTRUCT).phase is Phase.SUCCEEDED


def test_a_job_that_begins_suspended_waits() -> None:
    world = World({"suspend": True})
    world.step()
    assert phase(world) is Phase.SUSPENDED
    assert not world.made
    world.change(suspend=False)
    world.run_until_quiet()
    assert phase(world) is Phase.SUCCEEDED
    assert [stage.attempt for stage in world.status.stages] == [1, 1, 1]


def test_a_job_that_has_failed_stays_as_it_is_when_suspended_and_resumed() -> None:
    world = failed()
    made, attempts = world.made, [stage.attempt for stage in world.status.stages]
    for suspend in (True, False):
        world.change(suspend=suspend)
        decision = world.step()
        assert (world.status.phase, decision.create, decision.notes) == (Phase.FAILED, None, ())
        assert world.condition("Suspended") == "False"
    assert (world.made, [stage.attempt for stage in world.status.stages]) == (made, attempts)


def test_a_cure_for_a_failed_job_that_is_suspended_waits_until_it_is_resumed() -> None:
    world = failed()
    world.change(suspend=True, stages={"reconstruct": {"resources": {"limits": {"memory": "64Gi"}}}})
    world.step()
    assert phase(world) is Phase.SUSPENDED
    assert not world.live()
    world.change(suspend=False)
    world.step()
    assert [child.document.attempt for child in world.live()] == [2]


def test_files_that_arrive_for_a_suspended_job_wait() -> None:
    world = World({**UPLOAD, "suspend": True})
    world.step()
    assert phase(world) is Phase.SUSPENDED
    world.upload()
    world.run_until_quiet()
    assert phase(world) is Phase.SUSPENDED
    assert not world.made
    world.change(suspend=False)
    world.run_until_quiet()
    assert phase(world) is Phase.SUCCEEDED
