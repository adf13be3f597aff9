"""Pods that are taken away: each counted once, told apart, borne up to a limit, replaced though a node is silent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.resource import DisruptionReason, Phase
from pointcloud_operator.model.decision import Decision, PodReference
from tests.unit.operator.builders import CONFIG
from tests.unit.operator.cluster import GRACE, Child
from tests.unit.operator.world import World

LIMIT = CONFIG.disruption_limit
BORNE = CONFIG.model_copy(update={"disruption_limit": 64})
SILENCE = timedelta(seconds=CONFIG.force_delete_seconds)


def running(world: World | None = None) -> tuple[World, Child]:
    """A job whose ingest pod runs, and its Job."""
    world = world or World()
    world.step()
    (child,) = world.live()
    child.queued = False
    world.start(child)
    world.step()
    return world, child


def reasons(world: World) -> list[DisruptionReason]:
    return [disruption.reason for disruption in world.stage(StageName.INGEST).disruptions]


def warned(decision: Decision) -> list[str]:
    return [note.reason for note in decision.notes if note.type == "Warning"]


def replaced(world: World, child: Child, *, runs: bool = True) -> Decision:
    """The pod goes, another takes its place, and the operator looks."""
    child.pods = child.pods[:-1]
    child.expect(world.now)
    if runs:
        world.start(child)
    return world.step()


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("PreemptionByScheduler", "Preempted"),
        ("EvictionByEvictionAPI", "Evicted"),
        ("TerminationByKubelet", "Evicted"),
        ("DeletionByTaintManager", "NodeLost"),
        ("DeletionByPodGC", "NodeLost"),
        ("NodeSilent", "NodeLost"),
        ("SomethingNewerThanThisOperator", "Evicted"),
    ],
)
def test_who_takes_a_pod_away_is_recorded_and_told_once(condition: str, reason: str) -> None:
    world, child = running()
    child.take_away(world.now, disruption=condition, message="the reason in Kubernetes' words")
    decision = world.step()
    assert reasons(world) == [reason]
    assert warned(decision) == [reason]
    note = next(note for note in decision.notes if note.type == "Warning")
    assert "the reason in Kubernetes' words" in note.message
    assert f"1, and {LIMIT} are borne" in note.message
    child.leave(world.now)
    assert not warned(world.step())
    child.control(world.now)
    world.start(child)
    assert not warned(world.step())
    assert reasons(world) == [reason]
    assert world.status.phase is Phase.RUNNING


def test_a_disruption_is_no_retry() -> None:
    world, child = running(World({"retryLimit": 0}))
    for _ in range(3):
        child.take_away(world.now, disruption="PreemptionByScheduler")
        child.leave(world.now)
        world.step()
        child.control(world.now)
        world.start(child)
        world.step()
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    assert (len(reasons(world)), world.stage(StageName.INGEST).retries) == (3, 0)


def test_more_than_are_borne_fail_the_stage_and_say_which_they_were() -> None:
    world, child = running()
    for number in range(LIMIT + 1):
        assert world.status.phase is Phase.RUNNING, number
        child.take_away(world.now, disruption="TerminationByKubelet" if number % 2 else "PreemptionByScheduler")
        child.leave(world.now)
        decision = world.step()
        child.control(world.now)
        if child.live:
            world.start(child)
            world.step()
    assert world.status.phase is Phase.FAILED
    assert "TooManyDisruptions" in warned(decision)
    message = next(c.message for c in world.status.conditions if c.type == "Failed")
    assert "6 Preempted" in message
    assert "5 Evicted" in message
    assert child.deleting


def test_the_most_that_can_be_borne_fits_the_status() -> None:
    world, child = running(World(config=BORNE))
    for _ in range(70):
        child.expect(world.now)
    child.take_away(world.now, disruption="TerminationByKubelet")
    world.step()
    assert world.status.phase is Phase.FAILED
    assert len(reasons(world)) == 65


@pytest.mark.parametrize("runs", [True, False])
def test_a_pod_that_is_gone_between_two_looks_is_counted_once_another_stands_in_its_place(*, runs: bool) -> None:
    world, child = running()
    child.pods = []
    assert not warned(world.step()), "what a late view does not show may still be there"
    child.expect(world.now)
    if runs:
        world.start(child)
    assert warned(world.step()) == ["PodDeleted"]
    assert not warned(world.step())
    assert reasons(world) == [DisruptionReason.POD_DELETED]


def test_a_pod_that_is_gone_and_counts_as_a_failure_is_no_disruption() -> None:
    world, child = running()
    child.failures = 1
    assert not warned(replaced(world, child))
    assert reasons(world) == []


def test_each_of_many_that_are_gone_unseen_is_counted() -> None:
    world, child = running()
    for _ in range(LIMIT):
        world.seconds += 10
        assert warned(replaced(world, child)) == ["PodDeleted"]
    world.seconds += 10
    assert warned(replaced(world, child))[-1] == "TooManyDisruptions"
    assert world.status.phase is Phase.FAILED


def test_a_view_from_before_the_pod_does_not_count_it() -> None:
    world, child = running()
    late = world.view()
    child.take_away(world.now, disruption="EvictionByEvictionAPI")
    child.leave(world.now)
    world.step()
    child.control(world.now)
    world.seconds += 10
    child.expect(world.now)
    world.start(child)
    world.step()
    newest = world.stage(StageName.INGEST).pod
    world.carry_out(world.decide(late.children))
    assert world.stage(StageName.INGEST).pod == newest
    world.step()
    assert reasons(world) == [DisruptionReason.EVICTED]


def test_a_job_deleted_with_its_pod_is_made_again_and_the_pod_is_counted() -> None:
    world, child = running()
    del world.children[child.name]
    world.step()
    (again,) = world.live()
    assert again.job == child.job
    world.seconds += 10
    world.start(again)
    again.pod = replace(again.pods[-1], created=world.now)
    assert warned(world.step()) == ["PodDeleted"]


def test_a_pod_that_kueue_takes_away_is_preempted() -> None:
    world, child = running(World({"queueName": "gpu"}))
    child.queued = True
    child.take_away(world.now)
    world.step()
    assert reasons(world) == [DisruptionReason.PREEMPTED]
    child.leave(world.now)
    child.control(world.now)
    decision = world.step()
    assert (reasons(world), warned(decision)) == ([DisruptionReason.PREEMPTED], [])
    assert world.status.phase is Phase.PENDING


def test_a_pod_that_succeeds_while_it_is_asked_to_leave_is_no_disruption() -> None:
    world, child = running()
    child.take_away(world.now, disruption="EvictionByEvictionAPI")
    world.finish(child)
    child.complete = True
    world.step()
    assert reasons(world) == []
    assert world.stage(StageName.INGEST).phase is Phase.SUCCEEDED


def test_another_run_forgets_disruptions_but_those_still_to_be_seen() -> None:
    world, child = running()
    child.take_away(world.now, disruption="TerminationByKubelet")
    child.leave(world.now)
    world.step()
    child.pods = [replace(pod, deletion=None) for pod in child.pods]
    child.expect(world.now)
    world.start(child)
    world.step()
    world.change(stages={"convert": {"nodeSelector": {"disk": "fast"}}})
    assert not warned(world.step()), "a pod is counted once"
    assert len(reasons(world)) == 1
    child.pods = child.pods[1:]
    world.change(stages={})
    world.step()
    assert reasons(world) == []


# Silent nodes.


def test_a_pod_on_a_silent_node_is_abandoned_after_its_grace_and_the_install_s_patience() -> None:
    world, child = running()
    child.take_away(world.now)
    taken = world.now
    decision = world.step()
    assert decision.abandon == ()
    assert decision.wake_at == taken + GRACE + SILENCE
    world.seconds = round((taken + GRACE + SILENCE - world.now).total_seconds()) + world.seconds - 1
    decision = world.decide()
    pod = child.pods[-1]
    assert decision.abandon == (PodReference(pod.name, pod.uid),)
    assert warned(decision) == ["NodeLost"]
    world.carry_out(decision)
    again = world.step()
    assert (again.abandon, warned(again), reasons(world)) == ((), [], [DisruptionReason.NODE_LOST])
    child.control(world.now)
    world.start(child)
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    assert (world.stage(StageName.INGEST).attempt, reasons(world)) == (1, [DisruptionReason.NODE_LOST])


def test_it_is_abandoned_again_if_that_came_to_nothing_and_counted_once() -> None:
    world, child = running()
    child.take_away(world.now, disruption="DeletionByTaintManager")
    world.seconds += 1000
    first = world.decide()
    world.carry_out(first, steps=1)
    second = world.decide()
    assert second.abandon == first.abandon != ()
    assert warned(second) == []
    assert reasons(world) == [DisruptionReason.NODE_LOST]


def test_a_pod_that_has_ended_is_not_abandoned() -> None:
    world, child = running()
    child.take_away(world.now)
    child.leave(world.now)
    world.seconds += 1000
    assert world.step().abandon == ()


def test_a_silent_pod_of_a_job_that_is_going_is_abandoned_too() -> None:
    world, child = running()
    world.change(suspend=True)
    world.carry_out(world.decide())
    assert child.deleting
    world.seconds += 1000
    assert len(world.decide().abandon) == 1
