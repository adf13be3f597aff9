"""How many requests a client may make: so that one who is out of hand takes the service from nobody else.

Counted in this process's memory: with n replicas a client has up to n times as much. What is asked is whether a client
is out of hand, and for that no exact count is worth a store that every request waits for.
"""

import ipaddress
import math
import re
import time
from collections.abc import Callable
from typing import Final

from limits import RateLimitItem, WindowStats
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pointcloud_gateway.access.bearer import bearer_credential
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.problems import Problem

_PROBES: Final = frozenset({"/healthz", "/readyz"})
_UPLOADS: Final = re.compile(r"/process/[^/]+|/jobs/[^/]+/uploads(/[^/]*)?")
_IPV6_CUSTOMER: Final = 64
"""Bits of an IPv6 address that one customer of a provider has at least; the rest they may choose at will."""


class RateLimit:
    """Counts requests by user, where the credential is known to be good, and else by address.

    Whoever invents credentials is therefore counted by address, whatever they invent. Not counted are probes; files of
    point clouds, of which one page fetches hundreds; and known users' uploads, of which 5,000 photos make 10,000
    requests, and which `max_concurrent_uploads` bounds.

    Args:
        app: To guard.
        limit: How many requests, in which time.
        known_user: Whose credential it is, among those that have been accepted lately.
        exempt_prefixes: Of paths that are not counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: RateLimitItem,
        known_user: Callable[[str], User | None],
        exempt_prefixes: tuple[str, ...],
    ) -> None:
        self._app = app
        self._limit = limit
        self._known_user = known_user
        self._exempt_prefixes = exempt_prefixes
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._policy = f'"default";q={limit.amount};w={limit.get_expiry()}'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        client = self._counted(HTTPConnection(scope)) if scope["type"] == "http" else None
        if client is None:
            await self._app(scope, receive, send)
            return
        passes = self._limiter.hit(self._limit, client)
        headers = self._headers(self._limiter.get_window_stats(self._limit, client))
        if not passes:
            await self._refusal(headers).response()(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _counted(self, request: HTTPConnection) -> str | None:
        """For whom a request counts; None when it does not."""
        path = request.scope["path"]
        if path in _PROBES:
            return None
        credential = bearer_credential(request)
        user = None if credential is None else self._known_user(credential)
        trusted = user is not None or "authorization" not in request.headers  # what is unknown has to be asked for
        if trusted and path.startswith(self._exempt_prefixes):
            return None
        if user is None:
            return f"address {_network(request)}"
        return None if _UPLOADS.fullmatch(path) else f"user {user.name}"

    def _headers(self, stats: WindowStats) -> dict[str, str]:
        """RateLimit header fields for HTTP, as draft-ietf-httpapi-ratelimit-headers has them."""
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        return {"RateLimit-Policy": self._policy, "RateLimit": f'"default";r={stats.remaining};t={wait}'}

    def _refusal(self, headers: dict[str, str]) -> Problem:
        wait = headers["RateLimit"].rpartition("=")[2]
        detail = (
            f"More than {self._limit.amount} requests in {self._limit.get_expiry()} seconds. Wait {wait} seconds; "
            "GET /events tells of every change in one request."
        )
        return Problem(429, detail, headers={"Retry-After": wait, **headers})


def _network(request: HTTPConnection) -> str:
    """Of whom an address is: itself, or the network of an IPv6 customer."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, _IPV6_CUSTOMER), strict=False))
