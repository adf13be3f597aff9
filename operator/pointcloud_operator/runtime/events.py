"""Events about PointcloudJobs, as `kubectl describe` shows them: written, and read about Jobs and Pods."""

import logging
import socket
import uuid
from datetime import datetime
from typing import Final

import aiohttp

from pointcloud_api.names import API_VERSION, KIND, MANAGER
from pointcloud_api.resource import PointcloudJob
from pointcloud_operator.model.decision import Note
from pointcloud_operator.model.observed import EventView
from pointcloud_operator.runtime.api import ApiError, ApiServer

_log = logging.getLogger(__name__)

MAX_MESSAGE: Final = 1024
"""Bytes that Kubernetes takes of an Event's message."""
MAX_REASON: Final = 128


async def record(api: ApiServer, job: PointcloudJob, note: Note, *, now: datetime) -> None:
    """Writes an Event about a PointcloudJob. A failure is logged only: an Event is news, not state."""
    metadata = job.metadata
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{uuid.uuid4().hex[:16]}", "namespace": metadata.namespace},
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
    try:
        await api.post(f"/api/v1/namespaces/{metadata.namespace}/events", event)
    except (ApiError, aiohttp.ClientError, TimeoutError) as error:
        _log.warning("recording %s of %s/%s: %s", note.reason, metadata.namespace, metadata.name, error)


async def warnings_about(api: ApiServer, namespace: str, uid: str) -> tuple[EventView, ...]:
    """The warning Events about the object of that uid."""
    found = await api.get(
        f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
    )
    return tuple(EventView.of(event) for event in found["items"])
