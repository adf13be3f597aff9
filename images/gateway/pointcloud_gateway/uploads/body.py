"""A request's body, piece by piece, that ends in words when its sender falls silent or this process has to stop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.types import Message

from pointcloud_gateway.problems import Problem

_CLOSE: Final = {"Connection": "close"}


class BodyCut(Problem):
    """The body ended before its end."""


async def pieces(request: Request, *, idle_seconds: float, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """The pieces of a body, none empty, as they arrive.

    Raises BodyCut: 400 when the sender is gone, 408 when nothing has come for `idle_seconds`, 503 when `stopping` is
    set. What was yielded before is good.
    """
    more = True
    while more:
        message = await _next(request, idle_seconds, stopping)
        if message["type"] == "http.disconnect":
            raise BodyCut(400, "The body ended before its end.", headers=_CLOSE)
        more = message.get("more_body", False)
        if body := message.get("body"):
            yield body


async def _next(request: Request, idle_seconds: float, stopping: asyncio.Event) -> Message:
    """What the server hands over next. Raises BodyCut when nothing more is to be waited for."""
    arriving, stop = asyncio.ensure_future(request.receive()), asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({arriving, stop}, timeout=idle_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not arriving.done():
            arriving.cancel()
    if stopping.is_set():
        headers = {**_CLOSE, "Retry-After": "1"}
        raise BodyCut(503, "This server is being restarted; go on where you were.", headers=headers)
    if not arriving.done():
        detail = f"Nothing has come for {idle_seconds:g} seconds; go on when the connection is better."
        raise BodyCut(408, detail, headers=_CLOSE)
    return arriving.result()
