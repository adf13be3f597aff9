"""An object as an HTTP answer: HEAD, one Range, If-Range and If-None-Match, streamed in constant memory."""

import re
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pointcloud_gateway.objects import Objects, Stat

_SINGLE_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))")


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
    body = objects.read(stat.path, start, end)
    return StreamingResponse(body, status_code=status, headers=answer, media_type=media_type)


def _is_cached(request: Request, stat: Stat) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or stat.etag in (tag.strip().removeprefix("W/") for tag in known.split(","))


def _range_header(request: Request, stat: Stat) -> str | None:
    """The Range header, unless If-Range says that it was meant for other content."""
    condition = request.headers.get("if-range")
    return request.headers.get("range") if condition in {None, stat.etag} else None
