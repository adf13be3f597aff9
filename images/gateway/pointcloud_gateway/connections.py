"""uvicorn's HTTP protocol, for clients who may be hostile: bounds on what a connection may hold before it is answered.

uvicorn bounds neither the length of a request's head nor the time it may take, and a client who reads nothing of an
answer keeps it for ever. A proxy in front would do this; there need not be one.
"""

import resource
import socket
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Self

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from pointcloud_gateway.problems import Problem
from pointcloud_gateway.zerocopy import ZeroCopyProtocol

_LINGER_SECONDS: Final = 2.0
"""For which a refused client is still listened to: on closing at once, the kernel would reset the connection, and what
was said would be lost."""
_MAPPED: Final = "::ffff:"
_MOST_DESCRIPTORS: Final = 65_536


@dataclass(frozen=True)
class Bounds:
    """Of what clients may do."""

    head_bytes: int = 32 << 10
    """Of a request's line and headers together."""
    head_seconds: float = 20.0
    """Until they have come."""
    body_seconds: float = 90.0
    """For which a client may keep silent in the middle of a request's body."""
    unread_seconds: float = 120.0
    """How long a client may leave what was sent to it unread."""
    connections: int = 2048
    """At once; above, those that have waited longest for a request are closed."""

    @classmethod
    def within(cls, idle_seconds: float) -> Self:
        """For an application that itself waits so long for a body's next bytes, and then has a better answer."""
        return cls(
            head_seconds=min(cls.head_seconds, idle_seconds),
            body_seconds=1.5 * idle_seconds,
            unread_seconds=2 * idle_seconds,
            connections=min(cls.connections, _descriptors() // 3),  # each may have a file open, too
        )


@dataclass
class Room:
    """The connections of one server that wait for a request, the longest waiting first."""

    bounds: Bounds = field(default_factory=Bounds)
    idle: "OrderedDict[BoundedProtocol, None]" = field(default_factory=OrderedDict)


class _Asking(FlowControl):
    """uvicorn's flow control, which also knows when the application asked for more of a body last."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self.asked = 0.0
        """By the loop's clock."""

    def resume_reading(self) -> None:
        """The application waits for the client: silence counts from here, however long nothing was read before."""
        self.asked = self._loop.time()
        super().resume_reading()


class BoundedProtocol(ZeroCopyProtocol):
    """One connection."""

    flow: _Asking

    def __init__(self, *arguments: Any, room: Room, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._room = room
        self._bounds = room.bounds
        self._head_timer: TimerHandle | None = None
        self._body_timer: TimerHandle | None = None
        self._heard = 0.0
        """When something came last, by the loop's clock."""
        self._in_head = False
        self._head_bytes = 0
        """Of the head that is coming in, without those that came in one piece with its first."""
        self._refused = False
        self._running: RequestResponseCycle | None = None
        """The request that is being answered, or was last; of pipelined ones uvicorn's own `cycle` is the newest."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Make room; note the client's address as an IPv4 one where it is."""
        super().connection_made(transport)
        self.flow = _Asking(transport, self.loop)
        if self.client is not None:  # by a socket for both families, IPv4 comes in the guise of IPv6
            self.client = (self.client[0].removeprefix(_MAPPED), self.client[1])
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._bounds.unread_seconds * 1000))
        self._become_idle()
        self._expect_head()
        if len(self.connections) > self._bounds.connections:
            longest = next(iter(self._room.idle))
            if longest is self:
                self._refuse(503, "Too many connections.")
            else:
                longest._close_quietly()  # noqa: SLF001 - one of us

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        self._room.idle.pop(self, None)
        self._give_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and see whether the head has an end."""
        if self._refused:
            return
        self._heard = self.loop.time()
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._bounds.head_bytes:
                self._refuse(431, _too_long(self._bounds))
        # An empty line begins no request, and the rest of a body that was answered early is none.
        if not self._refused:
            self._expect_more()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Answer the request, unless its head is too long."""
        self._in_head = False
        self._expect_nothing()
        self._room.idle.pop(self, None)
        length = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        app = self.app
        if length > self._bounds.head_bytes:
            self.app = _TooLong(self._bounds)
        try:
            super().on_headers_complete()
        finally:
            self.app = app

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self._is_answering():
            self._become_idle()
        if self._in_head or self._is_answering():
            self._expect_more()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, msg)

    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def _give_up(self) -> None:
        """Tell the application, if it is answering, that nobody listens any more."""
        if self._running is not None and self._is_answering():
            self._running.disconnected = True
            self._running.message_event.set()

    def _become_idle(self) -> None:
        self._room.idle[self] = None
        self._room.idle.move_to_end(self)

    def _expect_more(self) -> None:
        """Of a head, or of the body that is being read."""
        if not self._is_answering():
            self._expect_head()
        elif self._awaits_body() and self._body_timer is None:
            self._body_timer = self.loop.call_later(self._bounds.body_seconds, self._look_for_body)

    def _awaits_body(self) -> bool:
        running = self._running
        return running is not None and running.more_body and not running.response_started and not running.disconnected

    def _look_for_body(self) -> None:
        self._body_timer = None
        if self._running is None or not self._awaits_body():
            return
        now = self.loop.time()
        applications_turn = self.flow.read_paused or self._running.waiting_for_100_continue
        silence = 0.0 if applications_turn else now - max(self._heard, self.flow.asked)
        if silence >= self._bounds.body_seconds:
            self._refuse(408, f"A request's body may keep silent for {self._bounds.body_seconds:g} seconds.")
        else:
            self._body_timer = self.loop.call_later(self._bounds.body_seconds - silence, self._look_for_body)

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, self._head_is_late)

    def _expect_nothing(self) -> None:
        for timer in (self._head_timer, self._body_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._body_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._in_head:
            self._refuse(408, f"A request's head has {self._bounds.head_seconds:g} seconds to come.")
        else:
            self._close_quietly()

    def _refuse(self, status: int, reason: str) -> None:
        """Say why, where no answer is under way, and listen a little longer to nothing."""
        self._refused = True
        self._expect_nothing()
        self._unset_keepalive_if_required()
        if self._running is not None and self._is_answering():
            self._give_up()
            if self._running.response_started:
                self.transport.abort()
                return
        self.transport.write(_answer(status, reason))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _close_quietly(self) -> None:
        self._expect_nothing()
        self._room.idle.pop(self, None)
        self.transport.close()


def _descriptors() -> int:
    """How many files the process may have open, once it has asked for as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class _TooLong:
    """Answers a request whose head came whole, and was too long."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        problem = Problem(431, _too_long(self._bounds), headers={"Connection": "close"})
        await problem.response()(scope, receive, send)


def _too_long(bounds: Bounds) -> str:
    return f"A request's line and headers have at most {bounds.head_bytes} bytes together."


def _answer(status: int, reason: str) -> bytes:
    body = f"{reason}\n".encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
