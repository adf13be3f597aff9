"""The operator's own pages: whether it lives, whether it is ready, and its figures. For the kubelet and Prometheus."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

Problem = Callable[[], str | None]
"""Why not, in a sentence; None when all is well."""

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Pages:
    """An HTTP server for /livez, /readyz and /metrics.

    Args:
        port: Where to listen, at every address.
        alive: Why the process should be started anew.
        ready: Why it could not act yet.
        metrics: Everything in Prometheus' text format.
    """

    def __init__(self, port: int, *, alive: Problem, ready: Problem, metrics: Callable[[], bytes]) -> None:
        self._port = port
        self._metrics = metrics
        application = web.Application()
        application.router.add_get("/livez", _probe(alive))
        application.router.add_get("/readyz", _probe(ready))
        application.router.add_get("/metrics", self._figures)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Answers from now on. Raises OSError when the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()

    async def stop(self) -> None:
        """Answers no more."""
        await self._runner.cleanup()

    async def _figures(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": _TEXT})


def _probe(problem: Problem) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        found = problem()
        return web.Response(text=f"{found or 'ok'}\n", status=503 if found else 200)

    return answer
