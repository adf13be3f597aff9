"""What a changed spec runs again, what the run may take over, what leaves everything as it is, and what is told."""

from typing import Any

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase, PointcloudJobStatus
from pointcloud_operator.model.config import InstallConfig
from tests.unit.operator.builders import CONFIG, Json
from tests.unit.operator.world import UPLOAD, World, taken_over

WEBHOOKS: Json = {"webhooks": [{"url": "https://example.com/hook"}]}
RESOURCES: Json = {"stages": {"convert": {"resources": {"limits": {"memory": "9Gi"}}}}}
RETENTION: Json = {"retention": {"succeededSeconds": 1_000_000}}
OUTPUT: Json = {"output": {"deletionPolicy": "Delete"}}
RE_RUN_NOTHING = {
    "webhooks": WEBHOOKS,
    "resources": RESOURCES,
    "suspend": {"suspend": True},
    "retention": RETENTION,
    "output": OUTPUT,
    "budgets": {"retryLimit": 9, "activeDeadlineSeconds": 3600},
    "queue": {"queueName": "gpus"},
    "device": {"reconstruction": {"device": "cpu"}},
}
OTHER_INSTALL = InstallConfig.model_validate(
    {
        **CONFIG.model_dump(),
        "default_device": "cpu",
        "retry_limit": 7,
        "active_deadline_seconds": 60,
        "ingest_limits": {"maxImages": 7},
        "stages": {name: {"image": "example.com/newer:2", "scratchSize": "1Gi"} for name in StageName},
    }
)
"""As a newer version might bring it."""


def succeeded() -> World:
    world = World()
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    return world


def reconstructing(world: World) -> Json:
    """The Job of the reconstruct stage, once it is that stage's turn."""
    for _ in StageName:
        world.step()
        (child,) = world.live()
        if child.stage is StageName.RECONSTRUCT:
            return child.job
        world.complete()
    raise AssertionError("there is no reconstruction to run")


def as_written_by_another_version(status: PointcloudJobStatus, **unknown: Any) -> PointcloudJobStatus:
    """One that hashed in another way, did not know the newest setting, and knew some that this one does not."""

    def other(key: str | None) -> str | None:
        return key and key[::-1]

    stages = tuple(
        stage.model_copy(
            update={
                "key": other(stage.key),
                "previous_key": other(stage.previous_key),
                "job": stage.job.replace(stage.key, stage.key[::-1]),
                "settings": {**dict(list(stage.settings.items())[:-1]), **unknown},
            }
        )
        for stage in status.stages
    )
    hashed = {"observed_spec": "a-hash-of-another-kind", "published": other(status.published)}
    return status.model_copy(update={"stages": stages, **hashed})


@pytest.mark.parametrize("fields", RE_RUN_NOTHING.values(), ids=RE_RUN_NOTHING)
def test_a_change_that_touches_no_stage_leaves_an_end_as_it_was(fields: Json) -> None:
    world = succeeded()
    made, before = world.made, world.status
    world.seconds += 100
    world.change(**fields)
    decision = world.step()
    assert (decision.create, decision.notes, world.made) == (None, (), made)
    assert world.status.observed_generation == 2
    assert {condition.observed_generation for condition in world.status.conditions} == {2}
    told = {"observed_generation", "observed_spec", "conditions"}
    assert world.status.model_dump(exclude=told) == before.model_dump(exclude=told)
    settled = world.status
    assert world.step().status == settled


def test_nor_does_it_forget_what_the_run_took() -> None:
    world = succeeded()
    stages = tuple(stage.model_copy(update={"retries": 2}) for stage in world.status.stages)
    world.job = world.job.model_copy(update={"status": world.status.model_copy(update={"stages": stages})})
    world.change(**RESOURCES)
    world.step()
    assert world.status.stages == stages


