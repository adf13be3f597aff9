"""Single decisions, each from a state that is written out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.resource import Condition, ConditionType, Phase, PointcloudJob
from pointcloud_api.stages import Progress, StageError, Termination
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchPods, FetchResult, FetchWarnings, TailLog
from pointcloud_operator.model.observed import Absent, EventView, Observed, PodView, Unavailable
from tests.unit.operator.builders import (
    CONFIG,
    NOW,
    Json,
    ended_pod,
    job_view,
    pod_view,
    pointcloud_job,
    result,
    running_pod,
)

NOTHING = Observed()


def decided(job: PointcloudJob, observed: Observed = NOTHING, *, after: float = 0) -> Decision:
    return decide(job, observed, CONFIG, NOW + timedelta(seconds=after))


def begins(job: PointcloudJob, observed: Observed = NOTHING) -> Decision:
    """The decision once the store has said that it has nothing of what it is asked for."""
    asking = decided(job, observed)
    nothing = {want.path: Absent() for want in asking.wants if isinstance(want, FetchResult)}
    return decided(job, replace(observed, results={**observed.results, **nothing}))


def written(job: PointcloudJob, decision: Decision) -> PointcloudJob:
    """The job once the decision's status is stored, through JSON as the API server keeps it."""
    stored = job.model_copy(update={"status": decision.status})
    return PointcloudJob.model_validate_json(stored.model_dump_json(exclude_none=True))


def begun(spec: Json | None = None) -> tuple[PointcloudJob, Json]:
    """A job whose ingest stage has been decided upon, and its Job."""
    job = pointcloud_job(spec)
    decision = begins(job)
    assert decision.create
    return written(job, decision), decision.create


def changed_to(spec: Json, job: PointcloudJob) -> PointcloudJob:
    """The job once its user has changed the spec."""
    changed = pointcloud_job(spec, generation=job.metadata.generation + 1)
    return changed.model_copy(update={"status": job.status})


def seen(child: Json, *pods: PodView, **job: Any) -> Observed:
    """A Job and its pods, read at the same moment."""
    view = job_view(child, **job)
    return Observed(jobs=(view,), pods={view.uid: pods}, read=frozenset({view.uid}))


def finished(job: PointcloudJob, child: Json, **figures: Any) -> tuple[PointcloudJob, Decision]:
    """The stage's Job completes with its result."""
    labels = child["metadata"]["labels"]
    told = result(
        StageName(labels["pointcloud.stitchsketch.io/stage"]), labels["pointcloud.stitchsketch.io/key"], **figures
    )
    decision = begins(job, seen(child, ended_pod(exit_code=0, termination=Termination(result=told)), complete=True))
    return written(job, decision), decision


def succeeded() -> PointcloudJob:
    job, child = begun()
    for _ in StageName:
        job, decision = finished(
            job,
            child,
            imagesFound=19,
            imagesUsable=18,
            imagesRegistered=7,
            imagesReused=5,
            points=6427,
            density="dense",
        )
        child = decision.create or {}
    return job


def condition(decision: Decision, kind: str) -> str:
    return next(c.status for c in decision.status.conditions if c.type == kind)


def test_the_intent_is_written_with_the_job_that_is_created() -> None:
    decision = begins(pointcloud_job())
    (stage,) = decision.status.stages
    assert decision.create
    assert stage.job == decision.create["metadata"]["name"]
    assert stage.attempt == 1
    assert decision.status.phase is Phase.PENDING
    assert decision.status.observed_generation == 1


def test_an_intent_without_its_job_creates_the_same_job_again() -> None:
    job, child = begun()
    again = decided(job, after=60)
    assert again.create == child
    assert again.status == job.status


def test_a_result_and_the_next_intent_are_one_write() -> None:
    job, child = begun()
    _, decision = finished(job, child, imagesFound=19, imagesUsable=18)
    assert [stage.phase for stage in decision.status.stages] == [Phase.SUCCEEDED, Phase.PENDING]
    assert decision.create
    assert decision.create["metadata"]["name"] == decision.status.stages[1].job
    assert decision.status.images is not None
    assert decision.status.images.display == "18"


