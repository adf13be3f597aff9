"""The store client against a server that misbehaves in ways that a real one does now and then."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

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


@dataclass(frozen=True)
class Part:
    path: str
    size: int
    sha256: str


def part(path: str, body: bytes) -> Part:
    return Part(path, len(body), hashlib.sha256(body).hexdigest())


def test_parts_are_put_together_and_each_goes_on_where_it_broke(
    server: WebServer, store: Store, tmp_path: Path
) -> None:
    bodies = {"/v1/objects/a/0": BODY, "/v1/objects/a/1": b"", "/v1/objects/a/2": BODY[::-1]}

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        body = bodies[handler.path]
        offset = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if number == 1:
            broken_off(handler, body)
        else:
            status(handler, 206 if offset else 200, body[offset:])

    server.answer = answer
    parts = [part(path.removeprefix("/v1/objects/"), body) for path, body in bodies.items()]
    store.fetch_parts(parts, to=tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == BODY + BODY[::-1]


def test_a_broken_part_is_read_anew_without_harm_to_those_before(
    server: WebServer, store: Store, tmp_path: Path
) -> None:
    answers = [lambda h: status(h, 200, BODY), lambda h: broken_off(h, BODY), lambda h: status(h, 200, BODY)]
    server.answer = lambda handler, number: answers[number](handler)
    store.fetch_parts([part("a/0", BODY), part("a/1", BODY)], to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY + BODY


def test_a_part_of_other_contents_is_fetched_once_more(server: WebServer, store: Store, tmp_path: Path) -> None:
    bodies = [BODY, BODY[::-1], BODY]
    server.answer = lambda handler, number: status(handler, 200, bodies[number])
    store.fetch_parts([part("a/0", BODY), part("a/1", BODY)], to=tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY + BODY


def test_a_listing_is_read_page_by_page(server: WebServer, store: Store) -> None:
    paths = [f"a/b/{number}" for number in range(5)]

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        query = {name: value for name, [value] in parse_qs(urlsplit(handler.path).query).items()}
        assert query["prefix"] == "a/b/"
        rest = [path for path in paths if path > query.get("after", "")]
        page = [{"path": path, "size": 1} for path in rest[:2]]
        status(handler, 200, json.dumps({"objects": page, "next": rest[1] if len(rest) > 2 else None}).encode())

    server.answer = answer
    assert list(store.list("a/b")) == paths
    assert len(server.requests) == 3
