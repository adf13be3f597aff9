"""The store client against a server that misbehaves in ways that a real one does now and then."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_stage import StageFailure
from pointcloud_stage.store import MissingObjectError, Store

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server:
    """Answers each request by `answer(handler, number of the request from 0)`."""

    def __init__(self) -> None:
        self.answer: Answer = lambda handler, _: status(handler, 500)
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append(dict(self.headers))
                outer.answer(self, len(outer.requests) - 1)

            do_PUT = do_GET  # noqa: N815 - the base class's naming

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's naming
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def status(handler: BaseHTTPRequestHandler, code: int, body: bytes = b"") -> None:
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def broken_off(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Half of a body, then the end of the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture
def store(server: Server, tmp_path: Path) -> Store:
    (tmp_path / "token").write_text("first\n")
    return Store(server.url, tmp_path / "token", patience=5, sleep=lambda _: None)


def test_a_broken_transfer_goes_on_where_it_ended(server: Server, store: Store, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            broken_off(handler, BODY)
        else:
            offset = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
            status(handler, 206, BODY[offset:])

    server.answer = answer
    store.fetch("a/b", to=tmp_path / "new" / "b", size=len(BODY), sha256=SHA256)
    assert (tmp_path / "new" / "b").read_bytes() == BODY
    assert len(server.requests) == 2


def test_a_server_without_ranges_is_read_anew(server: Server, store: Store, tmp_path: Path) -> None:
    server.answer = lambda handler, n: broken_off(handler, BODY) if n == 0 else status(handler, 200, BODY)
    store.fetch("a/b", to=tmp_path / "b", size=len(BODY), sha256=SHA256)
    assert (tmp_path / "b").read_bytes() == BODY


def test_other_contents_than_recorded_are_not_taken(server: Server, store: Store, tmp_path: Path) -> None:
    server.answer = lambda handler, _: status(handler, 200, BODY[::-1])
    with pytest.raises(StageFailure, match="other contents") as caught:
        store.fetch("a/b", to=tmp_path / "b", size=len(BODY), sha256=SHA256)
    assert caught.value.exit_code is ExitCode.TRY_AGAIN


def test_passing_faults_are_waited_out_with_the_token_of_the_moment(
    server: Server, store: Store, tmp_path: Path
) -> None:
    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        (tmp_path / "token").write_text("renewed")
        status(handler, [503, 429, 422, 201][number])

    server.answer = answer
    (tmp_path / "file").write_bytes(b"x")
    store.put("a/b", tmp_path / "file", sha256="0")
    tokens = [request["Authorization"] for request in server.requests]
    assert tokens == ["Bearer first", "Bearer renewed", "Bearer renewed", "Bearer renewed"]


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (401, (Reason.INTERRUPTED, ExitCode.TRY_AGAIN)),
        (403, (Reason.INTERNAL, ExitCode.INTERNAL)),
        (507, (Reason.STORE_FULL, ExitCode.TRY_AGAIN)),
    ],
)
def test_refusals_are_not_repeated(
    server: Server, store: Store, tmp_path: Path, code: int, meaning: tuple[Reason, ExitCode]
) -> None:
    server.answer = lambda handler, _: status(handler, code)
    (tmp_path / "file").write_bytes(BODY)
    with pytest.raises(StageFailure) as caught:
        store.put("a/b", tmp_path / "file", sha256=SHA256)
    assert (caught.value.error.reason, caught.value.exit_code) == meaning
    assert len(server.requests) == 1


def test_a_store_that_stays_away_is_given_up_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    store = Store(server.url, tmp_path / "token", patience=0)
    with pytest.raises(StageFailure, match="500") as caught:
        store.read("a/b")
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.STORE_UNAVAILABLE, ExitCode.TRY_AGAIN)


def test_what_is_not_there_is_told_apart(server: Server, store: Store) -> None:
    server.answer = lambda handler, _: status(handler, 404)
    assert store.result("raw/a/b/c/d") is None
    with pytest.raises(MissingObjectError):
        store.read("a/b")
