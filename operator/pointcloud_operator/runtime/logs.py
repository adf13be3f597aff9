"""Follows the logs of running stage pods for their progress lines, at a bounded rate."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp

from pointcloud_api.stages import Progress
from pointcloud_kube.api import ApiError, ApiServer
from pointcloud_operator.model.progress import last_progress
from pointcloud_operator.runtime.queue import Key

_log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 2.0
"""Least time between two reads of one pod's log."""
MAX_INTERVAL_SECONDS: Final = 30.0
"""The same of one that cannot be read, as on a node that is silent: each time twice as long, up to this."""
READS_PER_SECOND: Final = 50
"""Of all pods together: at this rate the API server spends a tenth of a core on it."""
TAIL_LINES: Final = 50


@dataclass(frozen=True)
class LogSource:
    """A pod whose log to follow."""

    namespace: str
    pod: str
    uid: str


class LogTailer:
    """Reads the last lines of each followed pod's log again and again.

    Args:
        api: The API server.
        on_progress: Called with the key of a PointcloudJob when one of its pods has told something new.
    """

    def __init__(self, api: ApiServer, *, on_progress: Callable[[Key], None]) -> None:
        self._api = api
        self._on_progress = on_progress
        self._followed: dict[Key, dict[LogSource, asyncio.Task[None]]] = {}
        self._told: dict[str, Progress] = {}
        self._next_slot = 0.0

    def told(self, pod_uids: Iterable[str]) -> dict[str, Progress]:
        """The last progress of each of these pods that has told any."""
        return {uid: self._told[uid] for uid in pod_uids if uid in self._told}

    def follow(self, key: Key, sources: Iterable[LogSource]) -> None:
        """Follows exactly these pods of a PointcloudJob from now on."""
        tasks = self._followed.pop(key, {})
        wanted = set(sources)
        for source in set(tasks) - wanted:
            tasks.pop(source).cancel()
            self._told.pop(source.uid, None)
        for source in wanted - set(tasks):
            tasks[source] = asyncio.get_running_loop().create_task(self._tail(key, source))
        if tasks:
            self._followed[key] = tasks

    def stop(self) -> None:
        """Follows nothing any more."""
        for key in tuple(self._followed):
            self.follow(key, ())

    async def _tail(self, key: Key, source: LogSource) -> None:
        path = f"/api/v1/namespaces/{source.namespace}/pods/{source.pod}/log"
        pause = INTERVAL_SECONDS
        while True:
            await self._slot()
            try:
                log = await self._api.text(path, {"tailLines": TAIL_LINES})
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _log.info("reading the log of %s/%s: %s", source.namespace, source.pod, error or type(error).__name__)
                asked_to_wait = error.retry_after if isinstance(error, ApiError) else 0.0
                pause = max(asked_to_wait, min(MAX_INTERVAL_SECONDS, 2 * pause))
            else:
                pause = INTERVAL_SECONDS
                progress = last_progress(log, pod_uid=source.uid)
                if progress is not None and progress != self._told.get(source.uid):
                    self._told[source.uid] = progress
                    self._on_progress(key)
            await asyncio.sleep(pause)

    async def _slot(self) -> None:
        """Waits for a turn, so that all pods together keep to READS_PER_SECOND."""
        now = asyncio.get_running_loop().time()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / READS_PER_SECOND
        await asyncio.sleep(slot - now)
