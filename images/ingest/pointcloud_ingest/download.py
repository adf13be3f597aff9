"""Downloads what a source's URLs name, going on after broken connections, and says what a server did not give.

Messages name URLs without query strings and passwords: those may be signatures, and messages end up in a status.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote, urlsplit

import httpx

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_ingest.budget import Budget, limit_exceeded
from pointcloud_ingest.network import SourceTransport
from pointcloud_stage import StageFailure

TRIES: Final = 5
"""Tries in a row that bring nothing new."""
_MAY_PASS: Final = frozenset({408, 425, 429})
_REFUSED: Final = frozenset({401, 403, 407})

Advance = Callable[[int, int | None], None]
"""Told the bytes that have arrived and the bytes expected, None while not known."""


class _PassingError(Exception):
    """A fault that may be gone at the next try."""


@dataclass
class _Transfer:
    """One URL on its way to one file."""

    url: str
    file: BinaryIO
    advance: Advance
    validator: str | None = None
    """The strong ETag or the date by which a server vouches that the rest belongs to what arrived."""


class Downloader:
    """Fetches URLs within the limits. Threads may share it."""

    def __init__(self, budget: Budget, *, transport: httpx.BaseTransport | None = None, pause: float = 1.0) -> None:
        """`pause` is how many seconds to wait before the second try; each further wait is twice as long."""
        limits = budget.limits
        self._budget = budget
        self._pause = pause
        self._client = httpx.Client(
            transport=transport or SourceTransport(allow_private=limits.allow_private_addresses),
            timeout=httpx.Timeout(60, connect=10),
            follow_redirects=True,
            max_redirects=limits.max_redirects,
            headers={"Accept-Encoding": "identity", "User-Agent": "pointcloud-ingest"},
        )

    def download(self, url: str, to: Path, advance: Advance) -> str:
        """Fetches a URL to a file; returns the name that the server or the URL's path gives it.

        Raises StageFailure: DOWNLOAD_FAILED, ADDRESS_NOT_ALLOWED or LIMIT_EXCEEDED.
        """
        with to.open("wb") as file:
            transfer = _Transfer(url, file, advance)
            best, failures = 0, 0
            while True:
                try:
                    return self._attempt(transfer)
                except (httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError, _PassingError) as error:
                    failures = 0 if file.tell() > best else failures + 1
                    best = max(best, file.tell())
                    if failures >= TRIES:
                        raise _gave_up(url, error) from None
                except httpx.TooManyRedirects:
                    what = f"{public_url(url)} redirects more often"
                    raise limit_exceeded(self._budget.limits, "max_redirects", what) from None
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    raise _refused(url, f"cannot be fetched: {type(error).__name__}") from None
                time.sleep(self._pause * 2 ** max(failures - 1, 0))

    def _attempt(self, transfer: _Transfer) -> str:
        offset = transfer.file.tell()
        headers = {}
        if offset and transfer.validator:
            headers = {"Range": f"bytes={offset}-", "If-Range": transfer.validator}
        with self._client.stream("GET", transfer.url, headers=headers) as response:
            _check_status(transfer.url, response.status_code)
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                offset = 0
            elif not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                transfer.validator = None
                raise _PassingError("the server sent another part than was asked for")
            transfer.file.seek(offset)
            transfer.file.truncate()
            transfer.validator = _validator(response.headers)
            self._receive(transfer, response)
            return _name_of(transfer.url, response.headers)

    def _receive(self, transfer: _Transfer, response: httpx.Response) -> None:
        length = response.headers.get("Content-Length", "")
        expected = transfer.file.tell() + int(length) if length.isdecimal() else None
        self._budget.check_bytes(expected or 0)
        for chunk in response.iter_raw():
            transfer.file.write(chunk)
            arrived = transfer.file.tell()
            self._budget.check_bytes(arrived)
            transfer.advance(arrived, expected)


def public_url(url: str) -> str:
    """The URL without what may be secret: user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check_status(url: str, status: int) -> None:
    if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
        return
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status in _MAY_PASS:
        raise _PassingError(f"the server answers {status}")
    remedy = "Open the address in a browser and correct spec.source.urls."
    if status in _REFUSED:
        remedy = "Name an address that needs no login; a signed address may have expired, so make a new one."
    raise _refused(url, f"is answered with {status} {httpx.codes.get_reason_phrase(status)}".rstrip(), remedy)


def _refused(
    url: str, what: str, remedy: str = "Correct spec.source.urls: http(s) addresses of images, archives or videos."
) -> StageFailure:
    return StageFailure(Reason.DOWNLOAD_FAILED, f"{public_url(url)} {what}.", remedy, exit_code=ExitCode.NO_INPUT)


def web_page(url: str) -> StageFailure:
    """The failure for an address that shows a page to people instead of giving a file."""
    return _refused(
        url,
        "gives a web page, neither an image nor an archive nor a video",
        "Use the address of the file itself: a share's page has a link for a direct download.",
    )


def _gave_up(url: str, error: Exception) -> StageFailure:
    return StageFailure(
        Reason.DOWNLOAD_FAILED,
        f"{public_url(url)} could not be fetched in {TRIES} tries: {error or type(error).__name__}.",
        "See whether the server is up and reachable from the cluster; the stage tries again a few times.",
        exit_code=ExitCode.TRY_AGAIN,
    )


def _name_of(url: str, headers: httpx.Headers) -> str:
    message = Message()
    message["Content-Disposition"] = headers.get("Content-Disposition", "")
    return message.get_filename() or unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "download"


def _validator(headers: httpx.Headers) -> str | None:
    etag: str | None = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str | None = headers.get("Last-Modified")
    return modified
