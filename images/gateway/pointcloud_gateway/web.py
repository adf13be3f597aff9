"""The web page at `/` and the REST service's documentation at `/docs`: files that the image's build has made.

They are few and small, so they are read once, packed once, and each has a route of its own: no path from a request
ever reaches the file system.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

_PAGES: Final = {"index.html": "/", "docs.html": "/docs"}
_HASHED: Final = "assets/"
"""Folder of files whose names carry a hash of their content."""

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Of all kinds of files that the build makes."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI's style sheet holds its icons as data: URLs.
_DOCS_POLICY: Final = _POLICY.replace("img-src 'self'", "img-src 'self' data:")

_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

_UNBUILT: Final = """The web page is not built.

The image has it. In a clone, run `make test` once, or build it alone:
  $(make -s venv)/bin/python -c 'from tools.pages import WEB; print(WEB.built())'
and set POINTCLOUD_WEB to the folder that this prints.
"""


def web_routes(folder: Path) -> list[BaseRoute]:
    """Routes of all files of the built page, as they are now; without a build, of a text that says how to make it."""
    if not (folder / "index.html").is_file():
        return [Route(address, _unbuilt) for address in _PAGES.values()]
    return [_route(folder, file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _route(folder: Path, file: Path) -> Route:
    path = file.relative_to(folder).as_posix()
    return Route(_PAGES.get(path, f"/{path}"), _endpoint(_File.read(file, path)))


@dataclass(frozen=True)
class _File:
    plain: bytes
    packed: bytes
    headers: dict[str, str]
    etag: str

    @classmethod
    def read(cls, file: Path, path: str) -> "_File":
        """The file at `path` in the build's folder. Raises KeyError for a kind that no build makes."""
        content = file.read_bytes()
        headers = {
            "Content-Type": _MEDIA_TYPES[file.suffix],
            "Content-Security-Policy": _DOCS_POLICY if path == "docs.html" else _POLICY,
            "Cache-Control": _FOREVER if path.startswith(_HASHED) else _ASK_AGAIN,
            "Vary": "Accept-Encoding",
        }
        return cls(content, gzip.compress(content, mtime=0), headers, hashlib.sha256(content).hexdigest()[:32])

    def answer(self, *, head: bool, packed: bool, known: str) -> Response:
        """The file, or that it is as `known` (If-None-Match) has it."""
        etag = f'"{self.etag}-gzip"' if packed else f'"{self.etag}"'
        headers = {**self.headers, "ETag": etag}
        if etag in {tag.strip().removeprefix("W/") for tag in known.split(",")} or known.strip() == "*":
            return Response(status_code=304, headers=headers)
        body = self.packed if packed else self.plain
        headers |= {"Content-Length": str(len(body))} | ({"Content-Encoding": "gzip"} if packed else {})
        return Response(b"" if head else body, headers=headers)


def _endpoint(file: _File) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        return file.answer(
            head=request.method == "HEAD",
            packed=_takes_gzip(request.headers.get("accept-encoding", "")),
            known=request.headers.get("if-none-match", ""),
        )

    return serve


def _takes_gzip(accepted: str) -> bool:
    codings = {coding.strip().lower().replace(" ", "") for coding in accepted.split(",")}
    return any(coding == "gzip" or (coding.startswith("gzip;") and not _is_zero(coding)) for coding in codings)


def _is_zero(coding: str) -> bool:
    return coding.partition(";q=")[2].strip("0.") == ""


async def _unbuilt(_: Request) -> Response:
    return PlainTextResponse(_UNBUILT, 503)
