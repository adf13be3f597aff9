"""What becomes of an attempt: more memory or scratch for the next one, a queue, a priority, or the end."""

from dataclasses import replace

import pytest

from pointcloud_api.names import KUEUE_QUEUE_LABEL, StageName
from pointcloud_api.resource import AttemptStatus, Phase, StageStatus
from pointcloud_api.stages import Reason, StageError, Termination
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import Decision
from pointcloud_operator.model.records import MAX_EARLIER_ATTEMPTS, given_up
from tests.unit.operator.builders import CONFIG, Json
from tests.unit.operator.cluster import Child
from tests.unit.operator.world import World

RECONSTRUCT = StageName.RECONSTRUCT
ALLOWED = CONFIG.model_copy(update={"priority_classes": ("batch",)})


def phase(world: World) -> Phase | None:
    return world.status.phase


def reconstructing(spec: Json | None = None, config: InstallConfig = CONFIG) -> tuple[World, Child]:
    """A job whose reconstruct pod runs, and its Job."""
    world = World(spec or {}, config)
    world.step()
    world.complete()
    world.step()
    return world, run(world)


def run(world: World) -> Child:
    (child,) = world.live()
    world.start(child)
    world.step()
    return child


def said(reason: Reason) -> Termination:
    return Termination(error=StageError(reason=reason, message="it went wrong", remedy="do better"))


def out_of_memory(world: World, child: Child) -> None:
    child.end(world.now, exit_code=137, exit_reason="OOMKilled")
    child.control(world.now)


def out_of_scratch(world: World, child: Child) -> None:
    child.evict_for_scratch(world.now)
    child.control(world.now)


def memory(child: Child) -> tuple[str, str]:
    (container,) = child.job["spec"]["template"]["spec"]["containers"]
    return container["resources"]["limits"]["memory"], container["resources"]["requests"]["memory"]


def scratch(child: Child) -> str:
    volumes = child.job["spec"]["template"]["spec"]["volumes"]
    return next(str(volume["emptyDir"]["sizeLimit"]) for volume in volumes if volume["name"] == "scratch")


def noted(decision: Decision) -> list[str]:
    return [note.reason for note in decision.notes]


def failure(world: World) -> str:
    assert phase(world) is Phase.FAILED
    return next(c.message for c in world.status.conditions if c.type == "Failed")


# Memory and scratch.


def test_after_too_little_memory_the_next_attempt_has_twice_as_much() -> None:
    world, child = reconstructing()
    out_of_memory(world, child)
    decision = world.step()
    assert noted(decision) == ["MemoryRaised"]
    assert "8Gi" in decision.notes[0].message
    assert "16Gi" in decision.notes[0].message
    record = world.stage(RECONSTRUCT)
    assert record.earlier_attempts == (AttemptStatus(attempt=1, reason="OutOfMemory", memory="8Gi"),)
    assert (record.attempt, record.retries, record.phase) == (2, 0, Phase.PENDING)
    (second,) = world.live()
    assert memory(second) == ("16Gi", "8Gi")
    assert decision.create == second.job
    del world.children[second.name]
    assert world.decide().create == second.job, "an attempt's Job is the same whenever it is made"
    world.run_until_quiet()
    assert phase(world) is Phase.SUCCEEDED


@pytest.mark.parametrize("exit_code", [79, 75])
def test_the_stage_s_own_word_that_it_needs_more_counts(exit_code: int) -> None:
    world, child = reconstructing()
    child.end(world.now, exit_code=exit_code, termination=said(Reason.OUT_OF_MEMORY))
    world.step()
    assert memory(world.live()[0]) == ("16Gi", "8Gi")


def test_a_child_process_that_was_killed_for_memory_is_not_what_a_stage_failed_of() -> None:
    world, child = reconstructing()
    child.end(world.now, exit_code=65, exit_reason="OOMKilled", termination=said(Reason.NO_OVERLAP))
    child.control(world.now)
    world.step()
    assert "it went wrong" in failure(world)


def test_a_stage_that_succeeded_though_a_child_process_was_killed_has_succeeded() -> None:
    world, child = reconstructing()
    world.finish(child)
    child.pod = replace(child.pods[-1], exit_reason="OOMKilled")
    world.step()
    assert world.live() == [child], "its Job has yet to complete"
    child.control(world.now)
    world.step()
    assert world.stage(RECONSTRUCT).phase is Phase.SUCCEEDED


