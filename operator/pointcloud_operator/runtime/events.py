"""Events about PointcloudJobs, as `kubectl describe` shows them: written, and read about Jobs and Pods."""

import asyncio
import hashlib
import logging
import socket
from datetime import datetime
from typing import Final

import aiohttp

from pointcloud_api.names import API_VERSION, KIND, MANAGER
from pointcloud_api.resource import PointcloudJob
from pointcloud_kube.api import ApiError, ApiServer, Json
from pointcloud_operator.model.decision import Note
from pointcloud_operator.model.observed import EventView

_log = logging.getLogger(__name__)

MAX_MESSAGE: Final = 1024
"""Bytes that Kubernetes takes of an Event's message."""
MAX_REASON: Final = 128
TRIES: Final = 3
TRY_SECONDS: Final = 5.0
"""News must not keep the work waiting for long."""
PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 2.0


async def record(api: ApiServer, job: PointcloudJob, note: Note, *, now: datetime) -> None:
    """Writes an Event about a PointcloudJob, before the status that it goes with: afterwards nobody would miss it.

    Its name says what it tells, and of which version of the PointcloudJob, so an operator that was killed in between
    finds it told already. A failure that lasts is logged only: an Event is news, not state.
    """
    path, event = f"/api/v1/namespaces/{job.metadata.namespace}/events", event_of(job, note, now=now)
    problem: Exception
    for _ in range(TRIES):
        pause = PAUSE_SECONDS
        try:
            await api.post(path, event, seconds=TRY_SECONDS)
        except ApiError as error:
            if error.already_exists:
                return
            problem, pause = error, min(MAX_PAUSE_SECONDS, max(pause, error.retry_after))
            if not error.transient:
                break
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = error
        else:
            return
        await asyncio.sleep(pause)
    told = f"{note.reason} of {job.metadata.namespace}/{job.metadata.name}"
    _log.warning("recording %s: %s", told, problem or type(problem).__name__)


def event_of(job: PointcloudJob, note: Note, *, now: datetime) -> Json:
    """The Event that says it; the same for the same news of the same version, but for its time."""
    metadata = job.metadata
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{metadata.uid}\n{metadata.resource_version}\n{note.reason}\n{note.message}"
    name = f"{metadata.name}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
        "type": note.type,
        "reason": note.reason[:MAX_REASON],
        "message": note.message.encode()[:MAX_MESSAGE].decode(errors="ignore"),
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": socket.gethostname(),
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


async def warnings_about(api: ApiServer, namespace: str, uid: str) -> tuple[EventView, ...]:
    """The warning Events about the object of that uid."""
    found = await api.get(
        f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
    )
    return tuple(EventView.of(event) for event in found["items"])
