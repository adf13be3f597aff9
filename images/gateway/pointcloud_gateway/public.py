"""The public port: the viewer page and the octree of each PointcloudJob, at the address in its status.

`/potree/<namespace>/<name>/` leads to `/potree/<namespace>/<name>/<key>/`, below which nothing ever changes, so
browsers and caches may keep it. Files are also served without the key, as of whatever is published now.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pointcloud_api.stages import LOG_FILE, VIEWER_PAGE
from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.cluster import ClusterUnavailableError
from pointcloud_gateway.delivery import deliver
from pointcloud_gateway.job_ids import JobId, is_name, is_namespace
from pointcloud_gateway.notices import Notice, nothing, notice_of, removed
from pointcloud_gateway.objects import ObjectMissingError, Objects
from pointcloud_gateway.problems import JobNotFound, Problem
from pointcloud_gateway.published import CloudRemovedError, Job, PublishedJobs

_KEY: Final = re.compile(r"[0-9a-f]{8,64}")
_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")
"""Names that convert stages give their files; a leading dot is never one."""

_MEDIA_TYPES: Final = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
"""Given here and not left to the system's table, because with nosniff a browser runs nothing of a wrong type."""

_SECURITY_HEADERS: Final = {
    # The octree's decoder runs in workers made from blobs; the page needs nothing from anywhere else.
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-downloads; "
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cross-Origin-Opener-Policy": "unsafe-none",  # browsers refuse to show a sandboxed page with any other
    "Cross-Origin-Resource-Policy": "cross-origin",  # the page's origin is opaque, so its own files are another's
}
_FOREVER: Final = "max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

PREFIXES: Final = ("/potree/", "/shared/")
"""Of all addresses served here, for what treats them differently: they are open to pages of any origin."""


def public_routes(
    objects: Objects, jobs: PublishedJobs, *, access: Access, grants: Grants, anonymous: bool
) -> list[BaseRoute]:
    """Routes of viewer pages and octrees. What they cannot answer they raise as a Problem."""
    site = _Site(objects, jobs, access, grants, anonymous)
    pages = ("/potree/{namespace}/{name}", "/shared/{grant}/{namespace}/{name}")
    return [
        route
        for page in pages
        for route in (
            Route(page, _with_slash),
            Route(f"{page}/", _in_words(site.latest)),
            Route(f"{page}/{{file:path}}", _in_words(site.file)),
        )
    ]


@dataclass(frozen=True)
class _Site:
    objects: Objects
    jobs: PublishedJobs
    access: Access
    grants: Grants
    anonymous: bool
    """Whether whoever knows the address may look."""

    async def latest(self, request: Request) -> Response:
        """To what is published now, by its key."""
        _, published = await self._published(request)
        return RedirectResponse(f"{published}/", status_code=302, headers={"Cache-Control": "no-store"})

    async def file(self, request: Request) -> Response:
        """A file of a given key, for ever the same, or else of what is published now."""
        job, published = await self._published(request)
        path: str = request.path_params["file"]
        key, slash, rest = path.partition("/")
        if not _KEY.fullmatch(key):
            return await self._serve(request, job, published, path, _ASK_AGAIN)
        if not slash:
            return await _with_slash(request)
        return await self._serve(request, job, key, rest or VIEWER_PAGE, _FOREVER)

    async def _published(self, request: Request) -> tuple[Job, str]:
        """The PointcloudJob of the address and its published key; raises a Problem where there is none to see."""
        job_id = JobId(request.path_params["namespace"], request.path_params["name"])
        if not (is_namespace(job_id.namespace) and is_name(job_id.name)):
            raise notice_of(None)
        grant: str | None = request.path_params.get("grant")
        if grant is None and not self.anonymous:
            await self.access.require(request, "get", job_id)
        job = await self.jobs.job(job_id)
        if grant is not None and (job is None or not self.grants.verify(grant, job_id, job.uid)):
            raise Notice(404, "This link opens nothing", "It may have lost a part, or its point cloud was deleted.")
        if job is None or job.status.published is None:
            raise notice_of(job)
        return job, job.status.published

    async def _serve(self, request: Request, job: Job, key: str, path: str, caching: str) -> Response:
        # A stage's log lies in the same folder; it is for the job's owner, not for the public.
        if not _FILE.fullmatch(path) or path == LOG_FILE:
            raise ObjectMissingError
        stat = await self.jobs.file(job, key, path)
        media_type = _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
        is_open = self.anonymous and "grant" not in request.path_params
        headers = {**_SECURITY_HEADERS, "Cache-Control": f"{'public' if is_open else 'private'}, {caching}"}
        return deliver(request, self.objects, stat, media_type=media_type, headers=headers)


Endpoint = Callable[[Request], Awaitable[Response]]


def _in_words(endpoint: Endpoint) -> Endpoint:
    """Makes a Notice of whatever keeps an endpoint from answering."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CloudRemovedError as error:
            raise removed() from error
        except ObjectMissingError as error:
            raise nothing() from error
        except ClusterUnavailableError as error:
            raise Notice(503, "One moment", f"{error}.", retry_seconds=5) from error
        except JobNotFound as error:
            raise notice_of(None) from error
        except Problem as problem:
            raise (problem if isinstance(problem, Notice) else Notice.of(problem)) from problem

    return answer


async def _with_slash(request: Request) -> Response:
    """Relative, so that it holds behind a proxy that adds a prefix: the page's own addresses are relative too."""
    last = request.url.path.rpartition("/")[2]
    return RedirectResponse(f"{last}/", status_code=302, headers={"Cache-Control": "no-store"})