def test_the_last_result_publishes() -> None:
    status = succeeded().status
    assert status.phase is Phase.SUCCEEDED
    assert status.published == status.stages[-1].key
    assert status.url == "https://pointclouds.example.com/potree/photos/ruin/"
    assert status.images is not None
    assert (status.images.display, status.images.reused) == ("7/18", 5)
    assert (status.points, status.density) == (6427, "dense")


def test_a_settled_job_stays_as_it_is_without_its_jobs() -> None:
    job = succeeded()
    decision = decided(job, after=100_000)
    assert decision == Decision(status=job.status)


def test_a_message_that_was_lost_is_asked_of_the_store() -> None:
    job, child = begun()
    observed = seen(child, complete=True)
    decision = decided(job, observed)
    (want,) = decision.wants
    assert isinstance(want, FetchResult)
    key = job.status.stages[0].key
    assert want.path == f"raw/photos/ruin/{job.metadata.uid}/{key}/result.json"
    told = replace(observed, results={want.path: result(StageName.INGEST, key)})
    assert decided(job, told).status.stages[0].phase is Phase.SUCCEEDED
    assert decided(job, replace(observed, results={want.path: Absent()})).status.phase is Phase.FAILED
    away = decided(job, replace(observed, results={want.path: Unavailable("the store is away")}))
    assert away.status.phase is Phase.PENDING
    assert away.wake_at == NOW + timedelta(seconds=5)


def test_a_failure_is_said_in_condition_event_and_progress() -> None:
    job, child = begun()
    error = StageError(reason="NoImages", message="there are no photos", remedy="add some")
    pod = ended_pod(exit_code=66, termination=Termination(error=error))
    decision = decided(job, seen(child, pod, failed="PodFailurePolicy"))
    assert decision.status.phase is Phase.FAILED
    failed = next(c for c in decision.status.conditions if c.type == "Failed")
    assert (failed.status, failed.reason, failed.message) == ("True", "NoImages", "there are no photos. add some.")
    assert condition(decision, "Stalled") == "True"
    assert condition(decision, "Reconciling") == "False"
    assert [(note.type, note.message) for note in decision.notes] == [("Warning", failed.message)]
    assert decision.create is None


def test_a_running_pod_is_followed_and_its_progress_shown() -> None:
    job, child = begun()
    observed = seen(child, running_pod())
    decision = decided(job, observed)
    assert decision.wants == (TailLog(pod="ruin-pod-uid", uid="pod-uid"),)
    assert decision.status.phase is Phase.RUNNING
    told = Progress(nonce="pod-uid", step="download", done=1, total=2, unit="files", percent=50)
    shown = decided(written(job, decision), replace(observed, progress={"pod-uid": told})).status.progress
    assert shown is not None
    assert (shown.percent, shown.message) == (2, "download: 1 of 2 files")


def test_progress_is_written_at_intervals_and_never_goes_back() -> None:
    job, child = begun()
    observed = seen(child, running_pod())
    told = Progress(nonce="pod-uid", step="download", done=5, total=10, unit="files", percent=50)
    job = written(job, decided(job, replace(observed, progress={"pod-uid": told})))
    later = replace(observed, progress={"pod-uid": told.model_copy(update={"percent": 90})}, progress_written=NOW)
    early = decided(job, later, after=1)
    assert early.status == job.status
    assert early.wake_at == NOW + timedelta(seconds=2)
    due = decided(job, later, after=2).status.progress
    assert due is not None
    assert due.percent == 4
    less = replace(observed, progress={"pod-uid": told.model_copy(update={"percent": 10})})
    back = decided(job, less, after=60).status.progress
    assert back is not None
    assert back.percent == 2