@pytest.mark.parametrize("fields", [WEBHOOKS, {"suspend": False}], ids=["webhooks", "suspend"])
def test_a_change_that_touches_no_stage_leaves_a_waiting_job_alone(fields: Json) -> None:
    world = World()
    world.step()
    (child,) = world.live()
    world.change(**fields)
    world.step()
    assert [each.uid for each in world.live()] == [child.uid]
    assert world.status.observed_generation == 2


def test_a_new_word_for_rerun_runs_everything_again() -> None:
    world = succeeded()
    before = {stage.key for stage in world.status.stages}
    world.change(rerun="monday")
    world.run_until_quiet()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.made == 6
    assert not before & {stage.key for stage in world.status.stages}


def test_a_reconstruction_of_other_photos_takes_over_the_last_one_s_work() -> None:
    world = succeeded()
    last = world.stage(StageName.RECONSTRUCT).key
    world.change(source={"urls": ["https://example.com/more.zip"]})
    assert taken_over(reconstructing(world)) == last


def test_the_first_reconstruction_takes_nothing_over() -> None:
    assert taken_over(reconstructing(World())) is None


def test_it_takes_over_what_succeeded_last_whatever_was_begun_since() -> None:
    world = succeeded()
    last = world.stage(StageName.RECONSTRUCT).key
    for number in range(3):
        world.change(source={"urls": [f"https://example.com/{number}.zip"]})
        begun = reconstructing(world) if number % 2 else world.step().create
        assert begun is not None
    assert taken_over(reconstructing(world)) == last


def test_nothing_is_taken_over_across_a_rerun() -> None:
    world = succeeded()
    world.change(rerun="monday")
    assert taken_over(reconstructing(world)) is None
    world.change(source={"urls": ["https://example.com/more.zip"]})
    assert taken_over(reconstructing(world)) is None, "what came before the rerun is not remembered either"


def test_a_run_is_not_told_to_take_over_its_own_work() -> None:
    world = succeeded()
    mine = world.stage(StageName.RECONSTRUCT)
    world.change(reconstruction={"quality": "high"})
    world.step()
    world.store.clear()
    world.children.clear()
    world.change(reconstruction={"quality": "medium"})
    world.step()
    assert world.stage(StageName.RECONSTRUCT).previous_key == mine.key
    assert taken_over(reconstructing(world)) is None


def test_what_is_taken_over_is_in_no_key() -> None:
    after = succeeded()
    after.change(source={"urls": ["https://example.com/more.zip"]})
    fresh = World({"source": {"urls": ["https://example.com/more.zip"]}})
    assert taken_over(reconstructing(after)) != taken_over(reconstructing(fresh))
    assert after.stage(StageName.RECONSTRUCT).key == fresh.stage(StageName.RECONSTRUCT).key


def test_stages_that_are_to_run_again_are_listed_until_their_turn_comes() -> None:
    world = succeeded()
    world.change(source={"urls": ["https://example.com/more.zip"]})
    world.step()
    assert [(stage.name, bool(stage.job)) for stage in world.status.stages] == [
        (StageName.INGEST, True),
        (StageName.RECONSTRUCT, False),
        (StageName.CONVERT, False),
    ]


@pytest.mark.parametrize("fields", RE_RUN_NOTHING.values(), ids=RE_RUN_NOTHING)
@pytest.mark.parametrize("unknown", [{}, {"inventedLater": "yes"}], ids=["after an upgrade", "after going back"])
def test_such_a_change_re_runs_nothing_right_after_another_version_of_the_operator_either(
    fields: Json, unknown: Json
) -> None:
    world = succeeded()
    world.config = OTHER_INSTALL
    world.job = world.job.model_copy(update={"status": as_written_by_another_version(world.status, **unknown)})
    world.store.clear()
    made, before = world.made, world.status
    world.change(**fields)
    decision = world.step()
    assert (decision.create, decision.notes, decision.erase, world.made) == (None, (), (), made)
    told = {"observed_generation", "observed_spec", "conditions"}
    assert world.status.model_dump(exclude=told) == before.model_dump(exclude=told)


