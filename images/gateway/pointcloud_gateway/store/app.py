"""The store service's HTTP: parse the path, ask who is calling, apply the policy, move the bytes."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from obstore.exceptions import BaseError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointcloud_gateway.access.bearer import bearer_credential
from pointcloud_gateway.cluster import ClusterUnavailableError
from pointcloud_gateway.delivery import deliver
from pointcloud_gateway.objects import (
    MAX_CREATE_BYTES,
    DigestMismatchError,
    ObjectExistsError,
    ObjectMissingError,
    Objects,
    StorageFullError,
)
from pointcloud_gateway.store.authorisation import (
    Access,
    BadPathError,
    Identity,
    NotAllowedError,
    ObjectPath,
    Policy,
)
from pointcloud_gateway.store.erasure import erase

MAX_PAGE: Final = 1000
"""Objects in one answer to a listing."""
ERASE_SECONDS: Final = 5.0
"""How long one request removes objects before it asks to be sent again: well below what the operator waits for."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_log = logging.getLogger(__name__)


class Authenticator(Protocol):
    """Whom a bearer token belongs to."""

    async def __call__(self, token: str, /) -> Identity | None:
        """None when the token is not accepted. Raises ClusterUnavailableError when that cannot be told."""


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """Ends a request with a status and a JSON body that says why."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response = JSONResponse({"reason": reason, "message": message}, status_code=status, headers=headers)


def build_store_app(objects: Objects, authenticate: Authenticator, policy: Policy) -> Starlette:
    """The ASGI application of the store service."""
    service = _StoreService(objects, authenticate, policy)
    app = Starlette(
        routes=[
            Route("/v1/objects", service.list, methods=["GET"]),
            Route("/v1/objects", service.erase, methods=["DELETE"]),
            Route("/v1/objects/{path:path}", service.get, methods=["GET"]),
            Route("/v1/objects/{path:path}", service.put, methods=["PUT"]),
        ],
        exception_handlers={
            _Refusal: _refuse,
            BadPathError: _answer(400, "BadPath"),
            NotAllowedError: _answer(403, "NotAllowed"),
            ObjectMissingError: _answer(404, "NotFound"),
            ObjectExistsError: _answer(412, "Exists"),
            DigestMismatchError: _answer(422, "DigestMismatch"),
            ClusterUnavailableError: _answer(503, "ClusterUnavailable"),
            StorageFullError: _answer(507, "StorageFull"),
            ClientDisconnect: _answer(400, "Incomplete"),
        },
    )
    app.router.redirect_slashes = False
    return app


class _StoreService:
    def __init__(self, objects: Objects, authenticate: Authenticator, policy: Policy) -> None:
        self._objects = objects
        self._authenticate = authenticate
        self._policy = policy

    async def list(self, request: Request) -> Response:
        folder = await self._allowed_folder(request, Access.READ)
        limit = _page_size(request.query_params.get("limit"))
        after = request.query_params.get("after", "")
        found = await self._objects.list(f"{folder}/", after=after, limit=limit + 1)
        page = found[:limit]
        return JSONResponse(
            {
                "objects": [{"path": stat.path, "size": stat.size} for stat in page],
                "next": page[-1].path if len(found) > limit else None,
            }
        )

    async def erase(self, request: Request) -> Response:
        folder = await self._allowed_folder(request, Access.ERASE)
        try:
            gone = await erase(self._objects, folder, seconds=ERASE_SECONDS)
        except (OSError, BaseError) as error:
            raise _Refusal(503, "StorageFailed", f"{folder}/ could not be removed: {error}") from error
        if gone:
            return Response(status_code=204)
        message = f"not all of {folder}/ is removed yet: send the same request again"
        return JSONResponse({"reason": "NotYetRemoved", "message": message}, status_code=202)

    async def get(self, request: Request) -> Response:
        path = await self._allowed(request, Access.READ)
        stat = await self._objects.stat(str(path))
        return deliver(request, self._objects, stat, media_type="application/octet-stream")

    async def put(self, request: Request) -> Response:
        create = request.headers.get("if-none-match") == "*"
        path = await self._allowed(request, Access.CREATE if create else Access.WRITE)
        size, sha256 = _content_length(request), _announced_digest(request)
        if create:
            if size > MAX_CREATE_BYTES:
                raise _Refusal(413, "TooLarge", f"with If-None-Match, an object has at most {MAX_CREATE_BYTES} bytes")
            await self._objects.create(str(path), await request.body(), sha256)
        else:
            await self._objects.write(str(path), size, _pieces(request), sha256)
        return Response(status_code=201)

    async def _allowed(self, request: Request, access: Access) -> ObjectPath:
        identity = await self._identity(request)
        path = ObjectPath.parse(request.path_params["path"])
        self._policy.check(identity, access, path)
        return path

    async def _allowed_folder(self, request: Request, access: Access) -> ObjectPath:
        identity = await self._identity(request)
        prefix = request.query_params.get("prefix", "")
        if not prefix.endswith("/"):
            raise BadPathError("a prefix ends in '/': it names a folder")
        folder = ObjectPath.parse(prefix.removesuffix("/"))
        self._policy.check(identity, access, folder)
        return folder

    async def _identity(self, request: Request) -> Identity:
        token = bearer_credential(request)
        identity = None if token is None else await self._authenticate(token)
        if identity is None:
            message = "send a service-account token of the store's audience as Authorization: Bearer"
            raise _Refusal(401, "Unauthorized", message, {"WWW-Authenticate": "Bearer"})
        return identity


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece


def _content_length(request: Request) -> int:
    header = request.headers.get("content-length")
    if header is None:
        raise _Refusal(411, "LengthRequired", "send Content-Length: the store must know whether the object fits")
    return int(header)  # the HTTP parser has checked that it is a number


def _announced_digest(request: Request) -> str | None:
    header = request.headers.get("x-content-sha256")
    if header is not None and not _SHA256.fullmatch(header):
        raise _Refusal(400, "BadDigest", "X-Content-SHA256 is 64 lower-case hexadecimal digits")
    return header


def _page_size(text: str | None) -> int:
    if text is None:
        return MAX_PAGE
    if not _COUNT.fullmatch(text):
        raise _Refusal(400, "BadLimit", f"limit is a number from 1 to {MAX_PAGE}")
    return min(int(text), MAX_PAGE)


async def _refuse(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, _Refusal)  # noqa: S101 - for mypy: registered for this class only
    return refusal.response


def _answer(status: int, reason: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(request: Request, error: Exception) -> Response:
        _log.info("%s %s: %d %s: %s", request.method, request.url.path, status, reason, error)
        return JSONResponse({"reason": reason, "message": str(error)}, status_code=status)

    return handler