def test_a_quiet_job_has_its_events_read() -> None:
    job, child = begun()
    observed = seen(child)
    assert decided(job, observed, after=4).wake_at == NOW + timedelta(seconds=5)
    asking = decided(job, observed, after=6)
    assert asking.wants == (FetchWarnings(uid="job-uid"),)
    refused = EventView("FailedCreate", "exceeded quota: none", NOW + timedelta(seconds=1))
    decision = decided(job, replace(observed, warnings={"job-uid": (refused,)}), after=6)
    assert decision.status.progress is not None
    assert "exceeded quota: none" in decision.status.progress.message


def test_an_event_from_before_the_pod_was_scheduled_explains_nothing() -> None:
    job, child = begun()
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-05-04T12:01:00Z"}
    old = EventView("FailedScheduling", "no nodes", NOW)
    observed = replace(seen(child, pod_view(conditions=(scheduled,))), warnings={"pod-uid": (old,)})
    decision = decided(job, observed, after=120)
    assert decision.status.progress is not None
    assert "no nodes" not in decision.status.progress.message


def test_a_finished_pod_of_an_unfinished_job_changes_nothing_yet() -> None:
    job, child = begun()
    job = written(job, decided(job, seen(child, running_pod())))
    observed = seen(child, ended_pod(exit_code=0))
    assert decided(job, observed, after=1).status == job.status
    later = decided(job, observed, after=600)
    assert later == Decision(status=job.status, wake_at=later.wake_at)


def test_a_failed_pod_that_is_to_be_replaced_is_explained() -> None:
    job, child = begun()
    error = StageError(reason="StoreUnavailable", message="the store is away", remedy="none")
    observed = seen(child, ended_pod(exit_code=75, termination=Termination(error=error)))
    assert decided(job, observed, after=1).status == job.status
    later = decided(job, observed, after=10).status
    assert later.phase is Phase.PENDING
    assert later.progress is not None
    assert later.progress.message == "Trying again soon. the store is away."


def test_a_job_that_failed_is_judged_by_its_pods_as_they_are_and_not_as_a_late_watch_shows_them() -> None:
    job, child = begun()
    late = replace(seen(child, running_pod(), failed="PodFailurePolicy"), read=frozenset())
    asking = decided(job, late)
    assert asking.wants == (FetchPods(uid="job-uid"),)
    assert not asking.complete
    pod = ended_pod(exit_code=137, reason="OOMKilled")
    decision = decided(job, replace(late, pods={"job-uid": (pod,)}, read=frozenset({"job-uid"})))
    assert [note.reason for note in decision.notes] == ["OutOfMemory"]


def test_missing_upstream_runs_the_stage_before_again_at_most_twice() -> None:
    job, child = begun()
    error = StageError(reason="UpstreamMissing", message="photos.json is gone", remedy="none")
    keys = {job.status.stages[0].key}
    for attempt in (2, 3):
        job, decision = finished(job, child)
        assert decision.create
        reconstruct = decision.create
        assert f'"upstream":"{job.status.stages[0].key}"' in str(reconstruct), "it starts from the newest photos"
        missing = ended_pod(exit_code=75, termination=Termination(error=error))
        decision = decided(job, seen(reconstruct, missing))
        assert decision.create
        child = decision.create
        job = written(job, decision)
        assert child["metadata"]["name"].endswith(f"-{attempt}")
        assert [stage.attempt for stage in decision.status.stages] == [attempt, attempt]
        assert decision.status.stages[0].key not in keys, "the old key's result names what is gone"
        keys.add(decision.status.stages[0].key)
        assert decision.delete
    job, decision = finished(job, child)
    assert decision.create
    decision = decided(job, seen(decision.create, missing, failed="BackoffLimitExceeded"))
    assert decision.status.phase is Phase.FAILED


