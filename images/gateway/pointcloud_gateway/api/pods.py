"""Logs of pods that run: what they have said so far, and what they say while somebody listens."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from pointcloud_api.names import JOB_LABEL, KEY_LABEL, STAGE_LABEL
from pointcloud_api.resource import StageStatus
from pointcloud_gateway.job_ids import JobId
from pointcloud_kube.api import ApiError, ApiServer

MAX_LINES: Final = 10_000
"""Of what was said before somebody asked."""
_log = logging.getLogger(__name__)


class PodLogs:
    """Reads them from the API server.

    Args:
        api: The API server.
        stopping: Set when the process is to end, and with it what is followed.
    """

    def __init__(self, api: ApiServer, stopping: asyncio.Event) -> None:
        self._api = api
        self._stopping = stopping

    async def read(self, job_id: JobId, stage: StageStatus, *, follow: bool) -> AsyncIterator[bytes] | None:
        """The log of the stage's newest pod; None when there is nothing of it to be read."""
        selector = f"{JOB_LABEL}={job_id.name},{STAGE_LABEL}={stage.name},{KEY_LABEL}={stage.key}"
        pods_path = f"/api/v1/namespaces/{job_id.namespace}/pods"
        try:
            pods = (await self._api.get(pods_path, {"labelSelector": selector}))["items"]
            newest = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"], default=None)
            if newest is None:
                return None
            path = f"{pods_path}/{newest['metadata']['name']}/log"
            lines = self._api.stream(path, {"tailLines": MAX_LINES, "follow": "true" if follow else "false"})
            first = await anext(lines, b"")
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _log.info("reading the log of %s, stage %s: %s", job_id, stage.name, error)
            return None
        return self._resumed(first, lines) if first else None

    async def _resumed(self, piece: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The whole log; it ends where the connection to the node does, as it does when the pod ends."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while piece:
                yield piece
                coming = asyncio.ensure_future(anext(rest, b""))
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    return
                piece = coming.result()
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.info("following a log: %s", error)
        finally:
            stopping.cancel()
