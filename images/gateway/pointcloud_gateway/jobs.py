"""The PointcloudJobs of the cluster as this process sees them: a cache kept current by a watch.

It is no state of the process's own: every replica has the same, and a restart reads it again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pointcloud_api.names import API_VERSION, PLURAL
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.job_ids import JobId
from pointcloud_kube.api import ApiServer, Json
from pointcloud_kube.reflector import Reflector

_MISS_SECONDS: Final = 1.0
"""How long "there is no such job" is believed, so that asking for what is not there costs the API server little."""
_REMEMBERED: Final = 1024
"""How many deleted PointcloudJobs are kept in mind, so that a late answer does not bring one back."""


@dataclass(frozen=True)
class Change:
    """Something happened to a PointcloudJob."""

    job: Json
    """As it is now, or as it was last seen."""
    deleted: bool

    @property
    def id(self) -> JobId:
        """Whose change this is."""
        return id_of(self.job)


def id_of(job: Json) -> JobId:
    """The id of a resource."""
    return JobId(job["metadata"]["namespace"], job["metadata"]["name"])


class JobDirectory:
    """All PointcloudJobs, by id; who subscribes is told of every change."""

    def __init__(self, api: ApiServer, cluster: Cluster) -> None:
        self._reflector = Reflector(api, f"/apis/{API_VERSION}/{PLURAL}", selector="", on_change=self._changed)
        self._by_id: dict[JobId, str] = {}
        self._listeners: set[Callable[[Change], None]] = set()
        self._gone: deque[str] = deque(maxlen=_REMEMBERED)
        self._asked = CoalescingCache(cluster.job, lifetime=lambda _: _MISS_SECONDS)

    @property
    def synced(self) -> asyncio.Event:
        """Set once every PointcloudJob is known."""
        return self._reflector.synced

    @property
    def position(self) -> str:
        """The resourceVersion up to which every change has been told; empty before `synced`."""
        return self._reflector.position

    async def run(self) -> None:
        """Keep the directory current until cancelled."""
        await self._reflector.run()

    def all(self) -> Iterable[Json]:
        """Every PointcloudJob, in no order."""
        return [job for uid in list(self._by_id.values()) if (job := self._reflector.cache.get(uid)) is not None]

    def get(self, job_id: JobId) -> Json | None:
        """A PointcloudJob as it was last seen."""
        uid = self._by_id.get(job_id)
        return None if uid is None else self._reflector.cache.get(uid)

    async def find(self, job_id: JobId) -> Json | None:
        """As `get`, but for one that the watch has not told of yet. Raises ClusterUnavailableError."""
        return self.get(job_id) or await self._asked.get(job_id)

    def observe(self, job: Json) -> None:
        """Take in what a request of this process was answered, before the watch tells of it."""
        if job["metadata"]["uid"] not in self._gone and self._reflector.cache.put(job):
            self._changed(job)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` at every change from now on; it must not block. Returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def _changed(self, job: Json) -> None:
        uid, job_id = job["metadata"]["uid"], id_of(job)
        deleted = self._reflector.cache.get(uid) is None
        if not deleted:
            self._by_id[job_id] = uid
        else:
            self._gone.append(uid)
            if self._by_id.get(job_id) == uid:
                del self._by_id[job_id]
        for listener in tuple(self._listeners):
            listener(Change(job, deleted))