def test_a_changed_spec_replaces_the_running_job() -> None:
    job, child = begun()
    changed = changed_to({"source": {"urls": ["https://example.com/other.zip"]}}, job)
    observed = seen(child, running_pod())
    (want,) = decided(changed, observed).wants
    assert isinstance(want, FetchResult)
    decision = decided(changed, replace(observed, results={want.path: Absent()}))
    assert [reference.name for reference in decision.delete] == [child["metadata"]["name"]]
    assert decision.create
    assert decision.create["metadata"]["name"] != child["metadata"]["name"]


def test_a_spec_changed_back_is_published_from_the_store_without_a_job() -> None:
    job = succeeded()
    changed = changed_to({"pointcloud": {"encoding": "uncompressed"}}, job)
    (want,) = decided(changed).wants
    assert isinstance(want, FetchResult)
    key = want.path.split("/")[-2]
    decision = decided(changed, Observed(results={want.path: result(StageName.CONVERT, key)}))
    assert decision.create is None
    assert decision.status.phase is Phase.SUCCEEDED
    assert decision.status.published == key != job.status.published


@pytest.mark.parametrize("kind", ["Complete", "Reconciling", "Failed", "Stalled"])
def test_a_condition_that_stays_keeps_its_time(kind: str) -> None:
    job, child = begun()
    later = decided(job, seen(child, running_pod()), after=60)
    (before,) = (c for c in job.status.conditions if c.type == kind)
    (after,) = (c for c in later.status.conditions if c.type == kind)
    assert after.last_transition_time == before.last_transition_time


def test_a_job_being_deleted_is_left_to_the_garbage_collector() -> None:
    job, child = begun()
    leaving = job.model_copy(update={"metadata": job.metadata.model_copy(update={"deletion_timestamp": NOW})})
    assert decided(leaving) == Decision(status=job.status)
    assert decided(leaving, seen(child, running_pod())) == Decision(status=job.status)


def test_an_earlier_attempt_that_a_late_cache_does_not_show_is_deleted_before_the_next_begins() -> None:
    job, child = begun()
    changed = changed_to({"stages": {"ingest": {"resources": {"limits": {"memory": "4Gi"}}}}}, job)
    decision = decided(changed, seen(child))
    assert decision.status.stages[0].attempt == 2
    crashed = written(changed, decision)
    late = decided(crashed, Observed())
    assert late.create
    assert [(reference.name, reference.uid) for reference in late.delete] == [(child["metadata"]["name"], None)]


# Whether enough photos are registered.


def partial(job: PointcloudJob) -> Condition | None:
    return next((c for c in job.status.conditions if c.type == ConditionType.PARTIAL_RECONSTRUCTION), None)


def test_nothing_is_said_of_registered_photos_before_any_could_be() -> None:
    job, child = begun()
    assert partial(job) is None
    ingested, _ = finished(job, child, imagesFound=19, imagesUsable=18)
    assert partial(ingested) is None


def test_a_reconstruction_of_few_of_the_photos_is_published_and_says_so() -> None:
    job = succeeded()
    said = partial(job)
    assert job.status.phase is Phase.SUCCEEDED
    assert said
    assert (said.status, said.reason) == ("True", "FewRegistered")
    assert said.message == (
        "7 of 18 usable photos are registered, fewer than spec.reconstruction.minRegisteredPercent (90 %): "
        "status.warnings says which are not"
    )


@pytest.mark.parametrize(("percent", "expected"), [(0, "False"), (38, "False"), (39, "True"), (100, "True")])
def test_how_many_are_enough_is_the_users_to_say_also_afterwards(percent: int, expected: str) -> None:
    before = succeeded()
    changed = changed_to({"reconstruction": {"minRegisteredPercent": percent}}, before)
    decision = decided(changed, after=60)
    said = partial(written(changed, decision))
    assert said
    assert (said.status, said.observed_generation) == (expected, 2)
    assert (decision.create, decision.status.phase) == (None, Phase.SUCCEEDED)
    moved = said.last_transition_time > NOW + timedelta(seconds=30)
    assert moved == (expected == "False"), "it moves with the status alone"
    assert decided(written(changed, decision), after=90).status == written(changed, decision).status
