"""Stands between the operator and a server of its, names every call, and does to chosen ones what a fault would."""

import asyncio
import json
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from pointcloud_api.names import PLURAL
from tests.integration.operator.faults.calls import Call, Point
from tools.cluster.controlplane import ControlPlane

HOP_BY_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "host", "accept-encoding"})
MAX_BODY: Final = 1 << 24
OBJECTS: Final = frozenset({PLURAL, "jobs"})
"""What the operator reads one by one."""
MAX_LINE: Final = 1 << 22


@dataclass
class Exchange:
    """One request on its way: what a fault can do with it."""

    request: web.Request
    body: bytes
    session: aiohttp.ClientSession
    url: str
    answered: Callable[[], bytes | None]
    """What the interceptor answers itself, in place of the server; None for nearly everything."""
    strike: Callable[[], None] = field(default=lambda: None)
    """Called once the fault is done, whatever the client then makes of it."""

    async def acted(self) -> tuple[int, dict[str, str], bytes]:
        """Lets the server act; its status, headers and whole answer."""
        if (said := self.answered()) is not None:
            return 200, {"Content-Type": "text/plain"}, said
        async with self.upstream() as response:
            headers = {k: v for k, v in response.headers.items() if k.lower() not in HOP_BY_HOP | {"content-length"}}
            return response.status, headers, await response.read()

    def upstream(self) -> "aiohttp.client._RequestContextManager":
        """The request to the server."""
        headers = {k: v for k, v in self.request.headers.items() if k.lower() not in HOP_BY_HOP}
        return self.session.request(
            self.request.method, f"{self.url}{self.request.raw_path}", headers=headers, data=self.body or None
        )

    async def passed_on(self) -> web.StreamResponse:
        """The server's own answer."""
        status, headers, body = await self.acted()
        return web.Response(status=status, headers=headers, body=body)

    async def unanswered(self) -> web.StreamResponse:
        """Nothing, until the client gives up, which cancels this."""
        self.strike()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def unacknowledged(self) -> web.StreamResponse:
        """The server acts, and its answer never arrives."""
        await self.acted()
        return await self.unanswered()

    async def dropped(self) -> web.StreamResponse:
        """The connection ends without an answer."""
        if self.request.transport:
            self.request.transport.abort()
        return await self.unanswered()

    async def cut_off(self) -> web.StreamResponse:
        """The server acts, and half of its answer arrives."""
        status, headers, body = await self.acted()
        response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(body) or 2)})
        await response.prepare(self.request)
        await response.write(body[: len(body) // 2])
        return await self.dropped()

    async def past_list(self, version: int) -> web.StreamResponse:
        """The list as it was at an earlier resourceVersion."""
        return web.json_response(await self._listed(self.request.path, dict(self.request.query), version))

    async def past_object(self, version: int) -> web.StreamResponse:
        """The object as it was at an earlier resourceVersion."""
        path, _, name = self.request.path.rpartition("/")
        listed = await self._listed(path, {"fieldSelector": f"metadata.name={name}"}, version)
        self.strike()
        if not listed["items"]:
            return self.refused(404, "NotFound")
        kind = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
        return web.json_response({**kind, **listed["items"][0]})

    async def _listed(self, path: str, query: dict[str, str], version: int) -> dict[str, Any]:
        exact = {**query, "resourceVersion": str(version), "resourceVersionMatch": "Exact"}
        async with self.session.get(f"{self.url}{path}", params=exact) as response:
            listed: dict[str, Any] = await response.json()
            assert response.ok, listed
            return listed

    def refused(self, status: int, reason: str, **headers: str) -> web.StreamResponse:
        """A Status of the API server that is not success."""
        self.strike()
        said = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": "injected"}
        return web.json_response(said, status=status, headers=headers)


Fault = Callable[[Exchange], Awaitable[web.StreamResponse]]
Naming = Callable[[str, str, bytes, Mapping[str, str]], Call]
Watching = Callable[[Call, Exchange], Awaitable[web.StreamResponse]]


@dataclass
class Interceptor:
    """Passes every call on, unless it is a point at which a fault was planned.

    `plan` holds the faults by run and point, and each strikes once, because a repeated call is another point.
    """

    upstream: str
    named: Naming
    tls: ssl.SSLContext | None = None
    plan: dict[tuple[str, Point], Fault] = field(default_factory=dict)
    struck: set[tuple[str, Point]] = field(default_factory=set)
    points: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))
    """The calls so far, by run."""
    calls: Counter[str] = field(default_factory=Counter)
    """By kind, of all runs together and of what belongs to none."""
    runs: dict[str, str] = field(default_factory=dict)
    """The PointcloudJob's name by the uid of each of its children, filled by whoever sees them."""
    logs: dict[str, str] = field(default_factory=dict)
    """What pods have printed, by the pod's name: no kubelet is there to ask."""
    past: int | None = None
    """The resourceVersion that lists are answered from, as by a server that lags; watches bring nothing meanwhile."""
    past_objects: bool = False
    """Whether single objects are answered from there too, which a server that keeps its promises does not do."""
    watching: Watching | None = None
    """How watches are answered, where not simply passed on."""
    url: str = ""
    _session: aiohttp.ClientSession | None = None
    _open: int = 0

    @property
    def open(self) -> bool:
        """Whether a call about a run is under way."""
        return self._open > 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        assert self._session is not None
        body = await request.read()
        call = self.named(request.method, request.raw_path, body, self.runs)
        exchange = Exchange(request, body, self._session, self.upstream, lambda: self._played(request, call))
        self.calls[call.kind] += 1
        if call.verb == "watch":
            while self.past is not None:  # noqa: ASYNC110 - looked at from several sides
                await asyncio.sleep(0.05)
            return await (self.watching or passed_on_watch)(call, exchange)
        point = Point(call.kind, 1 + sum(before.kind == call.kind for before in self.points[call.run]))
        self.points[call.run].append(point)
        exchange.strike = lambda: self.struck.add((call.run, point))
        self._open += bool(call.run)
        try:
            return await self._fault_at(call, point)(exchange)
        finally:
            self._open -= bool(call.run)

    def _fault_at(self, call: Call, point: Point) -> Fault:
        if (version := self.past) is not None and call.verb == "list":
            return lambda exchange: exchange.past_list(version)
        if version is not None and call.verb == "get" and self.past_objects and call.resource in OBJECTS:
            return lambda exchange: exchange.past_object(version)
        return self.plan.get((call.run, point), Exchange.passed_on)

    def _played(self, request: web.Request, call: Call) -> bytes | None:
        if call.resource != "pods/log":
            return None
        return self.logs.get(request.path.split("/")[-2], "").encode()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Interceptor"]:
        """Listens on a free port of loopback for as long as the context lasts."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        connector = aiohttp.TCPConnector(limit=0, ssl=self.tls or True)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=MAX_LINE
        ) as self._session:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield self
            finally:
                await runner.cleanup()


async def passed_on_watch(_: Call, exchange: Exchange) -> web.StreamResponse:
    """A watch as the server gives it."""
    async with watch(exchange) as (response, lines):
        async for line in lines:
            await response.write(line)
    return response


@asynccontextmanager
async def watch(exchange: Exchange) -> AsyncIterator[tuple[web.StreamResponse, AsyncIterator[bytes]]]:
    """Opens a watch at the server: the answer to write to, begun already, and the server's lines."""
    async with exchange.upstream() as upstream:
        response = web.StreamResponse(status=upstream.status, headers={"Content-Type": "application/json"})
        await response.prepare(exchange.request)
        yield response, aiter(upstream.content)
        await response.write_eof()


def administrator(plane: ControlPlane) -> ssl.SSLContext:
    """TLS as the control plane's administrator."""
    context = ssl.create_default_context(cafile=str(plane.pki.certificate))
    context.load_cert_chain(plane.pki.directory / "kubeconfig.crt", plane.pki.directory / "kubeconfig.key")
    return context


def write_kubeconfig(path: Path, url: str) -> None:
    """A kubeconfig that leads to an interceptor."""
    named = {"cluster": "test", "user": "test"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": named}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config))
