"""What a webhook says: made from the resource alone, so that every replica says the same of the same run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pointcloud_api.resource import ConditionType, Phase
from pointcloud_gateway.job_ids import JobId
from pointcloud_kube.api import Json

_EVENTS: Final = {Phase.SUCCEEDED: ("job.completed", "completed"), Phase.FAILED: ("job.failed", "failed")}
"""By phase: the event's type, and the job's status in the words of `GET /job/{job_id}`."""


@dataclass(frozen=True)
class Message:
    """One message to one address."""

    id: str
    """The same for the same end of the same run, so that a receiver can tell what it has had."""
    url: str
    event: str
    body: str
    completed_at: datetime


def ending_of(job: Json) -> str | None:
    """What tells one end of one run from every other: when it ended; None while the job has not ended."""
    status = job.get("status") or {}
    ended: str | None = status.get("completionTime")
    return ended if status.get("phase") in _EVENTS else None


def messages_of(job: Json, *, default_namespace: str) -> list[Message]:
    """The messages of a job that has ended, one for each address; none of one that has not."""
    ended = ending_of(job)
    if ended is None:
        return []
    event, _ = _EVENTS[job["status"]["phase"]]
    document = {"type": event, "timestamp": ended, "data": _data(job, default_namespace)}
    body = json.dumps(document, separators=(",", ":"))
    urls = dict.fromkeys(webhook["url"] for webhook in job["spec"].get("webhooks") or ())
    uid, completed_at = job["metadata"]["uid"], datetime.fromisoformat(ended)
    return [Message(_id(uid, ended, url), url, event, body, completed_at) for url in urls]


def _id(*parts: str) -> str:
    return f"msg_{hashlib.sha256(chr(10).join(parts).encode(errors='replace')).hexdigest()[:32]}"


def _data(job: Json, default_namespace: str) -> dict[str, Any]:
    metadata, status = job["metadata"], job["status"]
    images = status.get("images")
    return {
        "id": JobId(metadata["namespace"], metadata["name"]).text(default_namespace=default_namespace),
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "status": _EVENTS[status["phase"]][1],
        "potree_url": status.get("url"),
        "points": status.get("points"),
        "images": images and {key: images.get(key) for key in ("found", "usable", "registered")},
        "failure": _failure(status),
        "completed_at": status["completionTime"],
    }


def _failure(status: Mapping[str, Any]) -> dict[str, str] | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == ConditionType.FAILED and condition["status"] == "True":
            return {"reason": condition["reason"], "message": condition.get("message", "")}
    return None
