"""The public port: the viewer page and the octree of each PointcloudJob, at the address in its status.

`/potree/<namespace>/<name>/` leads to `/potree/<namespace>/<name>/<key>/`, below which nothing ever changes, so
browsers and caches may keep it. Files are also served without the key, as of whatever is published now.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pointcloud_api.stages import LOG_FILE, VIEWER_PAGE
from pointcloud_gateway.cluster import ClusterUnavailableError
from pointcloud_gateway.delivery import deliver
from pointcloud_gateway.notices import Notice, notice_of
from pointcloud_gateway.objects import ObjectMissingError, Objects
from pointcloud_gateway.published import Job, PublishedJobs

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEY: Final = re.compile(r"[0-9a-f]{8,64}")
_FILE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")
"""Names that convert stages give their files; a leading dot is never one."""

_MEDIA_TYPES: Final = {
    ".bin": "application/octet-stream",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
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
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"


def build_public_app(objects: Objects, jobs: PublishedJobs, *, cors_origins: tuple[str, ...]) -> Starlette:
    """The ASGI application of the public port."""
    site = _Site(objects, jobs)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=cors_origins,
        allow_methods=("GET", "HEAD"),
        allow_headers=("Range", "If-None-Match", "If-Range", "Content-Type"),
        expose_headers=("Accept-Ranges", "Content-Length", "Content-Range", "ETag"),
        max_age=86_400,
    )
    app = Starlette(
        routes=[
            Route("/healthz", _healthz),
            Route("/readyz", site.readyz),
            Route("/potree/{namespace}/{name}", _with_slash),
            Route("/potree/{namespace}/{name}/", site.latest),
            Route("/potree/{namespace}/{name}/{file:path}", site.file),
        ],
        middleware=[cors],
        exception_handlers={
            Notice: _show_notice,
            ObjectMissingError: _missing,
            ClusterUnavailableError: _unavailable,
            404: _missing,
        },
    )
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True)
class _Site:
    objects: Objects
    jobs: PublishedJobs

    async def readyz(self, _: Request) -> Response:
        try:
            await self.objects.check_writable()
        except OSError as error:
            return PlainTextResponse(f"the store cannot be written: {error}\n", status_code=503)
        return PlainTextResponse("ok\n")

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
        """The PointcloudJob of the address and its published key; raises a Notice where there is none."""
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        valid = _DNS_LABEL.fullmatch(namespace) and _DNS_LABEL.fullmatch(name)
        job = await self.jobs.job(namespace, name) if valid else None
        if job is None or job.status.published is None:
            raise notice_of(job)
        return job, job.status.published

    async def _serve(self, request: Request, job: Job, key: str, path: str, cache_control: str) -> Response:
        # A stage's log lies in the same folder; it is for the job's owner, not for the public.
        if not _FILE.fullmatch(path) or path == LOG_FILE:
            raise ObjectMissingError
        folder = await self.jobs.folder(job, key)
        stat = await self.objects.stat(f"{folder}/{path}")
        media_type = _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
        headers = {**_SECURITY_HEADERS, "Cache-Control": cache_control}
        return deliver(request, self.objects, stat, media_type=media_type, headers=headers)


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _with_slash(request: Request) -> Response:
    """Relative, so that it holds behind a proxy that adds a prefix: the page's own addresses are relative too."""
    last = request.url.path.rpartition("/")[2]
    return RedirectResponse(f"{last}/", status_code=302, headers={"Cache-Control": "no-store"})


async def _missing(request: Request, _: Exception) -> Response:
    return _render(request, Notice(404, "Nothing here", "There is no such file. The address may be misspelt."))


async def _unavailable(request: Request, error: Exception) -> Response:
    return _render(request, Notice(503, "One moment", f"{error}.", retry_seconds=5))


async def _show_notice(request: Request, notice: Exception) -> Response:
    assert isinstance(notice, Notice)  # noqa: S101 - for mypy: registered for this class only
    return _render(request, notice)


def _render(request: Request, notice: Notice) -> Response:
    headers = {"Cache-Control": "no-store", "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    if notice.retry_seconds is not None:
        headers["Retry-After"] = str(notice.retry_seconds)
    if "text/html" in request.headers.get("accept", ""):
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return Response(notice.html(), notice.status, headers, media_type="text/html")
    return JSONResponse(notice.problem(), notice.status, headers, media_type="application/problem+json")
