"""What the operator writes to the API server: each write is harmless when it is repeated, and refused when it is late.

A write whose answer was lost is made again by the next reconcile, so each bears that: preconditions of uid and
resourceVersion, names that say what they stand for, and answers that mean "done already" taken as such.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from pointcloud_api.names import ARTEFACTS_FINALIZER, GROUP, JOB_LABEL, PLURAL, VERSION
from pointcloud_api.resource import PointcloudJobStatus
from pointcloud_kube.api import ApiError, ApiServer, Json
from pointcloud_kube.reflector import owner_uid
from pointcloud_operator.model.decision import JobReference, PodReference
from pointcloud_operator.model.disruptions import NODE_SILENT
from pointcloud_operator.model.observed import Fact

T = TypeVar("T")


class Superseded(Exception):  # noqa: N818 - not an error: somebody else was quicker
    """The PointcloudJob has changed since it was read."""


class Gone(Exception):  # noqa: N818 - as above
    """There is no PointcloudJob of that uid any more."""


class Actions:
    """Carries single steps of a decision out. All raise what ApiServer raises.

    Args:
        api: The API server.
    """

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    # On the PointcloudJob. `held` is how it was when the decision was made. Raises Superseded, Gone.

    async def set_finalizer(self, held: Json, *, wanted: bool) -> Json:
        """Adds or removes our finalizer, and no other; returns the PointcloudJob as it is then."""
        finalizers = held["metadata"].get("finalizers", [])
        if (ARTEFACTS_FINALIZER in finalizers) == wanted:
            return held
        kept = [each for each in finalizers if each != ARTEFACTS_FINALIZER]
        wish = {**_identity(held), "finalizers": [*kept, ARTEFACTS_FINALIZER] if wanted else kept}
        return await self._if_current(self._api.patch(_path(held), {"metadata": wish}))

    async def write_status(self, held: Json, status: PointcloudJobStatus) -> Json:
        """Replaces the status; returns the PointcloudJob as it is then."""
        body = {**held, "status": status.model_dump(mode="json", exclude_none=True)}
        return await self._if_current(self._api.put(f"{_path(held)}/status", body))

    async def current(self, held: Json) -> Json:
        """Reads the PointcloudJob anew: before a step that no write of the status goes before."""
        current = await self._if_current(self._api.get(_path(held)))
        if current["metadata"]["uid"] != held["metadata"]["uid"]:
            raise Gone
        return current

    async def remove(self, held: Json) -> None:
        """Deletes the PointcloudJob if it is still as it was."""
        identity = _identity(held)
        await self._if_current(
            self._api.delete(_path(held), uid=identity["uid"], resource_version=identity["resourceVersion"])
        )

    # On its Jobs and pods.

    async def delete_job(self, owner: Json, reference: JobReference) -> None:
        """Deletes a Job and, in the background, its pods; one that was not seen only if it is the owner's."""
        path = f"{_jobs_path(owner)}/{reference.name}"
        try:
            uid = reference.uid or await self._uid_if_owned(owner, path)
            if uid:
                await self._api.delete(path, uid=uid)
        except ApiError as error:
            if not error.not_found:  # a conflict may be a successor's or the server's own: the next look tells
                raise

    async def abandon(self, owner: Json, reference: PodReference, *, now: datetime) -> None:
        """Takes a pod for gone whose node does not answer, as Kubernetes' own collector of lost pods does.

        The phase comes first: the Job controller replaces a pod that has failed, and never one that merely vanished.
        """
        path = f"/api/v1/namespaces/{owner['metadata']['namespace']}/pods/{reference.name}"
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": NODE_SILENT,
            "message": "its node does not answer; the pod is taken for gone",
            "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {"phase": "Failed", "conditions": [condition]}
        try:
            await self._api.patch_strategic(f"{path}/status", {"metadata": {"uid": reference.uid}, "status": status})
            await self._api.delete(path, uid=reference.uid, grace_seconds=0)
        except ApiError as error:
            if not error.not_found:  # a conflict may be a successor's or the server's own: the next look tells
                raise

    async def create_job(self, wanted: Json) -> Fact | None:
        """Creates a Job, or finds that it is there already; a Fact says why it cannot be had."""
        path = _jobs_path(wanted)
        name = wanted["metadata"]["name"]
        try:
            await self._api.post(path, wanted)
        except ApiError as error:
            # An admission webhook that cannot be reached is answered by 500, and is a refusal that somebody has to see.
            if error.transient and "webhook" not in error.message:
                raise
            if not error.already_exists:
                return Fact("JobRefused", f"the Job {name} cannot be created: {error.message}")
        else:
            return None
        there = await self._api.get(f"{path}/{name}")
        ours = owner_uid(there) == owner_uid(wanted)
        if ours and "deletionTimestamp" not in there["metadata"]:
            return None
        if ours or JOB_LABEL in there["metadata"].get("labels", {}):
            return Fact("JobTerminating", f"waiting for the Job {name} of an earlier PointcloudJob to be gone")
        return Fact("JobNameTaken", f"a Job {name} exists that is not this PointcloudJob's: delete it")

    async def _uid_if_owned(self, owner: Json, path: str) -> str | None:
        there = await self._api.get(path)
        return str(there["metadata"]["uid"]) if owner_uid(there) == owner["metadata"]["uid"] else None

    @staticmethod
    async def _if_current(writing: Awaitable[T]) -> T:
        try:
            return await writing
        except ApiError as error:
            if error.not_found:
                raise Gone from error
            if error.conflict:
                raise Superseded from error
            raise


def _identity(held: Json) -> Json:
    """What makes a write of metadata conditional on being the same object in the same version."""
    return {each: held["metadata"][each] for each in ("uid", "resourceVersion")}


def _path(held: Json) -> str:
    metadata = held["metadata"]
    return f"/apis/{GROUP}/{VERSION}/namespaces/{metadata['namespace']}/{PLURAL}/{metadata['name']}"


def _jobs_path(obj: Json) -> str:
    """The Jobs of the object's namespace."""
    return f"/apis/batch/v1/namespaces/{obj['metadata']['namespace']}/jobs"
