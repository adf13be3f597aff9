"""What ApiServer makes of answers, and what it tells of them."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pointcloud_kube.api import ApiError, ApiServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connect = Callable[[Answer], Awaitable[ApiServer]]


@pytest.fixture
async def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
async def connect(told: list[tuple[str, str]]) -> AsyncIterator[Connect]:
    servers: list[TestServer] = []
    clients: list[ApiServer] = []

    async def connect(answer: Answer) -> ApiServer:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        client = ApiClient(Configuration(host=str(server.make_url("/")).rstrip("/")))
        clients.append(ApiServer(client, on_answer=lambda method, code: told.append((method, code))))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()
    for server in servers:
        await server.close()


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0), ("", 0.0)])
async def test_an_error_says_for_how_long_to_leave_the_server_alone(
    connect: Connect, header: str, seconds: float
) -> None:
    async def busy(_: web.Request) -> web.Response:
        headers = {"Retry-After": header} if header else {}
        return web.json_response({"reason": "TooManyRequests", "message": "later"}, status=429, headers=headers)

    with pytest.raises(ApiError) as raised:
        await (await connect(busy)).get("/api")
    assert raised.value.retry_after == seconds
    assert raised.value.transient


async def test_every_request_is_told_of_with_its_outcome(connect: Connect, told: list[tuple[str, str]]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/broken":
            assert request.transport
            request.transport.abort()
        if "watch" in request.query:
            return web.Response()
        return web.json_response({}, status=404 if request.path == "/none" else 200)

    api = await connect(answer)
    await api.put("/x", {})
    with pytest.raises(ApiError):
        await api.get("/none")
    with pytest.raises(aiohttp.ClientError):
        await api.post("/broken", {})
    assert [each async for each in api.watch("/x", {}, silence=1)] == []
    assert told == [("PUT", "200"), ("GET", "404"), ("POST", "error"), ("WATCH", "200")]


async def test_a_guard_is_asked_before_what_changes_something_and_can_forbid_it(
    connect: Connect, told: list[tuple[str, str]]
) -> None:
    async def fine(_: web.Request) -> web.Response:
        return web.json_response({})

    def forbid() -> None:
        raise PermissionError

    api = (await connect(fine)).guarded(forbid)
    await api.get("/x")
    for write in (api.post("/x", {}), api.put("/x", {}), api.patch("/x", {}), api.delete("/x", uid="u")):
        with pytest.raises(PermissionError):
            await write
    assert told == [("GET", "200")]
