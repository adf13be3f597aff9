"""Every error as a problem document (RFC 9457), whoever raises it: our code, the framework, the cluster, the store."""

import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointcloud_gateway.cluster import (
    ClusterUnavailableError,
    JobConflictError,
    JobExistsError,
    JobMissingError,
    JobRefusedError,
)
from pointcloud_gateway.database import ArchiveUnavailableError
from pointcloud_gateway.notices import nothing
from pointcloud_gateway.objects import StorageFullError
from pointcloud_gateway.problems import Problem

RETRY_SECONDS: Final = 5
_MAX_ERRORS: Final = 20

_log = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Coroutine[Any, Any, Response]]


def exception_handlers() -> dict[int | type[Exception], Handler]:
    """For an application whose routes may raise any of these."""
    meanings: dict[type[Exception], Callable[[Any], Problem]] = {
        Problem: lambda problem: problem,
        RequestValidationError: _invalid,
        HTTPException: _of_framework,
        ClientDisconnect: lambda _: Problem(400, "The connection ended before the request did. Send it again."),
        ClusterUnavailableError: lambda error: unavailable(f"The cluster cannot be asked: {error}."),
        ArchiveUnavailableError: lambda error: unavailable(f"{error}."),
        StorageFullError: lambda error: Problem(
            507, f"The store is full: {error}. Whoever runs this install can help."
        ),
        JobRefusedError: lambda error: Problem(422, f"The cluster refuses this: {error}", title="Refused"),
        JobExistsError: lambda _: Problem(409, "There is a job of this name. Choose another, or delete that one."),
        JobConflictError: lambda _: Problem(409, "The job was changed at the same moment. Look at it and try again."),
        JobMissingError: lambda _: Problem(404, "The job was deleted meanwhile.", title="Job not found"),
    }
    return {kind: _handler(meaning) for kind, meaning in meanings.items()}


def unavailable(detail: str) -> Problem:
    """What may work in some seconds."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def _handler(meaning: Callable[[Any], Problem]) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        return meaning(error).response(accept=request.headers.get("accept", ""))

    return handle


def _invalid(error: RequestValidationError) -> Problem:
    found = [_invalid_field(each) for each in error.errors()[:_MAX_ERRORS]]
    detail = "; ".join(f"{each['field']}: {each['detail']}" for each in found)
    return Problem(422, f"{detail}. GET /openapi.json describes what is expected.", extensions={"errors": found})


def _invalid_field(error: Mapping[str, Any]) -> dict[str, str]:
    # The input itself is left out: it may be long, or a secret.
    return {"field": ".".join(str(part) for part in error["loc"]), "detail": str(error["msg"])}


def _of_framework(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return nothing()
    detail = {
        405: "This address does not take this method; the header Allow names those that it takes.",
        413: "The request's body is too large for this address.",
    }.get(error.status_code, error.detail)
    return Problem(error.status_code, detail, headers=error.headers)


class UnexpectedErrors:
    """ASGI middleware: a defect becomes a problem document with a number, under which the log holds the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if started:  # the answer cannot be taken back: uvicorn logs the error and cuts the connection
                raise
            number = secrets.token_hex(8)
            _log.exception("%s %s: error %s", scope["method"], scope["path"], number)
            detail = f"This is a defect of the gateway. Its log says more under the number {number}."
            await Problem(500, detail, extensions={"instance": f"urn:error:{number}"}).response()(scope, receive, send)
