"""A bound on bodies that are read whole. Starlette's own answers in plain text, before any handler is asked."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

MAX_BODY_BYTES: Final = 1 << 20


class LimitedRoute(APIRoute):
    """A route whose requests have at most MAX_BODY_BYTES; more is answered with 413."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route as FastAPI calls it."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            received = 0

            async def receive() -> Message:
                nonlocal received
                message = await request.receive()
                received += len(message.get("body", b""))
                if received > MAX_BODY_BYTES:
                    raise HTTPException(413)
                return message

            if int(request.headers.get("content-length", "0")) > MAX_BODY_BYTES:  # the HTTP parser has read it
                raise HTTPException(413)
            return await handle(Request(request.scope, receive))

        return handler
