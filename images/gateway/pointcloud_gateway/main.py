"""The gateway's process: both ports served by one uvicorn, beside what works in the background."""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from kubernetes.aio.config import ConfigException
from obstore.exceptions import BaseError
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from pointcloud_gateway.app import build_app, starting_app
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.connections import Bounds
from pointcloud_gateway.database import Database, DatabaseError
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.server import Server, listen, server_config
from pointcloud_gateway.services import Foundation, background, services
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.store.app import build_store_app
from pointcloud_gateway.store.authentication import TokenReviewAuthenticator
from pointcloud_gateway.store.authorisation import Policy
from pointcloud_kube.api import ApiServer

_log = logging.getLogger(__name__)


class GatewayError(Exception):
    """Why the process cannot go on: a sentence."""


class ByPort:
    """Hands each connection to the application of the port it came in by, whatever its Host header says."""

    def __init__(self, apps: dict[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        await self._apps[scope["server"][1]](scope, receive, send)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let what is under way end. Raises GatewayError."""
    with _listen(settings.port) as public_socket, _listen(settings.store_port) as store_socket:
        public, store = _port(public_socket), _port(store_socket)
        objects = _opened(settings.store)
        api = await _connected()
        try:
            cluster = Cluster(api)
            base = Foundation(settings, objects, api, cluster, JobDirectory(api, cluster), asyncio.Event())
            apps: dict[int, ASGIApp] = {public: starting_app(), store: _store_app(base)}
            bounds = Bounds.within(settings.idle_seconds)
            config = server_config(ByPort(apps), trusted_proxies=settings.trusted_proxies, bounds=bounds)
            server = Server(config, base.stopping)

            def open_to_public(app: ASGIApp) -> None:
                apps[public] = app
                _log.info("pages on port %d, store on port %d", public, store)

            working = asyncio.create_task(_work(base, open_to_public))
            working.add_done_callback(lambda _: server.stop())  # unless it is cancelled below, a fault has ended it
            await server.serve(sockets=[public_socket, store_socket])
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
        finally:
            await api.close()


def _store_app(base: Foundation) -> ASGIApp:
    """For stage pods and the operator, who need neither archive nor signing key."""
    readers, managers = base.settings.store_readers, base.settings.store_managers
    policy = Policy(readers=frozenset(readers), managers=frozenset(readers if managers is None else managers))
    return build_store_app(base.objects, TokenReviewAuthenticator(base.cluster), policy)


async def _work(base: Foundation, open_to_public: Callable[[ASGIApp], None]) -> None:
    """Bring the archive up to date, show the application to the public, and do what no request waits for.

    Ends when it is cancelled. Raises GatewayError.
    """
    try:
        async with Database.open(base.settings.database) as database:
            made = await services(base, database)
            async with asyncio.TaskGroup() as group:
                for what, doing in background(made).items():
                    group.create_task(_endless(what, doing, base.stopping))
                open_to_public(build_app(made))
    except DatabaseError as error:
        raise GatewayError(str(error)) from error
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed


async def _endless(what: str, doing: Coroutine[Any, Any, None], stopping: asyncio.Event) -> None:
    """Do what never ends; should it, so must the process, rather than go on with a part of it missing."""
    try:
        await doing
    except Exception as error:
        raise GatewayError(f"{what} failed: {error or type(error).__name__}") from error
    if not stopping.is_set():
        raise GatewayError(f"{what} ended, and should not")


def _opened(url: str) -> Objects:
    try:
        return Objects.open(url)
    except (OSError, ValueError, BaseError) as error:
        raise GatewayError(f"the store {url} cannot be opened: {error}") from error


async def _connected() -> ApiServer:
    try:
        return await ApiServer.connect()
    except ConfigException as error:
        raise GatewayError(f"there is no Kubernetes API server to ask: {error}") from error


def _listen(port: int) -> socket.socket:
    try:
        return listen(port)
    except OSError as error:
        raise GatewayError(f"the port {port} cannot be listened at: {error}") from error


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def main() -> None:
    """Start the gateway; what keeps it from going on ends it with a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses of webhooks, secrets and all
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The gateway's environment is wrong: {error}")
    try:
        asyncio.run(serve(settings))
    except GatewayError as error:
        _log.exception("the gateway ends")
        sys.exit(f"The gateway ends: {error}")
