"""A PointcloudJob as the REST service shows it, over all that a job can be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.api.schemas import Job, SeedStatus
from pointcloud_gateway.api.view import Links, ParsedJob, job_view, seed_view

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
LINKS = Links("https://pointclouds.example.com", "photos", anonymous_viewing=True, grants=Grants(b"k" * 32))
PAGE = "https://pointclouds.example.com/potree/photos/ruin/"

UPLOADED = {"upload": {"revision": 2, "receivedAt": "2026-05-04T11:00:00Z"}}
FINISHED = {
    "observedGeneration": 1,
    "phase": "Succeeded",
    "url": PAGE,
    "published": "9d1e44b07c",
    "progress": {"percent": 100, "display": "100%", "message": "done"},
    "points": 4711,
    "images": {"found": 20, "usable": 19, "registered": 18, "reused": 7, "display": "18/19"},
    "startTime": "2026-05-04T11:00:10Z",
    "completionTime": "2026-05-04T11:30:00Z",
}
RUNNING: dict[str, Any] = {
    "observedGeneration": 1,
    "phase": "Running",
    "stage": "reconstruct",
    "progress": {"percent": 40, "display": "40%", "message": "match: 40 of 153 pairs"},
    "startTime": "2026-05-04T11:40:00Z",
    "stages": [
        {"name": "ingest", "key": "aa", "settings": {}, "phase": "Succeeded", "job": "ruin-ingest-aa-1"},
        {
            "name": "reconstruct",
            "key": "bb",
            "settings": {},
            "phase": "Running",
            "attempt": 2,
            "job": "ruin-reconstruct-bb-2",
            "startTime": "2026-05-04T11:50:00Z",
        },
    ],
}


def failed(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "Failed", "status": "True", "reason": reason, "message": message}
    return {
        "observedGeneration": 1,
        "phase": "Failed",
        "stage": "reconstruct",
        "conditions": [{**condition, "lastTransitionTime": "2026-05-04T11:30:00Z"}],
    }


def parsed(
    status: dict[str, Any] | None = None,
    *,
    source: dict[str, Any] | None = None,
    generation: int = 1,
    archived: bool = False,
    **spec: Any,
) -> ParsedJob:
    resource: dict[str, Any] = {
        "metadata": {
            "name": "ruin",
            "namespace": "photos",
            "uid": "0b5e3f9e",
            "creationTimestamp": "2026-05-04T10:00:00Z",
            "generation": generation,
            "annotations": {"pointcloud.stitchsketch.io/requested-by": "maria"},
        },
        "spec": {"source": source or UPLOADED, **spec},
    }
    return ParsedJob(resource | ({"status": status} if status else {}), archived=archived)


def view(*arguments: Any, **more: Any) -> Job:
    return job_view(parsed(*arguments, **more), links=LINKS, now=NOW)


def seed(*arguments: Any, **more: Any) -> dict[str, Any]:
    status: SeedStatus = seed_view(parsed(*arguments, **more), links=LINKS, now=NOW)
    return status.model_dump()


def test_a_new_job_waits_for_files() -> None:
    job = view(source={"upload": {}})
    assert (job.status, job.phase, job.upload_revision) == ("pending", "Pending", None)
    assert job.progress.message == "Waiting for files."


def test_a_job_whose_operator_says_nothing_yet_is_processing() -> None:
    job = view()
    assert (job.status, job.phase, job.upload_revision) == ("processing", "Pending", 2)
    assert job.progress.message == "Waiting for the operator to begin."


def test_a_running_job_says_how_far_it_is() -> None:
    job = view(RUNNING)
    assert (job.status, job.phase, job.stage) == ("processing", "Running", "reconstruct")
    assert (job.progress.percent, job.progress.message) == (40, "match: 40 of 153 pairs")
    assert [(stage.name, stage.phase, stage.attempt) for stage in job.stages] == [
        ("ingest", "Succeeded", 1),
        ("reconstruct", "Running", 2),
    ]
    assert (job.potree_url, job.completed_at) == (None, None)


def test_a_completed_job_leads_to_its_cloud() -> None:
    job = view(FINISHED)
    assert (job.status, job.points, job.progress.percent) == ("completed", 4711, 100)
    assert (job.potree_url, job.preview_url) == (PAGE, f"{PAGE}9d1e44b07c/thumbnail.jpg")
    assert job.images is not None
    assert job.images.model_dump() == {"found": 20, "usable": 19, "registered": 18, "reused": 7}
    assert job.completed_at == datetime(2026, 5, 4, 11, 30, tzinfo=UTC)
    assert job.owner == "maria"


def test_a_failed_job_says_why() -> None:
    job = view(failed("NoOverlap", "The photos do not overlap. Take more."))
    assert (job.status, job.stage) == ("failed", "reconstruct")
    assert job.failure is not None
    assert job.failure.model_dump() == {"reason": "NoOverlap", "message": "The photos do not overlap. Take more."}


def test_a_file_for_a_finished_job_counts_at_once() -> None:
    job = view(FINISHED, generation=2)
    assert (job.status, job.phase, job.progress.percent) == ("processing", "Pending", 0)
    assert (job.potree_url, job.completed_at) == (PAGE, None)


def test_a_file_for_a_failed_job_takes_its_failure_away() -> None:
    job = view(failed("NoOverlap", "The photos do not overlap."), generation=2)
    assert (job.status, job.failure) == ("processing", None)


def test_a_job_that_runs_again_still_shows_what_is_published() -> None:
    job = view({**RUNNING, "published": "9d1e44b07c", "url": PAGE})
    assert (job.status, job.potree_url) == ("processing", PAGE)


@pytest.mark.parametrize("status", [None, {"observedGeneration": 1, "phase": "Suspended"}])
def test_a_suspended_job_is_pending(status: dict[str, Any] | None) -> None:
    job = view(status, suspend=True)
    assert (job.status, job.phase, job.suspended) == ("pending", "Suspended", True)


def test_the_record_of_a_finished_job_still_leads_to_its_cloud() -> None:
    job = view(FINISHED, archived=True)
    assert (job.status, job.archived, job.potree_url) == ("completed", True, view(FINISHED).potree_url)
    assert job.potree_url is not None


@pytest.mark.parametrize("status", [None, RUNNING, {**FINISHED, "phase": "Suspended"}])
def test_the_record_of_a_job_that_had_not_ended_says_that_it_never_will(status: dict[str, Any] | None) -> None:
    job = view(status, archived=True)
    assert (job.status, job.progress.seconds_remaining) == ("failed", None)
    assert job.failure is not None
    assert job.failure.reason == "Deleted"


def test_a_record_keeps_its_end_though_the_spec_had_changed_since() -> None:
    assert view(FINISHED, generation=2, archived=True).status == "completed"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"upload": {}}, "upload"),
        ({"urls": ["https://example.com/a.zip"]}, "urls"),
        ({"persistentVolumeClaim": {"claimName": "photos"}}, "persistentVolumeClaim"),
    ],
)
def test_the_settings_are_what_was_asked_for(source: dict[str, Any], kind: str) -> None:
    job = view(source=source, reconstruction={"quality": "high", "device": "gpu"})
    assert job.settings.model_dump() == {
        "source": kind,
        "quality": "high",
        "encoding": "brotli",
        "device": "gpu",
        "deletion_policy": "Retain",
    }


def test_an_id_names_its_namespace_outside_the_default_one() -> None:
    assert view().id == "ruin"
    elsewhere = Links("https://x", "default", anonymous_viewing=True, grants=LINKS.grants)
    assert job_view(parsed(), links=elsewhere, now=NOW).id == "photos.ruin"


def test_where_not_everybody_may_look_the_links_are_signed_and_stay_the_same_for_a_day() -> None:
    links = Links("https://x", "photos", anonymous_viewing=False, grants=LINKS.grants)
    job = job_view(parsed(FINISHED), links=links, now=NOW)
    assert job.potree_url is not None
    expires = int(job.potree_url.removeprefix("https://x/shared/").partition(".")[0], 16)
    assert job.potree_url == f"https://x{LINKS.grants.path(parsed().id, '0b5e3f9e', expires=expires)}"
    assert job.preview_url == f"{job.potree_url}9d1e44b07c/thumbnail.jpg"
    assert job_view(parsed(FINISHED), links=links, now=NOW + timedelta(hours=11)).potree_url == job.potree_url
    assert timedelta(days=1) <= datetime.fromtimestamp(expires, UTC) - NOW <= timedelta(days=2)


# The seed's words.


def test_the_seeds_answer_holds_an_address_only_when_completed() -> None:
    assert seed(FINISHED) == {"id": "ruin", "status": "completed", "potree_url": PAGE}
    assert seed(FINISHED, generation=2) == {"id": "ruin", "status": "processing"}
    assert seed(source={"upload": {}}) == {"id": "ruin", "status": "pending"}
    assert seed(failed("NoOverlap", "")) == {"id": "ruin", "status": "failed"}


# Estimates.


def remaining(seconds: float, *, error: int = 60, **status: Any) -> tuple[int | None, int | None]:
    """What is said of a job that will probably end in so many seconds."""
    ends = (NOW + timedelta(seconds=seconds)).isoformat()
    progress = {"percent": 40, "estimatedCompletionTime": ends, "estimateErrorSeconds": error}
    shown = view({**RUNNING, "progress": progress, **status}).progress
    return shown.seconds_remaining, shown.error_seconds


@pytest.mark.parametrize(("seconds", "expected"), [(126, 130), (1234, 1260), (7, 10), (0, 10), (-59, 10), (-61, None)])
def test_the_estimate_is_the_operators_and_no_more_precise_than_it_can_be(seconds: int, expected: int | None) -> None:
    assert remaining(seconds) == (expected, None if expected is None else 60)


def test_without_an_estimate_of_the_operators_there_is_none() -> None:
    assert view(RUNNING).progress.seconds_remaining is None
    assert remaining(60, observedGeneration=0) == (None, None)


# What went on behind the scenes, and what is to come.


def test_interruptions_and_earlier_attempts_are_told() -> None:
    lost = {"pod": "ruin-1", "podUid": "1", "reason": "NodeLost", "time": "2026-05-04T11:51:00Z"}
    stage = RUNNING["stages"][1] | {
        "retries": 1,
        "disruptions": [lost],
        "earlierAttempts": [{"attempt": 1, "reason": "OutOfMemory", "memory": "16Gi"}],
    }
    told = view({**RUNNING, "stages": [stage]}).stages[0]
    assert told.retries == 1
    assert [(one.reason, one.at.minute) for one in told.interruptions] == [("NodeLost", 51)]
    assert [(one.reason, one.memory, one.scratch_size) for one in told.earlier_attempts] == [
        ("OutOfMemory", "16Gi", None)
    ]


def test_the_deadline_is_the_end_of_the_time_that_is_left() -> None:
    at_work = {**RUNNING, "activeSeconds": 600, "activeSince": "2026-05-04T11:50:00Z"}
    deadline = view(at_work, activeDeadlineSeconds=3600).deadline_at
    assert deadline == datetime(2026, 5, 4, 12, 40, tzinfo=UTC)
    assert view({**at_work, "activeSince": None}, activeDeadlineSeconds=3600).deadline_at is None
    assert view(at_work).deadline_at is None


@pytest.mark.parametrize(
    ("retention", "removed"),
    [
        ({"succeededSeconds": 3600}, datetime(2026, 5, 4, 12, 30, tzinfo=UTC)),
        ({"failedSeconds": 3600}, None),
        ({}, None),
    ],
)
def test_a_job_that_has_ended_says_when_it_is_removed(retention: dict[str, int], removed: datetime | None) -> None:
    assert view(FINISHED, retention=retention).removed_at == removed
    assert view(FINISHED, retention=retention, archived=True).removed_at is None
    assert view(RUNNING, retention=retention).removed_at is None
