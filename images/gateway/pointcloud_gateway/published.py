"""From a PointcloudJob's name to the folder in the store that its address shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pointcloud_api.names import StageName, result_path, stage_prefix
from pointcloud_api.resource import PointcloudJobStatus
from pointcloud_api.stages import StageResult
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.objects import Objects

_JOB_SECONDS: Final = 1.5
"""How long a change of `status.published` may stay unseen; a page full of range requests asks once."""
_RESULT_SECONDS: Final = 86_400.0
"""A result never changes; the bound is for memory."""


@dataclass(frozen=True)
class Job:
    """A PointcloudJob as far as its page needs it."""

    namespace: str
    name: str
    uid: str
    status: PointcloudJobStatus


class PublishedJobs:
    """Looks PointcloudJobs and their results up, remembering them briefly."""

    def __init__(self, cluster: Cluster, objects: Objects) -> None:
        self._cluster = cluster
        self._objects = objects
        self._jobs = CoalescingCache(self._load_job, lifetime=lambda _: _JOB_SECONDS)
        self._folders = CoalescingCache(self._load_folder, lifetime=lambda _: _RESULT_SECONDS)

    async def job(self, namespace: str, name: str) -> Job | None:
        """The PointcloudJob, or None. Raises ClusterUnavailableError."""
        return await self._jobs.get((namespace, name))

    async def folder(self, job: Job, key: str) -> str:
        """The folder of the pod that made the octree of `key`. Raises ObjectMissingError when none has."""
        prefix = stage_prefix(stage=StageName.CONVERT, namespace=job.namespace, name=job.name, uid=job.uid, key=key)
        return await self._folders.get(prefix)

    async def _load_job(self, who: tuple[str, str]) -> Job | None:
        namespace, name = who
        resource = await self._cluster.pointcloud_job(namespace, name)
        return None if resource is None else _job_of(namespace, name, resource)

    async def _load_folder(self, prefix: str) -> str:
        result = StageResult.model_validate_json(await self._objects.read_all(result_path(prefix)))
        return f"{prefix}/{result.pod_uid}"


def _job_of(namespace: str, name: str, resource: Mapping[str, Any]) -> Job:
    status = PointcloudJobStatus.model_validate(resource.get("status") or {})
    return Job(namespace, name, resource["metadata"]["uid"], status)
