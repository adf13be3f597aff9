"""Writes PointcloudJobs for callers whose right to it has been asked, or asks where it depends on what they write."""

import contextlib
import secrets
import string
from typing import Final

from pointcloud_api.names import REQUESTED_BY_ANNOTATION
from pointcloud_api.resource import PointcloudJobSpec
from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.api.lookup import Found
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.cluster import Cluster, JobExistsError, JobMissingError
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.problems import Problem
from pointcloud_kube.api import Json

_ALPHABET: Final = string.ascii_lowercase + string.digits
_SUFFIX_LENGTH: Final = 5
_NAME_TRIES: Final = 5


class Changes:
    """Creates, changes and deletes; this process answers with what it wrote before the watch tells of it."""

    def __init__(self, cluster: Cluster, jobs: JobDirectory, archive: Archive, access: Access) -> None:
        self._cluster = cluster
        self._jobs = jobs
        self._archive = archive
        self._access = access

    async def create(self, user: User, namespace: str, name: str | None, spec: PointcloudJobSpec) -> Json:
        """A new PointcloudJob, with a name made up where none is given.

        Raises Problem (403, 409, 422), JobExistsError, JobRefusedError, ClusterUnavailableError.
        """
        await self._check_creation(user, namespace, spec)
        body = spec.model_dump(mode="json", exclude_unset=True)
        created = await self._named(user, namespace, name, body) if name else await self._unnamed(user, namespace, body)
        self._jobs.observe(created)
        return created

    async def patch(self, found: Found, spec: Json) -> Json:
        """The PointcloudJob with a part of its spec changed. Raises what Cluster.patch_job raises."""
        changed = await self._cluster.patch_job(found.parsed.id, {"spec": spec}, uid=found.parsed.uid)
        self._jobs.observe(changed)
        return changed

    async def delete(self, found: Found) -> None:
        """Delete a job and forget it. Raises JobConflictError, ClusterUnavailableError, ArchiveUnavailableError."""
        if not found.parsed.archived:
            await self._archive.record(found.resource)  # so that it can be forgotten, whatever is still told of it
            with contextlib.suppress(JobMissingError):  # somebody else was faster
                await self._cluster.delete_job(found.parsed.id, uid=found.parsed.uid)
        await self._archive.forget(found.parsed.id)

    async def _check_creation(self, user: User, namespace: str, spec: PointcloudJobSpec) -> None:
        if not await self._access.may(user, "create", namespace):
            detail = f"{user.name} may not create pointcloudjobs in the namespace {namespace}."
            raise Problem(403, f"{detail} GET /whoami lists those in which they may.")
        if spec.source.upload is not None and spec.source.upload.revision is not None:
            raise Problem(422, "source.upload.revision counts what has arrived: leave it out, and send files.")
        if spec.source.persistent_volume_claim is not None:
            await self._check_claim(user, namespace, spec.source.persistent_volume_claim.claim_name)

    async def _check_claim(self, user: User, namespace: str, claim: str) -> None:
        # A stage reads it with the cluster's rights: who may not see a claim must not see what is in it by this way.
        if not await self._access.may(user, "get", namespace, resource="persistentvolumeclaims", group="", name=claim):
            raise Problem(403, f"{user.name} may not get the PersistentVolumeClaim {claim} in {namespace}.")

    async def _unnamed(self, user: User, namespace: str, spec: Json) -> Json:
        for _ in range(_NAME_TRIES):
            suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))
            with contextlib.suppress(JobExistsError):
                return await self._named(user, namespace, f"pointcloud-{suffix}", spec)
        raise Problem(409, "Every name that was made up is taken. Choose one: send `name`.")

    async def _named(self, user: User, namespace: str, name: str, spec: Json) -> Json:
        annotations = {REQUESTED_BY_ANNOTATION: user.name}
        return await self._cluster.create_job(JobId(namespace, name), spec=spec, annotations=annotations)
