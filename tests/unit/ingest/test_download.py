from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from pointcloud_api.stages import ExitCode, IngestLimits, Reason
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.download import TRIES, Downloader, public_url
from pointcloud_stage import StageFailure
from tests.fixtures.web import WebServer, broken_off, run_web, status

BODY = bytes(range(256)) * 4000
LIMITS = IngestLimits(allow_private_addresses=True)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with run_web() as server:
        server.answer = lambda handler, _: status(handler, 200, BODY)
        yield server


class Download:
    def __init__(self, server: WebServer, to: Path) -> None:
        self.server = server
        self.to = to
        self.advances: list[tuple[int, int | None]] = []

    def __call__(self, path: str = "/a.jpg", limits: IngestLimits = LIMITS) -> str:
        downloader = Downloader(Budget(limits), pause=0)
        return downloader.download(
            self.server.url + path, self.to, lambda arrived, expected: self.advances.append((arrived, expected))
        )

    def failure(self, path: str = "/a.jpg", limits: IngestLimits = LIMITS) -> StageFailure:
        with pytest.raises(StageFailure) as caught:
            self(path, limits)
        return caught.value


@pytest.fixture
def download(server: WebServer, tmp_path: Path) -> Download:
    return Download(server, tmp_path / "file")


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/a/b%20c.jpg?sig=1", None, "b c.jpg"),
        ("/get/", 'attachment; filename="my photo.zip"', "my photo.zip"),
        ("/get", "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.jpg", "Größe.jpg"),
        ("/", None, "download"),
    ],
)
def test_a_file_arrives_under_the_name_its_server_gives(
    server: WebServer, download: Download, path: str, disposition: str | None, name: str
) -> None:
    headers = {"Content-Disposition": disposition} if disposition else {}
    server.answer = lambda handler, _: status(handler, 200, BODY, headers)
    assert download(path) == name
    assert download.to.read_bytes() == BODY
    assert download.advances[-1] == (len(BODY), len(BODY))


def test_a_broken_download_goes_on_where_it_ended(server: WebServer, download: Download) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            return broken_off(handler, BODY, {"ETag": '"v1"'})
        assert handler.headers["If-Range"] == '"v1"'
        start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        return status(handler, 206, BODY[start:], headers)

    server.answer = answer
    download()
    assert download.to.read_bytes() == BODY
    assert len(server.requests) == 2
    assert download.advances[-1] == (len(BODY), len(BODY))


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: WebServer, download: Download) -> None:
    changed = b"shorter"
    server.answer = lambda handler, n: (
        broken_off(handler, BODY, {"ETag": '"v1"'}) if n == 0 else status(handler, 200, changed)
    )
    download()
    assert download.to.read_bytes() == changed


def test_faults_that_pass_are_waited_out(server: WebServer, download: Download) -> None:
    server.answer = lambda handler, n: status(handler, [503, 429, 200][n], BODY if n == 2 else b"")
    download()
    assert download.to.read_bytes() == BODY


def test_a_server_that_stays_broken_is_given_up_on_for_now(server: WebServer, download: Download) -> None:
    server.answer = lambda handler, _: status(handler, 500)
    failure = download.failure()
    assert (failure.error.reason, failure.exit_code) == (Reason.DOWNLOAD_FAILED, ExitCode.TRY_AGAIN)
    assert "500" in failure.error.message
    assert len(server.requests) == TRIES


def test_a_server_that_breaks_off_at_the_same_byte_is_given_up_on(server: WebServer, download: Download) -> None:
    server.answer = lambda handler, _: broken_off(handler, BODY)
    assert download.failure().exit_code is ExitCode.TRY_AGAIN
    assert len(server.requests) == TRIES + 1


@pytest.mark.parametrize(("code", "remedy"), [(404, "correct spec.source.urls"), (403, "signed address may have")])
def test_a_refusal_names_the_url_without_its_secrets(
    server: WebServer, download: Download, code: int, remedy: str
) -> None:
    server.answer = lambda handler, _: status(handler, code)
    failure = download.failure("/a/gone.zip?X-Signature=secret")
    assert (failure.error.reason, failure.exit_code) == (Reason.DOWNLOAD_FAILED, ExitCode.NO_INPUT)
    assert f"{server.url}/a/gone.zip is answered with {code}" in failure.error.message
    assert remedy in failure.error.remedy
    assert "secret" not in failure.error.model_dump_json()
    assert len(server.requests) == 1


def test_too_many_redirects_name_the_limit(server: WebServer, download: Download) -> None:
    server.answer = lambda handler, _: status(handler, 302, headers={"Location": "/again"})
    assert "maxRedirects of 5" in download.failure().error.message
    assert len(server.requests) == 6


def test_a_redirect_to_something_else_than_http_is_refused(server: WebServer, download: Download) -> None:
    server.answer = lambda handler, _: status(handler, 302, headers={"Location": "file:///etc/passwd"})
    assert download.failure().exit_code is ExitCode.NO_INPUT


def test_more_bytes_than_allowed_are_refused_before_they_arrive(download: Download) -> None:
    limits = LIMITS.model_copy(update={"max_total_bytes": 1000})
    failure = download.failure(limits=limits)
    assert failure.error.reason == Reason.LIMIT_EXCEEDED
    assert "maxTotalBytes of 1,000" in failure.error.message
    assert download.to.stat().st_size == 0


def test_a_server_that_does_not_say_how_much_comes_is_cut_off(server: WebServer, download: Download) -> None:
    def endless(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        for _ in range(100):
            try:
                handler.wfile.write(BODY)
            except OSError:
                return

    server.answer = endless
    limits = LIMITS.model_copy(update={"max_total_bytes": 3_000_000})
    assert download.failure(limits=limits).error.reason == Reason.LIMIT_EXCEEDED
    assert download.to.stat().st_size < 4_000_000


def test_loopback_is_refused_unless_allowed(download: Download) -> None:
    assert download.failure(limits=IngestLimits()).error.reason == Reason.ADDRESS_NOT_ALLOWED


def test_secrets_of_a_url_are_left_out() -> None:
    assert public_url("https://user:secret@example.com:8443/a/b.zip?sig=x#y") == "https://example.com:8443/a/b.zip"


def test_a_name_that_does_not_resolve_may_resolve_later(tmp_path: Path) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("the host name no.example is not known")

    downloader = Downloader(Budget(LIMITS), transport=httpx.MockTransport(handler), pause=0)
    with pytest.raises(StageFailure, match=r"no\.example is not known") as caught:
        downloader.download("http://no.example/a.zip", tmp_path / "file", lambda _a, _b: None)
    assert caught.value.exit_code is ExitCode.TRY_AGAIN
