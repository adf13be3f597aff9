"""What goes with a deleted PointcloudJob, what stays, and that no finalizer keeps it for ever."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.names import ARTEFACTS_FINALIZER, StageName
from pointcloud_api.resource import Phase
from pointcloud_operator.model.decision import Decision, JobReference
from tests.unit.operator.builders import CONFIG, UID, Json
from tests.unit.operator.world import STORE_IS_AWAY, UPLOAD, Memory, World

DELETE: Json = {"output": {"deletionPolicy": "Delete"}}
RETAIN: Json = {"output": {"deletionPolicy": "Retain"}}
FOLDERS = tuple(f"{stage.root}/photos/ruin/{UID}" for stage in StageName)
AT_MOST = timedelta(seconds=CONFIG.artefact_deletion_seconds)


def published(spec: Json = DELETE) -> World:
    world = World(spec)
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    return world


def running(stage: StageName = StageName.RECONSTRUCT) -> World:
    """A job, to be deleted with all that it made, whose pod of that stage runs."""
    world = World(DELETE)
    world.step()
    while (child := world.live()[0]).stage is not stage:
        world.complete()
        world.step()
    world.start(child)
    world.step()
    return world


def end(world: World) -> None:
    """Until it is gone; pods end when they are asked to."""
    for _ in range(20):
        if world.gone:
            return
        decision = world.step()
        if not world.gone and not decision.delete and decision.wake_at:
            world.seconds = max(world.seconds, round((decision.wake_at - world.now).total_seconds()))
    raise AssertionError("it is still there")


def test_whoever_wants_their_artefacts_deleted_gets_a_finalizer_before_anything_is_made() -> None:
    world = World(DELETE)
    decision = world.decide()
    assert decision.finalizer is True
    assert decision.create
    assert world.carry_out(decision, steps=1)
    assert world.job.metadata.finalizers == (ARTEFACTS_FINALIZER,)
    assert not world.status.stages
    assert world.step().finalizer is None
    assert world.status.stages


@pytest.mark.parametrize("spec", [{}, RETAIN])
def test_nobody_else_gets_one(spec: Json) -> None:
    world = World(spec)
    assert world.decide().finalizer is None


def test_awaiting_files_suspended_and_settled_jobs_get_it_too() -> None:
    for spec in (UPLOAD, {"suspend": True}):
        assert World({**spec, **DELETE}).decide().finalizer is True
    world = published({})
    world.change(**DELETE)
    decision = world.step()
    assert (decision.finalizer, decision.create) == (True, None)
    assert world.status.phase is Phase.SUCCEEDED
    assert world.step().finalizer is None


def test_it_is_taken_away_once_the_policy_is_retain_again() -> None:
    world = published()
    world.change(**RETAIN)
    world.step()
    assert not world.job.metadata.finalizers
    world.delete()
    assert world.gone


def test_a_settled_job_s_artefacts_are_removed_and_then_it_goes() -> None:
    world = published()
    assert world.stored()
    world.delete()
    erasing = world.step()
    assert (erasing.erase, erasing.delete, erasing.finalizer) == (FOLDERS, (), None)
    assert not world.stored()
    assert not world.gone
    released = world.step()
    assert (released.finalizer, released.notes, world.gone) == (False, (), True)


def test_its_jobs_go_first_and_what_their_pods_write_last_goes_too() -> None:
    world = running()
    (child,) = world.live()
    world.delete()
    decision = world.step()
    assert [job.name for job in decision.delete] == [child.name]
    assert (decision.erase, decision.finalizer) == ((), None)
    waiting = world.decide([child])
    assert (waiting.delete, waiting.erase, waiting.finalizer) == ((), (), None)
    assert waiting.wake_at
    child.leave(world.now)
    end(world)
    assert not world.stored()


def test_pods_whose_job_is_gone_are_waited_for() -> None:
    world = running()
    (child,) = world.live()
    world.delete()
    world.step()
    world.children.clear()
    world.orphans.append(child)
    world.seconds += 10
    assert world.decide().erase == ()
    world.orphans.clear()
    assert world.decide().erase == FOLDERS


def test_a_job_that_a_late_cache_does_not_show_is_looked_up_before_anything_is_erased() -> None:
    world = running()
    (child,) = world.live()
    world.delete()
    late = world.decide(())
    assert late.delete == (JobReference(child.name, None),)
    assert late.erase == ()
    world.seconds += 10
    assert world.decide(()).erase == FOLDERS, "it is not waited for longer than caches are late"


def test_deleting_one_that_has_just_begun_leaves_nothing() -> None:
    world = World(DELETE)
    world.carry_out(world.decide(), steps=1)
    world.delete()
    end(world)
    assert world.made == 0


def test_no_job_is_made_for_what_is_being_deleted() -> None:
    world = running()
    world.delete()
    world.change(reconstruction={"quality": "high"})
    for _ in range(5):
        assert world.decide().create is None


def test_a_store_that_is_away_holds_it_only_so_long_and_an_event_says_what_is_left() -> None:
    world = published()
    world.store_away = True
    world.delete()
    asked = world.now
    world.step()
    again = world.decide()
    assert again.finalizer is None
    assert again.wake_at == world.now + timedelta(seconds=5)
    world.seconds += CONFIG.artefact_deletion_seconds - 5
    assert world.decide().wake_at == asked + AT_MOST, "not later than its time is over"
    world.seconds += 5
    released = world.step()
    assert (released.finalizer, world.gone) == (False, True)
    (note,) = released.notes
    assert (note.type, note.reason) == ("Warning", "ArtefactsLeft")
    assert all(folder in note.message for folder in FOLDERS)
    assert STORE_IS_AWAY in note.message


def test_what_was_removed_is_not_among_what_is_left() -> None:
    world = published()
    world.memory.erased = frozenset(FOLDERS[:2])
    world.store_away = True
    world.delete()
    assert world.step().erase == FOLDERS[2:]
    world.seconds += CONFIG.artefact_deletion_seconds
    (note,) = world.step().notes
    assert FOLDERS[2] in note.message
    assert FOLDERS[0] not in note.message


def test_a_pod_on_a_silent_node_is_given_up_and_holds_it_only_so_long() -> None:
    world = running()
    (child,) = world.live()
    world.delete()
    world.carry_out(world.decide())
    world.seconds += 30 + CONFIG.force_delete_seconds
    assert [pod.uid for pod in world.decide().abandon] == [pod.uid for pod in child.pods]
    world.seconds += CONFIG.artefact_deletion_seconds
    released = world.decide()
    assert released.finalizer is False
    (note,) = released.notes
    assert "pods of this PointcloudJob do not end" in note.message


def test_an_operator_that_was_away_for_all_of_that_time_removes_it_all_the_same() -> None:
    world = published()
    world.delete()
    world.seconds += 1_000_000
    decision = world.step()
    assert (decision.erase, decision.finalizer) == (FOLDERS, None)
    assert (world.step().notes, world.gone) == ((), True)
    assert not world.stored()


def test_but_it_asks_a_store_that_is_away_only_once() -> None:
    world = published()
    world.delete()
    world.seconds += 1_000_000
    world.store_away = True
    world.step()
    assert [note.reason for note in world.step().notes] == ["ArtefactsLeft"]
    assert world.gone


def test_and_waits_for_no_pod() -> None:
    world = running()
    world.delete()
    world.seconds += 1_000_000
    assert [note.reason for note in world.step().notes] == ["ArtefactsLeft"]
    assert world.gone


def test_a_policy_that_is_retain_after_all_lets_it_go_at_once_with_what_is_there() -> None:
    world = published()
    world.store_away = True
    world.delete()
    world.step()
    world.change(**RETAIN)
    kept = world.stored()
    released = world.step()
    assert (released.finalizer, released.erase, world.gone) == (False, (), True)
    (note,) = released.notes
    assert (note.type, note.reason) == ("Normal", "ArtefactsLeft")
    assert world.stored() == kept


def test_somebody_else_s_finalizer_is_none_of_ours() -> None:
    world = published({})
    theirs = world.job.metadata.model_copy(
        update={"finalizers": ("example.com/theirs",), "deletion_timestamp": world.now}
    )
    world.job = world.job.model_copy(update={"metadata": theirs})
    assert world.decide() == Decision(status=world.status)


def test_a_crash_at_any_step_is_harmless() -> None:
    for steps in range(4):
        for when in range(4):
            world = running()
            world.delete()
            for turn in range(4):
                if not world.gone:
                    world.collect()
                    world.carry_out(world.decide(), steps=steps if turn == when else None)
            end(world)
            assert not world.stored()


@settings(deadline=None)
@given(
    away=st.lists(st.booleans(), min_size=5, max_size=5),
    crashes=st.lists(st.booleans(), min_size=5, max_size=5),
    minutes=st.lists(st.integers(0, 2), min_size=5, max_size=5),
    stage=st.sampled_from(StageName),
)
def test_whatever_happens_it_goes_in_time(
    away: list[bool], crashes: list[bool], minutes: list[int], stage: StageName
) -> None:
    world = running(stage)
    world.delete()
    asked = world.now
    for is_away, crash, passed in zip(away, crashes, minutes, strict=True):
        if world.gone:
            break
        world.store_away = is_away
        world.collect()
        assert world.decide().wake_at is not None or world.decide().finalizer is False
        world.carry_out(world.decide())
        if crash:
            world.memory = Memory()
        world.seconds += 60 * passed
    world.seconds = max(world.seconds, round((asked + AT_MOST - world.now).total_seconds()) + world.seconds)
    for _ in range(2):
        if not world.gone:
            world.carry_out(world.decide())
    assert world.gone