def test_a_pod_killed_while_it_is_taken_away_had_not_too_little() -> None:
    world, child = reconstructing()
    child.take_away(world.now, disruption="TerminationByKubelet", message="the node was low on ephemeral-storage")
    child.pod = replace(child.pods[-1], phase="Failed", exit_code=137, exit_reason="OOMKilled", deletion=None)
    world.step()
    child.control(world.now)
    world.step()
    record = world.stage(RECONSTRUCT)
    assert (record.attempt, record.earlier_attempts, len(record.disruptions)) == (1, (), 1)


def killed(world: World) -> Decision:
    child = run(world)
    child.end(world.now, exit_code=137)
    child.control(world.now)
    assert child.failed
    return world.step()


def test_killed_but_not_for_memory_it_is_tried_again_within_the_retry_limit() -> None:
    world = World({"retryLimit": 2})
    world.step()
    world.complete()
    world.step()
    for attempt in (2, 3):
        assert "StageKilled" in noted(killed(world))
        record = world.stage(RECONSTRUCT)
        assert (record.attempt, record.retries) == (attempt, attempt - 1)
        assert record.earlier_attempts[-1].reason == "StageKilled"
        assert memory(world.live()[0])[0] == "8Gi", "more memory is no answer to it"
    killed(world)
    assert "SIGKILL" in failure(world)


def test_at_the_cap_it_fails_with_what_was_tried_and_what_to_lower() -> None:
    world, child = reconstructing()
    for _ in range(3):
        out_of_memory(world, child)
        world.step()
        child = run(world)
    out_of_memory(world, child)
    decision = world.step()
    assert noted(decision) == ["OutOfMemory"]
    message = failure(world)
    assert "8Gi, 16Gi, 32Gi and 64Gi" in message
    assert "spec.reconstruction.quality" in message
    assert not world.live()
    assert world.stage(RECONSTRUCT).attempt == 4
    settled = world.status
    assert world.step().status == settled


def test_at_the_cap_it_fails_with_what_the_stage_said_of_it() -> None:
    world, child = reconstructing({"stages": {"reconstruct": {"resources": {"limits": {"memory": "100Gi"}}}}})
    child.end(world.now, exit_code=79, termination=said(Reason.OUT_OF_MEMORY))
    world.step()
    assert "100Gi at most. it went wrong" in failure(world)


def test_what_a_user_asks_for_beyond_the_cap_is_given_once() -> None:
    spec = {"stages": {"reconstruct": {"resources": {"limits": {"memory": "100Gi"}}}}}
    world, child = reconstructing(spec)
    assert memory(child)[0] == "100Gi"
    out_of_memory(world, child)
    world.step()
    assert "100Gi" in failure(world)


def test_without_a_limit_of_its_own_a_stage_that_runs_out_of_memory_fails() -> None:
    world = World()
    world.step()
    child = run(world)
    out_of_memory(world, child)
    world.step()
    assert "all that its node has" in failure(world)


def test_after_too_little_scratch_the_next_attempt_has_twice_as_much_up_to_the_cap() -> None:
    world, child = reconstructing()
    sizes = [scratch(child)]
    while True:
        out_of_scratch(world, child)
        decision = world.step()
        if world.status.phase is Phase.FAILED:
            break
        assert noted(decision) == ["ScratchRaised"]
        child = run(world)
        sizes.append(scratch(child))
    assert sizes == ["20Gi", "40Gi", "80Gi", "160Gi", "200Gi"]
    assert "20Gi, 40Gi, 80Gi, 160Gi and 200Gi" in failure(world)
    assert [attempt.scratch_size for attempt in world.stage(RECONSTRUCT).earlier_attempts] == sizes[:-1]


def test_memory_and_scratch_grow_side_by_side() -> None:
    world, child = reconstructing()
    out_of_memory(world, child)
    world.step()
    child = run(world)
    out_of_scratch(world, child)
    world.step()
    (child,) = world.live()
    assert (memory(child), scratch(child)) == (("16Gi", "8Gi"), "40Gi")


def test_what_grew_for_one_key_grows_anew_for_another() -> None:
    world, child = reconstructing()
    out_of_memory(world, child)
    world.step()
    world.change(reconstruction={"quality": "low"})
    world.step()
    assert memory(world.live()[0])[0] == "8Gi"


def test_a_pod_that_runs_already_with_as_little_as_the_one_before_it_gives_way() -> None:
    world, child = reconstructing()
    child.end(world.now, exit_code=70, exit_reason="OOMKilled")
    child.control(world.now)
    world.start(child)
    world.step()
    assert child.deleting
    assert memory(world.live()[0]) == ("16Gi", "8Gi")


