"""How the gateway runs uvicorn."""

import asyncio
import functools
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pointcloud_gateway.connections import BoundedProtocol, Bounds, Room

_SHUTDOWN_SECONDS: Final = 25
"""For transfers to end; below the 30 s that Kubernetes gives a pod by default."""
_BACKLOG: Final = 1024
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep idle connections, so that none sends into a connection being closed."""


def server_config(
    app: ASGIApp, *, trusted_proxies: tuple[str, ...] = (), bounds: Bounds | None = None
) -> uvicorn.Config:
    """A server of `app` that believes what `trusted_proxies` say of who their clients are."""
    room = Room(bounds or Bounds())
    return uvicorn.Config(
        app,
        http=functools.partial(BoundedProtocol, room=room),  # type: ignore[arg-type]
        ws="none",
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_level="error",  # its warnings are about what clients send, and anybody could fill the log with them
        server_header=False,
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def listen(port: int, host: str = "") -> socket.socket:
    """A socket that takes connections at a port (0: any that is free), of all addresses unless one is named."""
    if not host and socket.has_dualstack_ipv6():
        listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    else:
        listener = socket.create_server((host, port), backlog=_BACKLOG)
    # Its connections take this over. asyncio sets it by itself only for sockets made with IPPROTO_TCP, and without it
    # an answer waits 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class Server(uvicorn.Server):
    """Says by an event that it ends, and leaves it to its caller to end the process.

    uvicorn itself sends the signal a second time once it has ended, and the process dies of it before anything else
    could be put in order.

    Args:
        config: As `server_config` makes it.
        stopping: Set as soon as no more requests are wanted, so that what goes on for ever can end.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def stop(self) -> None:
        """Take no more connections, and let what is under way end; asked again, do not wait for that."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopping.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for each in signals:
            loop.add_signal_handler(each, self.stop)
        yield
        for each in signals:
            loop.remove_signal_handler(each)
