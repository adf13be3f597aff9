"""The gateway's process: both ports served by one uvicorn, so that one signal ends both in good order."""

import asyncio
import logging
import socket
import sys
from typing import Final

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.public import build_public_app
from pointcloud_gateway.published import PublishedJobs
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.store.app import build_store_app
from pointcloud_gateway.store.authentication import TokenReviewAuthenticator
from pointcloud_gateway.store.authorisation import Policy
from pointcloud_gateway.zerocopy import ZeroCopyProtocol

_SHUTDOWN_SECONDS: Final = 25
"""For transfers to end; below the 30 s that Kubernetes gives a pod by default."""
_KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients keep idle connections, so that none sends into a connection being closed."""


class ByPort:
    """Hands each connection to the application of the port it came in by, whatever its Host header says."""

    def __init__(self, apps: dict[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        await self._apps[scope["server"][1]](scope, receive, send)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let transfers end."""
    objects = Objects.open(settings.store)
    async with Cluster.connect() as cluster:
        public = build_public_app(objects, PublishedJobs(cluster, objects), cors_origins=settings.cors_origins)
        policy = Policy(readers=frozenset(settings.store_readers))
        store = build_store_app(objects, TokenReviewAuthenticator(cluster), policy)
        with _listen(settings.port) as public_socket, _listen(settings.store_port) as store_socket:
            apps: dict[int, ASGIApp] = {_port(public_socket): public, _port(store_socket): store}
            server = uvicorn.Server(server_config(ByPort(apps)))
            logging.getLogger(__name__).info("pages on port %d, store on port %d", *apps)
            await server.serve(sockets=[public_socket, store_socket])


def server_config(app: ASGIApp) -> uvicorn.Config:
    """How the gateway runs uvicorn."""
    return uvicorn.Config(
        app,
        http=ZeroCopyProtocol,
        loop="asyncio",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    return socket.create_server(("", port), backlog=1024)


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def main() -> None:
    """Start the gateway; bad settings end it with a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The gateway's environment is wrong: {error}")
    asyncio.run(serve(settings))
