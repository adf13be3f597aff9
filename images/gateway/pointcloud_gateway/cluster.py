"""What the gateway asks of the Kubernetes API: whose a token is, who may do what, and PointcloudJobs."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp

from pointcloud_api.names import API_VERSION, GROUP, PLURAL
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.job_ids import JobId
from pointcloud_kube.api import ApiError, ApiServer, Json

_TIMEOUT: Final = 5
"""Seconds; behind every question somebody waits."""
_REFUSED: Final = (400, 403, 422)

T = TypeVar("T")


class ClusterUnavailableError(Exception):
    """The API server does not answer, or answers with an error; worth another try."""


class JobMissingError(LookupError):
    """There is no such PointcloudJob."""


class JobExistsError(Exception):
    """There is a PointcloudJob of that name."""


class JobConflictError(Exception):
    """The PointcloudJob has changed since it was read."""


class JobRefusedError(Exception):
    """The API server refuses what was asked, by its schema, a quota or an admission webhook; the text says why."""


@dataclass(frozen=True)
class TokenReview:
    """What the API server says of a token that it accepts."""

    user: User
    audiences: tuple[str, ...]
    """Those asked for that the token is good for."""
    extra: Mapping[str, tuple[str, ...]]
    """Such as the pod that a service-account token is bound to."""


class Cluster:
    """Questions to one API server."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def review_token(self, token: str, *audiences: str) -> TokenReview | None:
        """Whose a token is that is good for one of the audiences, by default the API server's own; None if nobody's.

        Raises ClusterUnavailableError.
        """
        spec = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        answer = await self._reviewed("/apis/authentication.k8s.io/v1/tokenreviews", body)
        status = answer.get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return TokenReview(
            user=User(user.get("username", ""), tuple(user.get("groups") or ())),
            audiences=tuple(status.get("audiences") or ()),
            extra={key: tuple(values or ()) for key, values in (user.get("extra") or {}).items()},
        )

    async def may(  # noqa: PLR0913 - the attributes of a SubjectAccessReview
        self, user: User, verb: str, namespace: str, *, name: str = "", resource: str = PLURAL, group: str = GROUP
    ) -> bool:
        """Whether RBAC (or whatever authorises here) lets a user do it: a SubjectAccessReview.

        Raises ClusterUnavailableError.
        """
        attributes = {"verb": verb, "namespace": namespace, "group": group, "resource": resource, "name": name}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes},
        }
        answer = await self._reviewed("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _reviewed(self, path: str, body: Json) -> Json:
        """The answer to a question about somebody, whose fault it is not if the gateway itself may not ask."""
        try:
            return await _asked(self._api.post(path, body))
        except JobRefusedError as error:
            raise ClusterUnavailableError(f"the API server refuses to say who may do what: {error}") from error

    async def job(self, job_id: JobId) -> Json | None:
        """A PointcloudJob, or None. Raises ClusterUnavailableError."""
        try:
            return await _asked(self._api.get(_path(job_id)))
        except JobMissingError:
            return None

    async def create_job(self, job_id: JobId, *, spec: Json, annotations: Mapping[str, str]) -> Json:
        """Create a PointcloudJob. Raises JobExistsError, JobRefusedError, ClusterUnavailableError."""
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "PointcloudJob",
            "metadata": {"name": job_id.name, "namespace": job_id.namespace, "annotations": dict(annotations)},
            "spec": spec,
        }
        return await _asked(self._api.post(_path(job_id).rpartition("/")[0], body))

    async def patch_job(self, job_id: JobId, patch: Json, *, uid: str, resource_version: str | None = None) -> Json:
        """Merge `patch` into the PointcloudJob of that uid, at that resourceVersion where one is named.

        Raises JobMissingError, JobConflictError, JobRefusedError, ClusterUnavailableError.
        """
        metadata = {**patch.get("metadata", {}), "uid": uid}
        if resource_version is not None:
            metadata["resourceVersion"] = resource_version
        return await _asked(self._api.patch(_path(job_id), {**patch, "metadata": metadata}))

    async def delete_job(self, job_id: JobId, *, uid: str) -> None:
        """Delete the PointcloudJob of that uid. Raises JobMissingError, JobConflictError, ClusterUnavailableError."""
        await _asked(self._api.delete(_path(job_id), uid=uid))


def _path(job_id: JobId) -> str:
    return f"/apis/{API_VERSION}/namespaces/{job_id.namespace}/{PLURAL}/{job_id.name}"


async def _asked(question: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await question
    except ApiError as error:
        raise _meaning(error) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ClusterUnavailableError("the API server does not answer; try again") from error


def _meaning(error: ApiError) -> Exception:
    if error.not_found:
        return JobMissingError(error.message)
    if error.already_exists:
        return JobExistsError(error.message)
    if error.status == 409:
        return JobConflictError(error.message)
    if error.status in _REFUSED:
        return JobRefusedError(error.message)
    return ClusterUnavailableError(f"the API server answered {error.status}: {error.message}")
