"""The application of the public port: the REST service, viewer pages and octrees, and the web page."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from pointcloud_gateway.access.guard import guard
from pointcloud_gateway.api.changes import Changes
from pointcloud_gateway.api.errors import UnexpectedErrors, exception_handlers, unavailable
from pointcloud_gateway.api.events import events_router
from pointcloud_gateway.api.install import install_router
from pointcloud_gateway.api.jobs import jobs_router
from pointcloud_gateway.api.listing import Listing
from pointcloud_gateway.api.openapi import openapi_document
from pointcloud_gateway.api.records import records_router
from pointcloud_gateway.api.seed import seed_router
from pointcloud_gateway.public import public_routes
from pointcloud_gateway.published import PublishedJobs
from pointcloud_gateway.services import Services
from pointcloud_gateway.uploads.tus import tus_router
from pointcloud_gateway.web import web_routes

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def starting_app() -> ASGIApp:
    """Before there is more to show: the process runs, and is not ready."""

    async def not_yet(_: Request) -> Response:
        return unavailable("The service is starting. Try again in a moment.").response()

    return Starlette(routes=[Route("/healthz", _healthz), Route("/{path:path}", not_yet, methods=_METHODS)])


def build_app(services: Services) -> ASGIApp:
    """The application, behind its limits."""
    app = FastAPI(
        title="pointcloud-operator",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=exception_handlers(),
        middleware=[Middleware(UnexpectedErrors)],
    )
    for router in _routers(services):
        app.include_router(router)
    app.router.routes += _others(services, app)
    return guard(app, services.base.settings, services.access)


def _routers(services: Services) -> tuple[APIRouter, ...]:
    """The REST service."""
    base, access, lookup = services.base, services.access, services.lookup
    listing = Listing(base.jobs, services.archive, lookup)
    changes = Changes(base.cluster, base.jobs, services.archive, access)
    return (
        seed_router(lookup, services.uploads),
        jobs_router(lookup, listing, changes, access),
        tus_router(services.uploads, access, base.jobs, base.settings),
        events_router(lookup, services.streams, access, patience=base.settings.idle_seconds),
        records_router(lookup, base.objects, services.archive, services.uploads, services.pod_logs),
        install_router(base.settings, listing, access, services.grants),
    )


def _others(services: Services, app: FastAPI) -> list[BaseRoute]:
    """What is no part of the REST service."""
    base = services.base

    async def openapi(_: Request) -> Response:
        return JSONResponse(openapi_document(app))

    return [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz(services)),
        Route("/openapi.json", openapi),
        *public_routes(
            base.objects,
            PublishedJobs(base.jobs, services.archive, base.objects),
            access=services.access,
            grants=services.grants,
            anonymous=base.settings.anonymous_viewing,
        ),
        *web_routes(base.settings.web),
    ]


async def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _readyz(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def readyz(_: Request) -> Response:
        missing = await _missing(services)
        return PlainTextResponse(f"{missing or 'ok'}\n", 503 if missing else 200)

    return readyz


async def _missing(services: Services) -> str:
    """What requests rest on and is not there; empty when all is.

    The archive is not asked for: without it history is missing, and the store and every live job go on.
    """
    base = services.base
    if base.stopping.is_set():
        return "the process is about to end"
    if not base.jobs.synced.is_set():
        return "the PointcloudJobs are not known yet"
    try:
        await base.objects.check_writable()
    except OSError as error:
        return f"the store cannot be written: {error}"
    return ""
