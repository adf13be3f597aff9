"""From a PointcloudJob's name to the folder in the store that its address shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pointcloud_api.names import StageName, result_path, stage_prefix
from pointcloud_api.resource import PointcloudJobStatus
from pointcloud_api.stages import StageResult
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.database import ArchiveUnavailableError
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.objects import ObjectMissingError, Objects, Stat
from pointcloud_kube.api import Json

_RESULT_SECONDS: Final = 86_400.0
"""A result never changes while it is there; where its files are gone, it is read anew."""
_ARCHIVED_SECONDS: Final = 5.0
"""How long an archived job that is made to be forgotten may still be seen."""


class CloudRemovedError(ObjectMissingError):
    """The store has no result of that key, or none any more."""


@dataclass(frozen=True)
class Job:
    """A PointcloudJob as far as its page needs it."""

    namespace: str
    name: str
    uid: str
    status: PointcloudJobStatus


class PublishedJobs:
    """Looks PointcloudJobs and their results up, remembering the results.

    What a job that is gone from the cluster has published stays to be seen as long as the archive knows of it and the
    store has its files: a DELETE by the REST service makes the archive forget.
    """

    def __init__(self, jobs: JobDirectory, archive: Archive, objects: Objects) -> None:
        self._jobs = jobs
        self._objects = objects
        self._archived = CoalescingCache(archive.find, lifetime=lambda _: _ARCHIVED_SECONDS)
        self._folders = CoalescingCache(self._load_folder, lifetime=lambda _: _RESULT_SECONDS)

    async def job(self, job_id: JobId) -> Job | None:
        """The PointcloudJob, or None. Raises ClusterUnavailableError."""
        resource = await self._jobs.find(job_id) or await self._gone(job_id)
        return None if resource is None else _job_of(job_id, resource)

    async def _gone(self, job_id: JobId) -> Json | None:
        """A job of the archive; None, too, while the archive is away."""
        try:
            archived = await self._archived.get(job_id)
        except ArchiveUnavailableError:
            return None
        return None if archived is None else archived.resource

    async def file(self, job: Job, key: str, path: str) -> Stat:
        """A file of the octree of `key`. Raises CloudRemovedError, and ObjectMissingError where the octree has none."""
        prefix = stage_prefix(stage=StageName.CONVERT, namespace=job.namespace, name=job.name, uid=job.uid, key=key)
        folder = await self._folders.get(prefix)
        try:
            return await self._objects.stat(f"{folder}/{path}")
        except ObjectMissingError:
            # The key may have been removed since it was read, and been made again by another pod.
            self._folders.forget(prefix)
            if await self._folders.get(prefix) == folder:
                raise
        return await self.file(job, key, path)

    async def _load_folder(self, prefix: str) -> str:
        try:
            result = StageResult.model_validate_json(await self._objects.read_all(result_path(prefix)))
        except ObjectMissingError as error:
            raise CloudRemovedError(str(error)) from error
        return f"{prefix}/{result.pod_uid}"


def _job_of(job_id: JobId, resource: Mapping[str, Any]) -> Job:
    status = PointcloudJobStatus.model_validate(resource.get("status") or {})
    return Job(job_id.namespace, job_id.name, resource["metadata"]["uid"], status)
