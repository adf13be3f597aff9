"""What webhooks say."""

import json
from typing import Any

import pytest

from pointcloud_gateway.webhooks.messages import ending_of, messages_of
from tests.fixtures.jobs import Json, make_job, moment

HOOK = "https://example.com/hook"


def ended(phase: str = "Succeeded", *, urls: tuple[str, ...] = (HOOK,), uid: str = "uid", **status: Any) -> Json:
    spec = {"webhooks": [{"url": url} for url in urls]}
    return make_job(uid=uid, spec=spec, phase=phase, **{"completionTime": moment(90), **status})


def test_a_completed_job_is_told_with_its_result() -> None:
    job = ended(url="https://pointclouds.example/potree/team/beach/", points=6427,
                images={"found": 19, "usable": 18, "registered": 17, "display": "17/18"})  # fmt: skip
    (message,) = messages_of(job, default_namespace="default")
    assert message.url == HOOK
    assert json.loads(message.body) == {
        "type": "job.completed",
        "timestamp": moment(90),
        "data": {
            "id": "team.beach",
            "namespace": "team",
            "name": "beach",
            "status": "completed",
            "potree_url": "https://pointclouds.example/potree/team/beach/",
            "points": 6427,
            "images": {"found": 19, "usable": 18, "registered": 17},
            "failure": None,
            "completed_at": moment(90),
        },
    }


def test_a_failed_job_is_told_with_its_reason() -> None:
    conditions = [
        {"type": "Complete", "status": "False", "reason": "NoOverlap", "message": ""},
        {"type": "Failed", "status": "True", "reason": "NoOverlap", "message": "The photos do not overlap."},
    ]
    (message,) = messages_of(ended("Failed", conditions=conditions), default_namespace="team")
    data = json.loads(message.body)["data"]
    assert message.event == "job.failed"
    assert (data["id"], data["status"], data["potree_url"]) == ("beach", "failed", None)
    assert data["failure"] == {"reason": "NoOverlap", "message": "The photos do not overlap."}


@pytest.mark.parametrize("phase", ["Pending", "Running", "Suspended", None])
def test_a_job_that_has_not_ended_is_not_told(phase: str | None) -> None:
    job = ended(phase or "")
    assert messages_of(job, default_namespace="default") == []
    assert ending_of(job) is None


def test_a_job_without_a_status_or_webhooks_is_not_told() -> None:
    assert messages_of({**make_job(), "status": None}, default_namespace="default") == []
    assert messages_of(ended(urls=()), default_namespace="default") == []


def test_every_replica_says_the_same_of_the_same_end() -> None:
    assert messages_of(ended(), default_namespace="default") == messages_of(ended(), default_namespace="default")


def test_every_end_and_every_address_has_a_message_of_its_own() -> None:
    jobs = [
        ended(),
        ended(uid="other"),
        ended(completionTime=moment(91)),
        ended(urls=("https://b.example/", HOOK, HOOK)),
    ]
    ids = [message.id for job in jobs for message in messages_of(job, default_namespace="default")]
    assert len(ids) == 5
    assert len(set(ids)) == 4  # the last job's second message is the first's