def test_an_upgrade_alone_writes_nothing() -> None:
    world = succeeded()
    world.config = OTHER_INSTALL
    world.job = world.job.model_copy(update={"status": as_written_by_another_version(world.status)})
    before = world.status
    decision = world.step()
    assert (decision.status, decision.create, decision.finalizer, decision.wake_at) == (before, None, None, None)


def test_after_an_upgrade_a_changed_setting_re_runs_its_stage_and_those_after_it_alone() -> None:
    world = succeeded()
    world.job = world.job.model_copy(update={"status": as_written_by_another_version(world.status)})
    photos, made = world.stage(StageName.INGEST), world.made
    world.change(reconstruction={"quality": "high"})
    assert said(world) == ["reconstruct: 1 setting changed: quality medium -> high; convert follows"]
    world.run_until_quiet()
    assert (world.made, world.stage(StageName.INGEST)) == (made + 2, photos)


# What is said of a change.


def said(world: World) -> list[str]:
    """What Events tell of changed settings until the job has come to rest again."""
    before = len(world.notes)
    world.run_until_quiet()
    return [note.message for note in world.notes[before:] if note.reason == "SettingsChanged"]


def test_a_changed_setting_is_told_once_with_what_it_was_and_which_stages_follow() -> None:
    world = succeeded()
    world.change(reconstruction={"quality": "high"})
    assert said(world) == ["reconstruct: 1 setting changed: quality medium -> high; convert follows"]
    world.change(pointcloud={"encoding": "uncompressed"})
    assert said(world) == ["convert: 1 setting changed: encoding brotli -> uncompressed"]


def test_several_are_told_by_stage() -> None:
    world = succeeded()
    world.change(
        source={"urls": ["https://example.com/ruin.zip"], "video": {"maxFrames": 20, "framesPerSecond": 1}},
        pointcloud={"encoding": "uncompressed"},
    )
    assert said(world) == [
        "ingest: 2 settings changed: framesPerSecond 2 -> 1, maxFrames 150 -> 20; reconstruct follows",
        "convert: 1 setting changed: encoding brotli -> uncompressed",
    ]


def test_a_new_word_for_rerun_is_told_as_what_it_is() -> None:
    world = succeeded()
    world.change(rerun="monday")
    assert said(world) == ["ingest: asked to run again: rerun is now monday; reconstruct and convert follow"]
    world.change(rerun="", source={"urls": ["https://example.com/ruin.zip"], "video": {"maxFrames": 20}})
    assert said(world) == [
        'ingest: 1 setting changed: maxFrames 150 -> 20; asked to run again: rerun is now ""; '
        "reconstruct and convert follow"
    ]


def test_long_values_are_cut() -> None:
    world = succeeded()
    world.change(source={"urls": [f"https://example.com/{number}.zip" for number in range(250)]})
    (message,) = said(world)
    assert message.startswith('ingest: 1 setting changed: urls ["https://example.com/ruin.zip"] -> ["https://ex')
    assert len(message) < 300


def test_more_files_are_told_as_the_revision_they_make() -> None:
    world = World(UPLOAD)
    world.upload()
    assert said(world) == [], "what is not there yet has not changed"
    world.upload()
    assert said(world) == ["ingest: 1 setting changed: uploadRevision 1 -> 2; reconstruct and convert follow"]


def test_another_source_is_told_without_its_secrets() -> None:
    world = succeeded()
    world.change(source={"urls": ["https://somebody:secret@example.com/ruin.zip?signature=secret"]})
    assert said(world) == [], "it names the same photos"
    world.change(source={"urls": ["https://somebody:secret@example.com/other.zip?signature=secret"]})
    (message,) = said(world)
    assert "https://example.com/other.zip" in message
    assert "secret" not in message


def test_what_nobody_had_begun_is_not_told() -> None:
    world = World()
    world.step()
    world.change(reconstruction={"quality": "high"})
    assert said(world) == []
