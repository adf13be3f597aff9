"""What a pod stores while it works, and what a pod after it makes of that, over the real store."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pointcloud_api.stages import Reason
from pointcloud_stage import StageFailure
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.pieces import LeftPieces, PieceList
from pointcloud_stage.store import Store
from tests.fixtures.store import StoreServer
from tests.fixtures.web import WebServer, run_web, status

PREFIX = "processed/surveys/beach/6f1f/key"


class Pods:
    """Pods of one key."""

    def __init__(self, store: StoreServer, tmp_path: Path) -> None:
        self.store = store
        self.tmp_path = tmp_path

    def client(self, pod_uid: str) -> Store:
        token = self.tmp_path / f"token-of-{pod_uid}"
        token.write_text(self.store.token(namespace="surveys", pod_uid=pod_uid))
        return Store(self.store.url, token)

    def checkpoint(self, pod_uid: str) -> Checkpoint:
        return Checkpoint(self.client(pod_uid), prefix=PREFIX, pod_uid=pod_uid)

    def file(self, text: str) -> Path:
        file = self.tmp_path / f"of-{text}"
        file.write_text(text)
        return file

    def keep(self, pod_uid: str, *texts: str) -> None:
        """Store each text under its own name."""
        checkpoint = self.checkpoint(pod_uid)
        for text in texts:
            checkpoint.keep(f"texts/{text}", f"texts/{text}.txt", self.file(text))
        checkpoint.settle()

    def left(self, pod_uid: str) -> LeftPieces:
        return LeftPieces(self.client(pod_uid), PREFIX, but_of=pod_uid)

    def stored(self, pod_uid: str, path: str) -> Path:
        return self.store.folder / PREFIX / pod_uid / path


@pytest.fixture
def pods(store_server: StoreServer, tmp_path: Path) -> Pods:
    return Pods(store_server, tmp_path)


def test_a_pod_finds_what_all_pods_before_it_left_and_not_its_own(pods: Pods) -> None:
    pods.keep("pod-1", "a", "b")
    pods.keep("pod-2", "b", "c")
    pods.keep("pod-3", "d")
    left = pods.left("pod-3")
    found = {name: [piece.pod_uid for piece in pieces] for name, pieces in left.by_name.items()}
    assert {name: sorted(uids) for name, uids in found.items()} == {
        "texts/a": ["pod-1"], "texts/b": ["pod-1", "pod-2"], "texts/c": ["pod-2"],
    }  # fmt: skip
    [piece] = left.by_name["texts/c"]
    assert left.bring(piece, pods.tmp_path / "brought", Path.read_text) == "c"


def test_a_file_is_gone_from_the_scratch_once_it_is_stored(pods: Pods) -> None:
    checkpoint = pods.checkpoint("pod-1")
    file = pods.file("a")
    piece = checkpoint.keep("texts/a", "texts/a.txt", file)
    checkpoint.settle()
    assert pods.stored("pod-1", piece.file.path).read_text() == "a"
    assert not file.exists()


def test_many_pieces_are_listed_in_few_lists_each_after_its_pieces(pods: Pods) -> None:
    pods.keep("pod-1", *(f"{number}" for number in range(100)))
    lists = sorted(pods.stored("pod-1", "checkpoint").iterdir())
    listed = [piece for file in lists for piece in PieceList.model_validate_json(file.read_bytes()).pieces]
    assert [piece.name for piece in listed] == [f"texts/{number}" for number in range(100)]
    assert len(lists) <= 100 // 32 + 2
    for file in lists:
        for piece in PieceList.model_validate_json(file.read_bytes()).pieces:
            stored = pods.stored("pod-1", piece.file.path)
            assert stored.stat().st_mtime_ns <= file.stat().st_mtime_ns


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("x"), lambda file: file.write_text("")])
def test_a_damaged_piece_is_not_taken_and_another_pods_is(pods: Pods, damage: Callable[[Path], object]) -> None:
    pods.keep("pod-1", "a")
    pods.keep("pod-2", "a")
    damage(pods.stored("pod-1", "texts/a.txt"))
    left = pods.left("pod-3")
    brought = [left.bring(piece, pods.tmp_path / "it", Path.read_text) for piece in left.by_name["texts/a"]]
    assert sorted(brought, key=str) == [None, "a"]


@pytest.mark.parametrize("content", ["", "{}", '{"pieces": [{"name": "texts/a"}]}', "\x00"])
def test_a_damaged_list_costs_its_own_pieces_alone(pods: Pods, content: str) -> None:
    pods.keep("pod-1", "a")
    pods.keep("pod-2", "b")
    pods.stored("pod-1", "checkpoint/000000.json").write_text(content)
    assert list(pods.left("pod-3").by_name) == ["texts/b"]


def test_what_the_reader_refuses_is_not_taken(pods: Pods) -> None:
    pods.keep("pod-1", "a")
    left = pods.left("pod-2")
    [piece] = left.by_name["texts/a"]

    def refuse(_: Path) -> None:
        raise ValueError("holds nonsense")

    assert left.bring(piece, pods.tmp_path / "it", refuse) is None


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A store that answers as the test says."""
    with run_web() as server:
        yield server


