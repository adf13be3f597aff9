"""Headers on every answer: what browsers may do with it, and which other origins' pages may read it."""

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DEFAULTS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""For an answer that says nothing else itself: data, which no page embeds and nobody keeps."""
_STRICT_TRANSPORT: Final = "max-age=31536000"

_DAY: Final = 86_400
_UPLOAD_HEADERS: Final = (
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
)
_ALLOWED_HEADERS: Final = (
    *_UPLOAD_HEADERS,
    "Authorization",
    "Content-Type",
    "Last-Event-ID",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
)
_EXPOSED_HEADERS: Final = (
    *_UPLOAD_HEADERS,
    "Content-Disposition",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Version",
    "Upload-Expires",
    "WWW-Authenticate",
)


class SecurityHeaders:
    """Gives every answer the safe value of each header that it does not have; HTTPS stays HTTPS."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _DEFAULTS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
            await send(message)

        await self._app(scope, receive, send_with_headers)


class CrossOrigin:
    """CORS. Credentials are never a browser's own (cookies), so a page of another origin has only what it was given.

    Args:
        app: To guard.
        origins: Whose pages may use the service; * for all.
        open_prefixes: Of paths that pages of any origin may read, among them pages without an origin of their own.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], open_prefixes: tuple[str, ...]) -> None:
        self._open_prefixes = open_prefixes
        self._service = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST"),
            allow_headers=_ALLOWED_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
            max_age=_DAY,
        )
        self._open = CORSMiddleware(
            app,
            allow_origins=("*",),
            allow_methods=("GET", "HEAD"),
            allow_headers=("Authorization", "Content-Type", "If-None-Match", "If-Range", "Range"),
            expose_headers=("Accept-Ranges", "Content-Length", "Content-Range", "ETag", "Retry-After"),
            max_age=_DAY,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        is_open = scope["type"] == "http" and scope["path"].startswith(self._open_prefixes)
        await (self._open if is_open else self._service)(scope, receive, send)
