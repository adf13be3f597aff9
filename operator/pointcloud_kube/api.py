"""The API server, in plain JSON: the official client's connection and credentials without its typed models."""

import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

import aiohttp
from kubernetes.aio import config as kubeconfig
from kubernetes.aio.client.api_client import ApiClient

Json = dict[str, Any]
Query = Mapping[str, str | int]

REQUEST_SECONDS = 30
"""How long an ordinary request may take."""

OnAnswer = Callable[[str, str], None]
"""Told of every request: its method, which is WATCH for a watch, and the status code, or "error" where none came."""


class ApiError(Exception):
    """An answer of the API server that is not success, with its Status' reason and message."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        """Seconds for which the server asks to be left alone."""

    @property
    def not_found(self) -> bool:
        """The object is not there."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """The object has changed since it was read."""
        return self.status == 409 and self.reason == "Conflict"

    @property
    def already_exists(self) -> bool:
        """An object of that name is there."""
        return self.status == 409 and self.reason == "AlreadyExists"

    @property
    def transient(self) -> bool:
        """The same request may succeed later: the server is busy or in trouble, or somebody else was quicker."""
        return self.status == 429 or self.status >= 500 or self.conflict

    @property
    def expired(self) -> bool:
        """The resourceVersion is too old to watch from."""
        return self.status == 410


def in_cluster() -> bool:
    """Whether to use the pod's service account: KUBECONFIG, where it is set, goes before it."""
    return "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ


class ApiServer:
    """Requests to one API server. Raises ApiError for answers, aiohttp.ClientError or TimeoutError for none.

    Args:
        client: The connection and its credentials.
        on_answer: Told of every request.
        before_write: Called before each request that changes something; what it raises is raised instead of asking.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        on_answer: OnAnswer = lambda _method, _code: None,
        before_write: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._on_answer = on_answer
        self._before_write = before_write

    @classmethod
    async def connect(cls, *, on_answer: OnAnswer = lambda _method, _code: None) -> Self:
        """Connects as KUBECONFIG says, or else as the pod's service account, or else as ~/.kube/config says.

        Raises:
            kubernetes.aio.config.ConfigException: When there is none of them.
        """
        if in_cluster():
            kubeconfig.load_incluster_config()  # type: ignore[no-untyped-call]
        else:
            await kubeconfig.load_kube_config()  # type: ignore[no-untyped-call]
        return cls(ApiClient(), on_answer=on_answer)

    def guarded(self, before_write: Callable[[], None]) -> Self:
        """The same connection, on which `before_write` is called before each request that changes something."""
        return type(self)(self._client, on_answer=self._on_answer, before_write=before_write)

    @property
    def address(self) -> str:
        """Where the API server is."""
        return str(self._client.configuration.host)

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, query: Query | None = None, *, seconds: float | None = None) -> Json:
        """GET of an object or a list."""
        return await self._json("GET", path, query=query, seconds=seconds)

    async def text(self, path: str, query: Query) -> str:
        """GET of plain text, such as a log."""
        return (await self._read("GET", path, query=query)).decode(errors="replace")

    async def post(self, path: str, body: Json, *, seconds: float | None = None) -> Json:
        """POST of a new object."""
        return await self._json("POST", path, body=body, seconds=seconds)

    async def put(self, path: str, body: Json, *, seconds: float | None = None) -> Json:
        """PUT of an object; its metadata.resourceVersion is a precondition."""
        return await self._json("PUT", path, body=body, seconds=seconds)

    async def patch(self, path: str, body: Json) -> Json:
        """PATCH of an object by JSON merge patch; metadata.resourceVersion and uid in it are preconditions."""
        return await self._json("PATCH", path, body=body, content_type="application/merge-patch+json")

    async def patch_strategic(self, path: str, body: Json) -> Json:
        """PATCH of a built-in object, in whose lists entries are told apart by their keys and the others stay."""
        return await self._json("PATCH", path, body=body, content_type="application/strategic-merge-patch+json")

    async def delete(
        self, path: str, *, uid: str, resource_version: str | None = None, grace_seconds: int | None = None
    ) -> None:
        """DELETE of the object of that uid and, in the background, of what it owns.

        Args:
            path: Of the object.
            uid: A precondition.
            resource_version: A precondition too, where one is given.
            grace_seconds: How long a pod has to end, where that is not its own to say; 0 asks nobody.
        """
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        options["preconditions"] = {"uid": uid}
        if resource_version is not None:
            options["preconditions"]["resourceVersion"] = resource_version
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._json("DELETE", path, body=options)

    async def watch(self, path: str, query: Query, *, silence: float) -> AsyncIterator[Json]:
        """The events of a watch, until the server ends it.

        Args:
            path: Of the list.
            query: With the resourceVersion to watch from.
            silence: Seconds without a byte after which the connection is taken for dead (TimeoutError).
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence)
        response = await self._send("GET", path, query={**query, "watch": "true"}, limits=limits, told_as="WATCH")
        async with response:
            if response.status >= 400:
                raise _error(response, await response.read())
            begun = b""
            async for piece in response.content.iter_any():  # its own lines end at 128 KiB, the API server's do not
                *lines, begun = (begun + piece).split(b"\n")
                for line in lines:
                    event: Json = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _refusal(event["object"].get("code", 500), event["object"])
                    yield event

    async def stream(self, path: str, query: Query) -> AsyncIterator[bytes]:
        """GET of something long, or that goes on, such as a log that is followed: piece by piece."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS)
        response = await self._send("GET", path, query=query, limits=limits)
        async with response:
            if response.status >= 400:
                raise _error(response, await response.read())
            async for piece in response.content.iter_any():
                yield piece

    async def _json(self, method: str, path: str, **how: Any) -> Json:
        answer: Json = json.loads(await self._read(method, path, **how))
        return answer

    async def _read(self, method: str, path: str, *, seconds: float | None = None, **how: Any) -> bytes:
        response = await self._send(method, path, limits=aiohttp.ClientTimeout(total=seconds or REQUEST_SECONDS), **how)
        async with response:
            content = await response.read()
        if response.status >= 400:
            raise _error(response, content)
        return content

    async def _send(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        limits: aiohttp.ClientTimeout,
        told_as: str = "",
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "*/*", "Content-Type": content_type}
        _, url, headers, _, _ = await self._client.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, auth_settings=["BearerToken"]
        )
        if method != "GET":
            self._before_write()
        code = "error"
        try:
            answer = await self._client.call_api(method, url, header_params=headers, body=body, _request_timeout=limits)
            response: aiohttp.ClientResponse = answer.response
            code = str(response.status)
        finally:
            self._on_answer(told_as or method, code)
        return response


def _error(response: aiohttp.ClientResponse, content: bytes) -> ApiError:
    try:
        retry_after = float(response.headers.get("Retry-After", ""))
    except ValueError:  # there is none, or it is a date, which the API server never writes
        retry_after = 0.0
    try:
        return _refusal(response.status, json.loads(content), retry_after=retry_after)
    except (ValueError, AttributeError):
        return ApiError(response.status, "", content.decode(errors="replace")[:500], retry_after=retry_after)


def _refusal(code: int, status: Json, *, retry_after: float = 0.0) -> ApiError:
    return ApiError(code, status.get("reason", ""), status.get("message", ""), retry_after=retry_after)