def checkpoint_over(server: WebServer, tmp_path: Path, *, patience: float) -> Checkpoint:
    (tmp_path / "token").write_text("token")
    client = Store(server.url, tmp_path / "token", patience=0)
    return Checkpoint(client, prefix=PREFIX, pod_uid="pod-1", patience=patience, pause=0)


def keep_numbers(checkpoint: Checkpoint, tmp_path: Path, numbers: range) -> None:
    for number in numbers:
        (tmp_path / f"{number}").write_text(f"{number}")
        checkpoint.keep(f"texts/{number}", f"texts/{number}", tmp_path / f"{number}")


def test_a_store_that_is_away_holds_up_nothing_but_the_end(server: WebServer, tmp_path: Path) -> None:
    back = threading.Event()
    tried = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number >= 5:
            tried.set()
        status(handler, 201 if back.is_set() else 503)

    server.answer = answer
    checkpoint = checkpoint_over(server, tmp_path, patience=60)
    keep_numbers(checkpoint, tmp_path, range(50))
    assert tried.wait(60)
    back.set()
    checkpoint.settle()
    assert {body for body in server.bodies if body.isdigit()} == {f"{number}".encode() for number in range(50)}


def test_the_end_gives_up_on_a_store_that_stays_away(server: WebServer, tmp_path: Path) -> None:
    server.answer = lambda handler, _: status(handler, 503)
    checkpoint = checkpoint_over(server, tmp_path, patience=0)
    keep_numbers(checkpoint, tmp_path, range(1))
    with pytest.raises(StageFailure) as caught:
        checkpoint.settle()
    assert caught.value.error.reason == Reason.STORE_UNAVAILABLE


def test_the_end_does_not_wait_for_a_store_that_is_full(server: WebServer, tmp_path: Path) -> None:
    server.answer = lambda handler, _: status(handler, 507)
    checkpoint = checkpoint_over(server, tmp_path, patience=10**6)
    keep_numbers(checkpoint, tmp_path, range(1))
    with pytest.raises(StageFailure) as caught:
        checkpoint.settle()
    assert caught.value.error.reason == Reason.STORE_FULL


def test_pieces_whose_list_arrived_without_an_answer_are_not_lost(server: WebServer, tmp_path: Path) -> None:
    """The store refuses a second list of the same number, so it has to be the very same list."""
    lists: dict[str, bytes] = {}
    more = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        if "/checkpoint/" not in handler.path:
            status(handler, 201)
        elif handler.path in lists:
            status(handler, 412)
        else:
            more.wait(60)
            lists[handler.path] = server.bodies[-1]
            status(handler, 500)

    server.answer = answer
    checkpoint = checkpoint_over(server, tmp_path, patience=60)
    keep_numbers(checkpoint, tmp_path, range(3))
    keep_numbers(checkpoint, tmp_path, range(3, 6))
    more.set()
    checkpoint.settle()
    listed = [piece.name for body in lists.values() for piece in PieceList.model_validate_json(body).pieces]
    assert set(listed) == {f"texts/{number}" for number in range(6)}
