"""The API server, in plain JSON: the official client's connection and credentials without its typed models."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import aiohttp
from kubernetes.aio import config as kubeconfig
from kubernetes.aio.client.api_client import ApiClient

Json = dict[str, Any]
Query = Mapping[str, str | int]

REQUEST_SECONDS = 30
"""How long an ordinary request may take."""


class ApiError(Exception):
    """An answer of the API server that is not success, with its Status' reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

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
    def expired(self) -> bool:
        """The resourceVersion is too old to watch from."""
        return self.status == 410


def in_cluster() -> bool:
    """Whether to use the pod's service account: KUBECONFIG, where it is set, goes before it."""
    return "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ


class ApiServer:
    """Requests to one API server. Raises ApiError for answers, aiohttp.ClientError or TimeoutError for none."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls) -> Self:
        """Connects as KUBECONFIG says, or else as the pod's service account, or else as ~/.kube/config says.

        Raises:
            kubernetes.aio.config.ConfigException: When there is none of them.
        """
        if in_cluster():
            kubeconfig.load_incluster_config()  # type: ignore[no-untyped-call]
        else:
            await kubeconfig.load_kube_config()  # type: ignore[no-untyped-call]
        return cls(ApiClient())

    @property
    def address(self) -> str:
        """Where the API server is."""
        return str(self._client.configuration.host)

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, query: Query | None = None) -> Json:
        """GET of an object or a list."""
        return await self._json("GET", path, query=query)

    async def text(self, path: str, query: Query) -> str:
        """GET of plain text, such as a log."""
        return (await self._read("GET", path, query=query)).decode(errors="replace")

    async def post(self, path: str, body: Json) -> Json:
        """POST of a new object."""
        return await self._json("POST", path, body=body)

    async def put(self, path: str, body: Json) -> Json:
        """PUT of an object; its metadata.resourceVersion is a precondition."""
        return await self._json("PUT", path, body=body)

    async def delete(self, path: str, *, uid: str) -> None:
        """DELETE of the object of that uid and, in the background, of what it owns."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        await self._json("DELETE", path, body={**options, "propagationPolicy": "Background"})

    async def watch(self, path: str, query: Query, *, silence: float) -> AsyncIterator[Json]:
        """The events of a watch, until the server ends it.

        Args:
            path: Of the list.
            query: With the resourceVersion to watch from.
            silence: Seconds without a byte after which the connection is taken for dead (TimeoutError).
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence)
        response = await self._send("GET", path, query={**query, "watch": "true"}, limits=limits)
        async with response:
            if response.status >= 400:
                raise _error(response.status, await response.read())
            async for line in response.content:
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 500), json.dumps(event["object"]).encode())
                yield event

    async def _json(self, method: str, path: str, *, query: Query | None = None, body: Json | None = None) -> Json:
        answer: Json = json.loads(await self._read(method, path, query=query, body=body))
        return answer

    async def _read(self, method: str, path: str, *, query: Query | None = None, body: Json | None = None) -> bytes:
        limits = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        response = await self._send(method, path, query=query, body=body, limits=limits)
        async with response:
            content = await response.read()
        if response.status >= 400:
            raise _error(response.status, content)
        return content

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Json | None = None,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "*/*", "Content-Type": "application/json"}
        _, url, headers, _, _ = await self._client.param_serialize(
            method, path, query_params=list((query or {}).items()), header_params=headers, auth_settings=["BearerToken"]
        )
        answer = await self._client.call_api(method, url, header_params=headers, body=body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response


def _error(status: int, content: bytes) -> ApiError:
    try:
        body = json.loads(content)
        return ApiError(status, body.get("reason", ""), body.get("message", ""))
    except (ValueError, AttributeError):
        return ApiError(status, "", content.decode(errors="replace")[:500])
