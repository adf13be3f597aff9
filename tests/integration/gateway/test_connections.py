"""The gateway's server under a test's own application: what happens to connections when clients are many or rude."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from threading import Event

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from pointcloud_gateway.connections import Bounds
from tests.fixtures.store import serve

CONNECTIONS = 4
GET = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"


class Application:
    """Answers `/` at once, `/wait` never, and others once it has the body; knows when its caller has left."""

    def __init__(self) -> None:
        self.waiting = Event()
        self.left = Event()
        self.later = Event()
        """When it begins to read what is sent to `/later`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/later":
            await asyncio.to_thread(self.later.wait, 60)
        if scope["path"] in {"/read", "/later"} and not await self._read(receive):
            return
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] != "/wait":
            await send({"type": "http.response.body", "body": b"ok"})
            return
        self.waiting.set()
        await self._read(receive, for_ever=True)

    async def _read(self, receive: Receive, *, for_ever: bool = False) -> bool:
        """Whether there is a whole body, after which a caller can only leave."""
        async with asyncio.timeout(60):
            while (message := await receive())["type"] != "http.disconnect":
                if not message["more_body"] and not for_ever:
                    return True
        self.left.set()
        return False


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def address(application: Application) -> Iterator[tuple[str, int]]:
    with serve(application, bounds=Bounds(connections=CONNECTIONS, body_seconds=1.0)) as url:
        parts = httpx.URL(url)
        yield parts.host, parts.port or 80


@contextlib.contextmanager
def connections(address: tuple[str, int], count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(count)]


def answered(connection: socket.socket) -> bool:
    """Whether a request is answered, and the connection stays."""
    connection.sendall(GET)
    received = b""
    while not received.endswith(b"ok") and (piece := connection.recv(1024)):
        received += piece
    return received.startswith(b"HTTP/1.1 200") and received.endswith(b"ok")


def test_of_too_many_connections_those_go_that_have_waited_longest(address: tuple[str, int]) -> None:
    with connections(address, CONNECTIONS) as early:
        assert all(answered(each) for each in early)
        with connections(address, 2) as late:
            assert all(answered(each) for each in late)
            assert [each.recv(1024) for each in early[:2]] == [b"", b""]
            assert answered(early[2])


def test_what_is_under_way_is_not_given_up_for_who_comes_later(
    address: tuple[str, int], application: Application
) -> None:
    with connections(address, CONNECTIONS) as busy:
        for each in busy:
            each.sendall(GET.replace(b"/ ", b"/wait ", 1))
            assert each.recv(1024).startswith(b"HTTP/1.1 200")
        with connections(address, 1) as (late,):
            assert late.recv(1024).startswith(b"HTTP/1.1 503")
        assert not application.left.is_set()


def test_an_application_hears_that_its_caller_has_left_though_another_request_waits_behind(
    address: tuple[str, int], application: Application
) -> None:
    with connections(address, 1) as (caller,):
        caller.sendall(GET.replace(b"/ ", b"/wait ", 1) + GET)
        assert application.waiting.wait(30)
    assert application.left.wait(30)


def test_a_body_may_drip_but_not_stop(address: tuple[str, int], application: Application) -> None:
    with connections(address, 1) as (sender,):
        sender.sendall(GET.replace(b"/ ", b"/read ", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n"))
        sender.settimeout(0.1)
        for _ in range(20):  # twice as long as it may stop
            sender.sendall(b"a")
            with pytest.raises(TimeoutError):
                sender.recv(1024)
        assert not application.left.is_set()
        sender.settimeout(30)
        assert sender.recv(1024).startswith(b"HTTP/1.1 408")
    assert application.left.wait(30)


def test_an_application_may_take_its_time_with_a_body(address: tuple[str, int], application: Application) -> None:
    body = bytes(65_537)  # the least after which nothing is read until the application asks for it
    with connections(address, 1) as (sender,):
        sender.sendall(GET.replace(b"/ ", b"/later ", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 65538\r\n\r\n"))
        sender.sendall(body)
        for seconds in (1.9, 0.4):  # longer than a client may keep silent; then the client, for less than it may
            sender.settimeout(seconds)
            with pytest.raises(TimeoutError):
                sender.recv(1024)
            application.later.set()
        sender.sendall(b"a")
        sender.settimeout(30)
        assert sender.recv(1024).startswith(b"HTTP/1.1 200")
