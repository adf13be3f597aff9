"""The store client against a server that misbehaves in ways that a real one does now and then."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_stage import StageFailure
from pointcloud_stage.store import MissingObjectError, Store
from tests.fixtures.web import WebServer, broken_off, run_web, status

BODY = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with run_web() as server:
        yield server


@pytest.fixture
def store(server: WebServer, tmp_path: Path) -> Store:
    (tmp_path / "token").write_text("first\n")
    return Store(server.url, tmp_path / "token", patience=5, sleep=lambda _: None)


def test_a_broken_transfer_goes_on_where_it_ended(server: WebServer, store: Store, tmp_path: Path) -> None:
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


def test_a_server_without_ranges_is_read_anew(server: WebServer, store: Store, tmp_path: Path) -> None:
    server.answer = lambda handler, n: broken_off(handler, BODY) if n == 0 else status(handler, 200, BODY)
    store.fetch("a/b", to=tmp_path / "b", size=len(BODY), sha256=SHA256)
    assert (tmp_path / "b").read_bytes() == BODY


def test_other_contents_than_recorded_are_not_taken(server: WebServer, store: Store, tmp_path: Path) -> None:
    server.answer = lambda handler, _: status(handler, 200, BODY[::-1])
    with pytest.raises(StageFailure, match="other contents") as caught:
        store.fetch("a/b", to=tmp_path / "b", size=len(BODY), sha256=SHA256)
    assert caught.value.exit_code is ExitCode.TRY_AGAIN


def test_passing_faults_are_waited_out_with_the_token_of_the_moment(
    server: WebServer, store: Store, tmp_path: Path
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
    server: WebServer, store: Store, tmp_path: Path, code: int, meaning: tuple[Reason, ExitCode]
) -> None:
    server.answer = lambda handler, _: status(handler, code)
    (tmp_path / "file").write_bytes(BODY)
    with pytest.raises(StageFailure) as caught:
        store.put("a/b", tmp_path / "file", sha256=SHA256)
    assert (caught.value.error.reason, caught.value.exit_code) == meaning
    assert len(server.requests) == 1


def test_a_store_that_stays_away_is_given_up_on(server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    store = Store(server.url, tmp_path / "token", patience=0)
    with pytest.raises(StageFailure, match="500") as caught:
        store.read("a/b")
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.STORE_UNAVAILABLE, ExitCode.TRY_AGAIN)


def test_what_is_not_there_is_told_apart(server: WebServer, store: Store) -> None:
    server.answer = lambda handler, _: status(handler, 404)
    assert store.result("raw/a/b/c/d") is None
    with pytest.raises(MissingObjectError):
        store.read("a/b")
