"""Create, find, steer and delete jobs."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from pointcloud_api.resource import Phase
from pointcloud_gateway.access.access import Access
from pointcloud_gateway.api.answers import json_answer
from pointcloud_gateway.api.body_limit import LimitedRoute
from pointcloud_gateway.api.changes import Changes
from pointcloud_gateway.api.listing import Filters, Listing
from pointcloud_gateway.api.lookup import JobIdPath, Lookup
from pointcloud_gateway.api.openapi import problems
from pointcloud_gateway.api.schemas import CreateJob, Job, JobList, ShareLink, ShareRequest, StatusWord
from pointcloud_gateway.problems import Problem
from pointcloud_kube.api import Json

_MAX_PAGE: Final = 500
_MAX_CURSOR: Final = 256


def jobs_router(lookup: Lookup, listing: Listing, changes: Changes, access: Access) -> APIRouter:
    """The routes, with what they need."""
    api = _Jobs(lookup, listing, changes, access)
    # Who is calling comes before what they send: a stranger learns nothing of how it would be judged.
    router = APIRouter(tags=["Jobs"], dependencies=[Depends(access.user)], route_class=LimitedRoute)
    router.add_api_route(
        "/jobs",
        api.create,
        methods=["POST"],
        operation_id="createJob",
        summary="Create a job",
        status_code=201,
        responses=problems(401, 403, 409, 413, 422),
        response_model=Job,
    )
    router.add_api_route(
        "/jobs",
        api.list,
        operation_id="listJobs",
        summary="List jobs, newest first",
        response_model=JobList,
        responses=problems(401, 422),
    )
    router.add_api_route("/jobs/{job_id}", api.get, operation_id="getJob", summary="A job", response_model=Job)
    router.add_api_route(
        "/jobs/{job_id}",
        api.delete,
        methods=["DELETE"],
        operation_id="deleteJob",
        summary="Delete a job and its record",
        status_code=204,
        responses=problems(403, 404),
    )
    for path, endpoint, summary in (
        ("suspend", api.suspend, "Stop a job's work, and keep what is done"),
        ("resume", api.resume, "Go on with a suspended job"),
        ("rerun", api.rerun, "Run all stages of a job again"),
    ):
        router.add_api_route(
            f"/jobs/{{job_id}}/{path}",
            endpoint,
            methods=["POST"],
            operation_id=f"{path}Job",
            summary=summary,
            responses=problems(403, 404, 409),
            response_model=Job,
        )
    router.add_api_route(
        "/jobs/{job_id}/share",
        api.share,
        methods=["POST"],
        operation_id="shareJob",
        summary="A link that shows the point cloud to whoever has it",
        response_model=ShareLink,
        responses=problems(404, 409),
    )
    return router


class _Jobs:
    def __init__(self, lookup: Lookup, listing: Listing, changes: Changes, access: Access) -> None:
        self._lookup = lookup
        self._listing = listing
        self._changes = changes
        self._access = access

    async def create(self, body: CreateJob, request: Request) -> Response:
        """Make a PointcloudJob. Without `spec` it waits for files: `POST /process/{job_id}`, or a resumable upload."""
        user = await self._access.user(request)
        namespace = body.namespace or self._lookup.links.default_namespace
        created = await self._changes.create(user, namespace, body.name, body.spec)
        document = self._lookup.view(self._lookup.parsed(created))
        return json_answer(document, 201, headers={"Location": f"/jobs/{document.id}"})

    async def list(  # noqa: PLR0913 - filters
        self,
        request: Request,
        *,
        namespace: Annotated[str, Query(description="Only of this namespace.", max_length=63)] = "",
        status: Annotated[list[StatusWord] | None, Query(description="Only those of this status; may repeat.")] = None,
        phase: Annotated[list[Phase] | None, Query(description="Only those in this phase; may repeat.")] = None,
        q: Annotated[str, Query(description="Only those with this in their name.", max_length=63)] = "",
        archived: Annotated[bool | None, Query(description="Only those gone from the cluster, or only others.")] = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE, description="How many at most.")] = 50,
        after: Annotated[str, Query(description="`next` of the page before.", max_length=_MAX_CURSOR)] = "",
    ) -> Response:
        """The jobs that the caller may see, of the cluster and of the archive, page by page."""
        user = await self._access.user(request)
        filters = Filters(
            namespaces=await self._access.namespaces(user, await self._candidates(namespace, archived=archived)),
            statuses=frozenset(status or ()),
            phases=frozenset(phase or ()),
            text=q,
            archived=archived,
        )
        try:
            page, following = await self._listing.page(filters, limit=limit, after=after)
        except ValueError as error:
            raise Problem(400, "`after` is not the `next` of any page. Begin without it.") from error
        return json_answer(JobList(items=[self._lookup.view(job) for job in page], next=following))

    async def _candidates(self, namespace: str, *, archived: bool | None) -> set[str]:
        """The namespaces to look into. Jobs of the cluster are listed without the archive, which may be away."""
        if namespace:
            return {namespace}
        return self._listing.live_namespaces() if archived is False else await self._listing.namespaces()

    async def get(self, job_id: JobIdPath, request: Request) -> Response:
        """A job of the cluster or, once it is gone from there, of the archive."""
        found = await self._lookup.seen(request, job_id)
        return json_answer(self._lookup.view(found.parsed))

    async def delete(self, job_id: JobIdPath, request: Request) -> Response:
        """The work ends, the point cloud is shown no more, and nothing is remembered."""
        found = await self._lookup.seen(request, job_id, verb="delete")
        await self._changes.delete(found)
        return Response(status_code=204)

    async def suspend(self, job_id: JobIdPath, request: Request) -> Response:
        """The running stage is stopped; what finished stages made stays, and `resume` goes on from there."""
        return await self._change(request, job_id, {"suspend": True})

    async def resume(self, job_id: JobIdPath, request: Request) -> Response:
        """Nothing happens to a job that is not suspended."""
        return await self._change(request, job_id, {"suspend": False})

    async def rerun(self, job_id: JobIdPath, request: Request) -> Response:
        """From the same files, as if nothing had been made of them; what is published stays until it is done."""
        return await self._change(request, job_id, {"rerun": datetime.now(UTC).isoformat(timespec="milliseconds")})

    async def share(self, job_id: JobIdPath, request: Request, body: ShareRequest | None = None) -> Response:
        """Good until it expires, or until the job is deleted; it cannot be taken back before."""
        found = await self._lookup.changeable(request, job_id, "get")
        expires = int(time.time()) + (body or ShareRequest()).seconds
        url = self._lookup.links.shared(found.parsed.id, found.parsed.uid, expires=expires)
        return json_answer(ShareLink(url=url, expires_at=datetime.fromtimestamp(expires, UTC)))

    async def _change(self, request: Request, job_id: str, spec: Json) -> Response:
        found = await self._lookup.changeable(request, job_id, "patch")
        changed = await self._changes.patch(found, spec)
        return json_answer(self._lookup.view(self._lookup.parsed(changed)))