def test_what_failed_otherwise_after_it_had_too_little_is_not_given_more_for_that() -> None:
    world, child = reconstructing()
    child.end(world.now, exit_code=70, exit_reason="OOMKilled")
    child.expect(world.now)
    child.end(world.now, exit_code=65, termination=said(Reason.NO_OVERLAP))
    child.control(world.now)
    world.step()
    assert "it went wrong" in failure(world)


def test_an_attempt_that_is_made_again_after_a_crash_is_the_same() -> None:
    world, child = reconstructing()
    out_of_memory(world, child)
    decision = world.decide()
    world.carry_out(decision, steps=1)
    again = world.step()
    assert (again.create, again.notes) == (decision.create, ())
    assert len(world.live()) == 1


# The record of attempts.


def test_the_oldest_attempts_without_a_lesson_make_room_for_others() -> None:
    record = StageStatus(name=RECONSTRUCT, key="0123456789", settings={}, job="")
    record = given_up(record, "OutOfMemory", name="ruin", memory="8Gi")
    for _ in range(2 * MAX_EARLIER_ATTEMPTS):
        record = given_up(record, "Suspended", name="ruin")
    record = given_up(record, "OutOfScratch", name="ruin", scratch_size="20Gi")
    kept = record.earlier_attempts
    assert len(kept) == MAX_EARLIER_ATTEMPTS
    assert (kept[0].memory, kept[-1].scratch_size) == ("8Gi", "20Gi")
    assert [attempt.attempt for attempt in kept[1:]] == list(range(20, 35))
    StageStatus.model_validate_json(record.model_dump_json())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"suspend": True}, "Suspended"),
        ({"stages": {"reconstruct": {"nodeSelector": {"disk": "fast"}}}}, "SpecChanged"),
    ],
)
def test_it_is_recorded_why_an_attempt_was_given_up(fields: Json, reason: str) -> None:
    world = World()
    world.step()
    world.complete()
    world.step()
    world.change(**fields)
    world.step()
    assert [(each.attempt, each.reason) for each in world.stage(RECONSTRUCT).earlier_attempts] == [(1, reason)]


# Kueue.


def test_a_job_with_a_queue_waits_in_it_and_its_suspension_is_kueue_s_alone() -> None:
    world = World({"queueName": "gpu"})
    decision = world.step()
    assert decision.create
    assert decision.create["metadata"]["labels"][KUEUE_QUEUE_LABEL] == "gpu"
    assert KUEUE_QUEUE_LABEL not in decision.create["spec"]["template"]["metadata"]["labels"]
    assert "suspend" not in decision.create["spec"]
    decision = world.step()
    assert [(note.type, note.reason) for note in decision.notes] == [("Normal", "Queued")]
    assert "gpu" in decision.notes[0].message
    assert phase(world) is Phase.PENDING
    assert world.step().notes == ()
    child = world.live()[0]
    child.queued = False
    run(world)
    assert phase(world) is Phase.RUNNING


def test_without_a_queue_there_is_no_label() -> None:
    decision = World().step()
    assert decision.create
    assert KUEUE_QUEUE_LABEL not in decision.create["metadata"]["labels"]


# Priority.


def test_a_priority_class_of_the_install_s_list_is_given() -> None:
    spec = {"stages": {"ingest": {"priorityClassName": "batch"}}}
    decision = World(spec, ALLOWED).step()
    assert decision.create
    assert decision.create["spec"]["template"]["spec"]["priorityClassName"] == "batch"


def test_another_priority_class_keeps_the_job_from_being_made_until_it_is_changed() -> None:
    world = World({"stages": {"ingest": {"priorityClassName": "system-node-critical"}}}, ALLOWED)
    decision = world.step()
    assert decision.create is None
    assert noted(decision) == ["PriorityClassNotAllowed"]
    assert "batch" in decision.notes[0].message
    assert phase(world) is Phase.PENDING
    assert world.step().notes == ()
    world.change(stages={"ingest": {"priorityClassName": "batch"}})
    world.run_until_quiet()
    assert phase(world) is Phase.SUCCEEDED


def test_a_priority_class_that_is_not_allowed_does_not_harm_what_runs() -> None:
    world, child = reconstructing()
    world.change(stages={"reconstruct": {"priorityClassName": "system-node-critical"}})
    world.step()
    assert world.live() == [child]
    assert phase(world) is Phase.RUNNING


def test_the_install_s_own_priority_class_needs_no_permission() -> None:
    ingest = CONFIG.stages.ingest.model_copy(update={"priority_class_name": "low"})
    config = CONFIG.model_copy(update={"stages": CONFIG.stages.model_copy(update={"ingest": ingest})})
    decision = World({}, config).step()
    assert decision.create
    assert decision.create["spec"]["template"]["spec"]["priorityClassName"] == "low"
