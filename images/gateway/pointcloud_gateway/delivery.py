"""An object as an HTTP answer: HEAD, one Range, If-Range and If-None-Match, streamed in constant memory."""

import os
import re
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pointcloud_gateway.objects import CHUNK_BYTES, Objects, Stat
from pointcloud_gateway.zerocopy import EXTENSION

_SINGLE_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))", re.ASCII)


class RangeNotSatisfiableError(Exception):
    """The range asked for lies outside the object."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The part asked for as (start, end), end exclusive; None for the whole.

    Several ranges, other units and malformed headers mean the whole, as RFC 9110 section 14.2 allows.
    Raises RangeNotSatisfiableError.
    """
    match = _SINGLE_RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(size - int(suffix), 0), size
    else:
        start, end = int(first), size if last is None else min(int(last) + 1, size)
        if last is not None and int(last) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiableError
    return start, end


def deliver(
    request: Request, objects: Objects, stat: Stat, *, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer GET or HEAD for an object that exists: 200, 206, 304 or 416."""
    answer = {"ETag": stat.etag, "Accept-Ranges": "bytes", **(headers or {})}
    if _is_cached(request, stat):
        return Response(status_code=304, headers=answer)
    try:
        asked = parse_range(_range_header(request, stat), stat.size)
    except RangeNotSatisfiableError:
        return Response(status_code=416, headers={**answer, "Content-Range": f"bytes */{stat.size}"})
    start, end = asked or (0, stat.size)
    answer["Content-Length"] = str(end - start)
    if asked is not None:
        answer["Content-Range"] = f"bytes {start}-{end - 1}/{stat.size}"
    status = 200 if asked is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=answer, media_type=media_type)
    if end - start > CHUNK_BYTES and EXTENSION in request.scope.get("extensions", {}):
        file = objects.open_local(stat.path)
        if file is not None:
            return _FileResponse(file, start, end, status_code=status, headers=answer, media_type=media_type)
    body = objects.read(stat.path, start, end)
    return StreamingResponse(body, status_code=status, headers=answer, media_type=media_type)


class _FileResponse(Response):
    """A large part of a local file, sent by the kernel.

    A small part is read in a thread instead, because what is not in the page cache would hold up the event loop;
    here the kernel reads ahead while it sends.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, **arguments: Any) -> None:
        super().__init__(None, **arguments)
        self._file = file
        self._start = start
        self._count = end - start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        del scope, receive
        with self._file as file:
            os.posix_fadvise(file.fileno(), self._start, self._count, os.POSIX_FADV_SEQUENTIAL)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": EXTENSION, "file": file, "offset": self._start, "count": self._count})


def _is_cached(request: Request, stat: Stat) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or stat.etag in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _range_header(request: Request, stat: Stat) -> str | None:
    """The Range header, unless If-Range says that it was meant for other content."""
    condition = request.headers.get("if-range")
    return request.headers.get("range") if condition in {None, stat.etag} else None
