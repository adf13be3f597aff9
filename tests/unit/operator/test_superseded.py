"""What was published before is kept for a while, so that going back to it costs nothing, and then removed."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase, PointcloudJobStatus, StageStatus, SupersededStage
from pointcloud_api.stages import Reason, StageError, Termination
from pointcloud_operator.model.superseded import MAX_SUPERSEDED, bounded, superseded
from tests.unit.operator.builders import CONFIG, NOW, pointcloud_job
from tests.unit.operator.world import Memory, World

GRACE = timedelta(seconds=CONFIG.superseded_seconds)
HIGH = {"quality": "high"}
MEDIUM = {"quality": "medium"}
UPSTREAM_MISSING = Termination(error=StageError(reason=Reason.UPSTREAM_MISSING, message="it is gone", remedy="none"))


def settle(world: World) -> None:
    """Everything goes well until the job has ended, and no time passes but for that."""
    for _ in range(20):
        world.step()
        if world.status.phase is Phase.SUCCEEDED and not world.live():
            return
        world.complete()
    raise AssertionError(f"it does not end: {world.status}")


def published() -> World:
    world = World()
    settle(world)
    return world


def changed() -> World:
    """A job that has published at medium quality first, and then at high."""
    world = published()
    world.change(reconstruction=HIGH)
    settle(world)
    return world


def listed(world: World) -> dict[tuple[StageName, str], datetime | None]:
    return {(entry.name, entry.key): entry.remove_at for entry in world.status.superseded}


def keys(world: World) -> dict[StageName, str]:
    return {stage.name: stage.key for stage in world.status.stages}


def past_the_grace(world: World) -> None:
    (times,) = {entry.remove_at for entry in world.status.superseded}
    assert times
    world.seconds = round((times - NOW).total_seconds())


def miss_upstream(world: World) -> None:
    """The pod of the current Job does not find what it starts from."""
    (child,) = world.live()
    world.start(child)
    child.end(world.now, exit_code=75, termination=UPSTREAM_MISSING)


def test_what_a_change_leaves_is_listed_at_once_and_gets_its_time_when_other_things_are_published() -> None:
    world = published()
    before = keys(world)
    left = {(name, before[name]) for name in (StageName.RECONSTRUCT, StageName.CONVERT)}
    world.change(reconstruction=HIGH)
    world.step()
    assert listed(world) == dict.fromkeys(left)
    settle(world)
    assert world.status.completion_time
    assert listed(world) == dict.fromkeys(left, world.status.completion_time + GRACE)


def test_nothing_is_removed_as_long_as_nothing_newer_is_published() -> None:
    world = published()
    world.change(reconstruction=HIGH)
    world.step()
    (child,) = world.live()
    child.end(world.now, exit_code=65)
    child.failed = "PodFailurePolicy"
    world.step()
    world.seconds += 1_000_000
    decision = world.step()
    assert world.status.phase is Phase.FAILED
    assert (decision.erase, decision.wake_at) == ((), None)
    assert set(listed(world).values()) == {None}


def test_nothing_is_removed_while_the_newest_settings_have_failed() -> None:
    world = changed()
    world.change(pointcloud={"encoding": "uncompressed"})
    world.step()
    (child,) = world.live()
    child.end(world.now, exit_code=65)
    child.failed = "PodFailurePolicy"
    world.step()
    assert world.status.phase is Phase.FAILED
    world.seconds += 1_000_000
    decision = world.step()
    assert (decision.erase, decision.status.superseded) == ((), world.status.superseded)
    assert any(entry.remove_at and entry.remove_at < world.now for entry in world.status.superseded)


def test_it_is_removed_after_the_grace_with_one_write_and_then_never_looked_at_again() -> None:
    world = changed()
    gone = set(listed(world))
    waiting = world.decide()
    assert (waiting.status, waiting.erase) == (world.status, ())
    assert waiting.wake_at == next(iter(listed(world).values()))
    past_the_grace(world)
    before = world.status
    erasing = world.step()
    assert set(erasing.erase) == {world.prefix(name, key) for name, key in gone}
    assert erasing.status == before, "what is to be removed is not forgotten before it is"
    said = world.step()
    assert (said.status.superseded, said.erase, said.wake_at) == ((), (), None)
    assert not any(world.prefix(*each) in path for each in gone for path in world.stored())
    assert {name for name in StageName if any(world.prefix(name, keys(world)[name]) in p for p in world.stored())} == (
        set(StageName)
    )
    settled = world.status
    world.seconds += 1_000_000
    again = world.step()
    assert (again.status, again.erase, again.wake_at, again.notes) == (settled, (), None, ())


def test_going_back_within_the_grace_publishes_what_was_there_without_any_job() -> None:
    world = changed()
    first, made, new = set(listed(world)), world.made, keys(world)
    world.seconds += round(GRACE.total_seconds()) // 2
    world.change(reconstruction=MEDIUM)
    decision = world.step()
    assert (decision.create, world.made) == (None, made)
    assert world.status.phase is Phase.SUCCEEDED
    assert world.status.published == dict(first)[StageName.CONVERT]
    left = {(name, new[name]) for name in (StageName.RECONSTRUCT, StageName.CONVERT)}
    assert listed(world) == dict.fromkeys(left, world.now + GRACE)
    assert [note.reason for note in decision.notes] == ["SettingsChanged", "StageFound", "StageFound", "Published"]


def test_going_there_and_back_again_costs_nothing_as_often_as_one_likes() -> None:
    world = changed()
    made = world.made
    for quality in (MEDIUM, HIGH, MEDIUM, HIGH):
        world.change(reconstruction=quality)
        world.step()
        assert world.status.phase is Phase.SUCCEEDED
        assert len(world.status.superseded) == 2
    assert world.made == made


def test_going_back_before_anything_else_is_published_takes_it_off_the_list_again() -> None:
    world = published()
    before, made = keys(world), world.made
    world.change(reconstruction=HIGH)
    world.step()
    begun = world.stage(StageName.RECONSTRUCT)
    world.change(reconstruction=MEDIUM)
    world.step()
    assert world.status.phase is Phase.SUCCEEDED
    assert (keys(world), world.made) == (before, made + 1)
    assert listed(world) == {(StageName.RECONSTRUCT, begun.key): world.now + GRACE}, "what was begun is removed too"


def test_going_back_after_the_removal_runs_again() -> None:
    world = changed()
    made = world.made
    world.run_until_quiet()
    assert not world.status.superseded
    world.change(reconstruction=MEDIUM)
    settle(world)
    assert world.made == made + 2


def test_going_back_when_the_removal_may_have_begun_takes_nothing_of_what_is_being_removed() -> None:
    world = changed()
    old, made = dict(listed(world)), world.made
    past_the_grace(world)
    world.change(reconstruction=MEDIUM)
    settle(world)
    assert world.made == made + 2, "both stages run again"
    assert not {(name, key) for name, key in keys(world).items()} & set(old)
    assert world.status.superseded[0].remove_at == next(iter(old.values())), "it is still to be removed"
    world.run_until_quiet()
    assert not any(world.prefix(*each) in path for each in old for path in world.stored())
    assert world.status.phase is Phase.SUCCEEDED


def test_what_was_made_again_meanwhile_is_found_when_going_back_to_it() -> None:
    world = changed()
    past_the_grace(world)
    world.change(reconstruction=MEDIUM)
    settle(world)
    renewed, made = keys(world), world.made
    world.change(reconstruction=HIGH)
    settle(world)
    world.change(reconstruction=MEDIUM)
    settle(world)
    assert keys(world) == renewed
    assert world.made == made, "neither of them has been removed since"


def test_a_key_that_the_spec_goes_back_to_is_not_removed_though_its_turn_has_not_come() -> None:
    world = changed()
    world.store_away = True
    world.change(reconstruction=MEDIUM)
    world.step()
    assert set(listed(world).values()) == {None}
    world.seconds += 1_000_000
    world.store_away = False
    made = world.made
    settle(world)
    assert world.made == made, "though the store was away for longer than the grace"


def test_a_store_that_does_not_remove_is_asked_again_later_and_the_list_stays() -> None:
    world = changed()
    past_the_grace(world)
    world.store_away = True
    before = world.status
    world.step()
    again = world.step()
    assert (again.status, len(again.erase)) == (before, 2)
    assert again.wake_at == world.now + timedelta(seconds=30)
    world.store_away = False
    world.run_until_quiet()
    assert not world.status.superseded


def test_a_crash_at_any_step_of_a_removal_is_harmless() -> None:
    for steps in range(3):
        world = changed()
        past_the_grace(world)
        world.carry_out(world.decide(), steps=steps)
        world.run_until_quiet()
        assert not world.status.superseded
        assert world.status.phase is Phase.SUCCEEDED


def test_a_decision_to_remove_that_is_out_of_date_is_not_carried_out() -> None:
    world = changed()
    past_the_grace(world)
    decision, view = world.decide(), world.view()
    world.change(reconstruction=MEDIUM)
    assert decision.erase
    assert not world.carry_out(decision, view=view)


def test_what_is_current_is_never_removed_whatever_the_list_says() -> None:
    world = published()
    current = tuple(SupersededStage(name=n, key=k, remove_at=NOW) for n, k in keys(world).items())
    world.job = world.job.model_copy(update={"status": world.status.model_copy(update={"superseded": current})})
    decision = world.step()
    assert (decision.erase, world.status.superseded) == ((), ())


def test_the_photos_of_the_current_settings_stay() -> None:
    world = changed()
    assert StageName.INGEST not in {name for name, _ in listed(world)}
    world.change(source={"urls": ["https://example.com/other.zip"]})
    world.step()
    assert StageName.INGEST in {name for name, _ in listed(world)}


def test_artefacts_that_vanished_are_made_again_under_another_key_and_the_old_one_is_removed() -> None:
    world = published()
    lost = keys(world)
    world.lose(StageName.RECONSTRUCT, lost[StageName.RECONSTRUCT])
    world.change(pointcloud={"encoding": "uncompressed"})
    world.step()
    miss_upstream(world)
    settle(world)
    assert keys(world)[StageName.RECONSTRUCT] != lost[StageName.RECONSTRUCT]
    assert set(listed(world)) == {(name, lost[name]) for name in (StageName.RECONSTRUCT, StageName.CONVERT)}
    world.change(pointcloud={"encoding": "brotli"})
    made = world.made
    world.step()
    assert (world.status.phase, world.made) == (Phase.SUCCEEDED, made), "the cloud itself had not vanished"
    assert world.status.published == lost[StageName.CONVERT]
    world.run_until_quiet()
    assert not world.status.superseded


def test_going_back_finds_what_was_made_under_another_key_because_artefacts_had_vanished() -> None:
    world = World()
    world.step()
    world.complete()
    world.step()
    miss_upstream(world)
    settle(world)
    renewed, made = keys(world), world.made
    world.change(source={"urls": ["https://example.com/other.zip"]})
    settle(world)
    assert world.made == made + 3
    world.change(source={"urls": ["https://example.com/ruin.zip"]})
    world.step()
    assert (world.status.phase, keys(world), world.made) == (Phase.SUCCEEDED, renewed, made + 3)


def test_going_back_to_what_the_store_has_lost_runs_what_is_lost() -> None:
    world = changed()
    made = world.made
    world.lose(StageName.RECONSTRUCT, dict(set(listed(world)))[StageName.RECONSTRUCT])
    world.change(reconstruction=MEDIUM)
    settle(world)
    assert world.made == made + 1, "the cloud is there, its reconstruction is not"


def test_a_result_of_something_else_is_none() -> None:
    world = changed()
    convert = dict(set(listed(world)))[StageName.CONVERT]
    path = f"{world.prefix(StageName.CONVERT, convert)}/result.json"
    world.store[path] = world.store[path].model_copy(update={"key": "elsewhere"})
    world.change(reconstruction=MEDIUM)
    decision = world.step()
    assert decision.create
    assert world.status.phase is not Phase.SUCCEEDED


def test_what_another_operator_process_removed_is_removed_again() -> None:
    world = changed()
    past_the_grace(world)
    first = world.step()
    world.memory = Memory()
    assert world.decide().erase == first.erase


def test_a_list_that_is_too_long_forgets_the_oldest_and_says_so() -> None:
    entries = tuple(SupersededStage(name=StageName.CONVERT, key=f"k{n}") for n in range(MAX_SUPERSEDED + 2))
    kept, (note,) = bounded(pointcloud_job().metadata, entries)
    assert kept == entries[2:]
    assert (note.type, note.reason) == ("Warning", "ArtefactsLeft")
    assert "/k0, potree/" in note.message
    assert bounded(pointcloud_job().metadata, kept) == (kept, ())


def test_a_busy_user_s_list_fits_the_status() -> None:
    world = World()
    for number in range(80):
        world.change(source={"urls": [f"https://example.com/{number}.zip"]})
        world.step()
    assert len(world.status.superseded) == MAX_SUPERSEDED
    assert [note.reason for note in world.notes].count("ArtefactsLeft") == 79 - MAX_SUPERSEDED


records = st.lists(
    st.builds(
        StageStatus,
        name=st.sampled_from(StageName),
        key=st.sampled_from("abcdef"),
        settings=st.just({}),
        job=st.sampled_from(["", "job"]),
    ),
    max_size=3,
    unique_by=lambda record: record.key,
)
entries = st.lists(
    st.builds(
        SupersededStage,
        name=st.sampled_from(StageName),
        key=st.sampled_from("abcdef"),
        remove_at=st.sampled_from([None, NOW]),
    ),
    unique_by=lambda entry: entry.key,
)


@settings(deadline=None)
@given(before=entries, was=records, now=records, wished=st.sets(st.sampled_from("abcdef")))
def test_every_key_ever_begun_is_current_or_listed_and_nothing_wished_for_is_to_be_removed(
    before: list[SupersededStage], was: list[StageStatus], now: list[StageStatus], wished: set[str]
) -> None:
    status = PointcloudJobStatus(stages=tuple(was), superseded=tuple(before))
    after = superseded(status, now, wished=wished)
    begun_now = {record.key for record in now if record.job}
    known = {entry.key for entry in before} | {record.key for record in was if record.job}
    assert {entry.key for entry in after} == known - begun_now
    assert not [entry for entry in after if entry.remove_at and entry.key in wished]
    assert len({entry.key for entry in after}) == len(after)
    again = status.model_copy(update={"stages": tuple(now), "superseded": after})
    assert superseded(again, now, wished=wished) == after


def test_a_pod_that_is_late_cannot_bring_back_what_was_left() -> None:
    world = published()
    world.change(reconstruction=HIGH)
    world.step()
    (late,) = world.live()
    world.change(reconstruction=MEDIUM)
    world.step()
    world.finish(late)
    settled = world.status
    assert world.step().status == settled
