"""The store service over HTTP: what arrives whole stays, what does not leaves no trace."""

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pointcloud_gateway.objects import CHUNK_BYTES, MAX_CREATE_BYTES
from tests.fixtures.patience import PATIENCE_SECONDS
from tests.fixtures.store import OPERATOR_TOKEN, StoreServer
from tools.cluster.processes import wait_until

KEY = "raw/a/job/uid/key"
MINE = f"{KEY}/pod-1"
BIG = os.urandom(3 * CHUNK_BYTES + 1)
CREATE_ONLY = {"If-None-Match": "*"}


@pytest.fixture
def pod(store_server: StoreServer) -> Iterator[httpx.Client]:
    token = store_server.token(namespace="a", pod_uid="pod-1")
    with httpx.Client(
        base_url=f"{store_server.url}/v1/objects/", headers={"Authorization": f"Bearer {token}"}
    ) as session:
        yield session


def files(folder: Path) -> list[str]:
    """Every file of the store, hidden and unfinished ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("body", [b"", b"x", BIG], ids=["empty", "small", "big"])
@pytest.mark.parametrize("name", ["points.ply", "images/é ü #1 100%.jpg"])
def test_what_goes_in_comes_out(pod: httpx.Client, body: bytes, name: str) -> None:
    digest = {"X-Content-SHA256": hashlib.sha256(body).hexdigest()}
    address = f"{MINE}/{name}".replace("%", "%25").replace("#", "%23")
    assert pod.put(address, content=body, headers=digest).status_code == 201
    answer = pod.get(address)
    assert (answer.status_code, answer.content) == (200, body)
    head = pod.head(address)
    assert (head.headers["content-length"], head.headers["etag"]) == (str(len(body)), answer.headers["etag"])


@pytest.mark.parametrize(("start", "end"), [(0, 10), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (1, len(BIG))])
def test_a_part_comes_out(pod: httpx.Client, start: int, end: int) -> None:
    pod.put(f"{MINE}/x", content=BIG)
    answer = pod.get(f"{MINE}/x", headers={"Range": f"bytes={start}-{end - 1}"})
    assert (answer.status_code, answer.content) == (206, BIG[start:end])


def test_one_connection_carries_big_and_small_answers_in_turn(pod: httpx.Client) -> None:
    pod.put(f"{MINE}/big", content=BIG)
    pod.put(f"{MINE}/small", content=b"small")
    for _ in range(3):
        assert pod.get(f"{MINE}/big").content == BIG
        assert pod.get(f"{MINE}/small").content == b"small"


def test_a_client_that_leaves_a_download_leaves_the_store_well(pod: httpx.Client) -> None:
    pod.put(f"{MINE}/big", content=BIG)
    for _ in range(3):
        with pod.stream("GET", f"{MINE}/big") as answer:
            next(answer.iter_raw(1000))
    assert pod.get(f"{MINE}/big").content == BIG


@pytest.mark.parametrize("body", [b"x", BIG], ids=["small", "big"])
def test_content_that_is_not_what_was_announced_is_not_kept(
    pod: httpx.Client, store_server: StoreServer, body: bytes
) -> None:
    wrong = {"X-Content-SHA256": "0" * 64}
    assert pod.put(f"{MINE}/x", content=body, headers=wrong).status_code == 422
    assert pod.put(f"{KEY}/result.json", content=body[:100], headers={**wrong, **CREATE_ONLY}).status_code == 422
    assert files(store_server.folder) == []


def test_a_broken_upload_leaves_nothing(pod: httpx.Client, store_server: StoreServer) -> None:
    url = httpx.URL(store_server.url)
    with socket.create_connection((url.host, url.port or 80)) as connection:
        head = (
            f"PUT /v1/objects/{MINE}/x HTTP/1.1\r\nHost: store\r\n"
            f"Authorization: {pod.headers['Authorization']}\r\nContent-Length: {len(BIG)}\r\n\r\n"
        )
        connection.sendall(head.encode() + BIG[: 2 * CHUNK_BYTES])
        wait_until(lambda: files(store_server.folder) != [], what="the upload to begin", seconds=PATIENCE_SECONDS)
    wait_until(lambda: files(store_server.folder) == [], what="the upload to be undone", seconds=PATIENCE_SECONDS)
    assert pod.get(f"{MINE}/x").status_code == 404


def test_a_result_is_created_once(pod: httpx.Client) -> None:
    assert pod.put(f"{KEY}/result.json", content=b"first", headers=CREATE_ONLY).status_code == 201
    answer = pod.put(f"{KEY}/result.json", content=b"second", headers=CREATE_ONLY)
    assert (answer.status_code, answer.json()["reason"]) == (412, "Exists")
    assert pod.get(f"{KEY}/result.json").content == b"first"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{MINE}/x", {"Authorization": "Bearer nobody"}, 401),
        (f"{MINE}/x", {"Authorization": "Basic abc"}, 401),
        (f"{KEY}/pod-2/x", {}, 403),
        (f"{KEY}/result.json", {}, 403),
        ("raw/b/job/uid/key/pod-1/x", {}, 403),
        (f"{MINE}/..%2fpod-2%2fx", {}, 400),
        (f"{MINE}/%2e%2e/pod-2/x", {}, 400),
        (f"{MINE}/x%00", {}, 400),
        (f"{MINE}/x", {"X-Content-SHA256": "abc"}, 400),
        (f"{MINE}/x", {"Transfer-Encoding": "chunked"}, 411),
        (f"{MINE}/x", {"Content-Length": str(1 << 60)}, 507),
        (f"{MINE}/x", {"Content-Length": str(MAX_CREATE_BYTES + 1), **CREATE_ONLY}, 413),
    ],
)
def test_refusals_say_why_and_store_nothing(
    pod: httpx.Client, store_server: StoreServer, path: str, headers: dict[str, str], status: int
) -> None:
    url = httpx.URL(store_server.url)
    sent = {"Host": "store", "Connection": "close", "Authorization": pod.headers["Authorization"], **headers}
    if not {"Content-Length", "Transfer-Encoding"} & sent.keys():
        sent["Content-Length"] = "0"
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.sendall(f"PUT /v1/objects/{path} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert '"message"' in answer
    assert files(store_server.folder) == []


def test_listing_goes_page_by_page_in_order(pod: httpx.Client, store_server: StoreServer) -> None:
    names = [f"{MINE}/{name}" for name in ("b", "a/2", "a/1", "c", "é")]
    for name in names:
        pod.put(name, content=b"12")
    listed: list[str] = []
    after: str | None = ""
    while after is not None:
        query: dict[str, str | int] = {"prefix": f"{MINE}/", "limit": 2, "after": after}
        page = pod.get(f"{store_server.url}/v1/objects", params=query).json()
        assert {found["size"] for found in page["objects"]} == {2}
        listed += [found["path"] for found in page["objects"]]
        after = page["next"]
    assert listed == sorted(names)


def test_listing_shows_one_namespace_and_the_operator_all(pod: httpx.Client, store_server: StoreServer) -> None:
    pod.put(f"{MINE}/x", content=b"")
    address = f"{store_server.url}/v1/objects"
    assert pod.get(address, params={"prefix": "raw/b/"}).status_code == 403
    assert pod.get(address, params={"prefix": "raw/a"}).status_code == 400
    assert pod.get(address, params={"prefix": "raw/a/../b/"}).status_code == 400
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    seen = pod.get(address, params={"prefix": "raw/a/job/"}, headers=operator).json()["objects"]
    assert [found["path"] for found in seen] == [f"{MINE}/x"]


@pytest.fixture
def operator(store_server: StoreServer) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{store_server.url}/v1/", headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    ) as session:
        yield session


def test_the_operator_removes_a_key_and_nothing_else(
    pod: httpx.Client, operator: httpx.Client, store_server: StoreServer
) -> None:
    for path in (f"{MINE}/x", f"{MINE}/images/1.jpg", "raw/a/job/uid/key-of-another/pod-1/x"):
        pod.put(path, content=b"x")
    pod.put(f"{KEY}/result.json", content=b"{}", headers=CREATE_ONLY)
    for _ in range(2):
        assert operator.delete("objects", params={"prefix": f"{KEY}/"}).status_code == 204
        assert files(store_server.folder) == ["raw/a/job/uid/key-of-another/pod-1/x"]
    assert operator.delete("objects", params={"prefix": "raw/a/job/uid/"}).status_code == 204
    assert [folder.name for folder in store_server.folder.rglob("*")] == ["raw", "a"]


@pytest.mark.parametrize("prefix", [f"{KEY}/", f"{MINE}/", "raw/a/job/uid/"])
def test_who_may_write_may_not_remove(pod: httpx.Client, store_server: StoreServer, prefix: str) -> None:
    pod.put(f"{MINE}/x", content=b"x")
    answer = pod.delete(f"{store_server.url}/v1/objects", params={"prefix": prefix})
    assert (answer.status_code, answer.json()["reason"]) == (403, "NotAllowed")
    assert files(store_server.folder) == [f"{MINE}/x"]


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "raw/",
        "raw/a/",
        "raw/a/job/",
        KEY,
        f"{MINE}/",
        "raw/a/job/../b/",
        "raw/a/job/uid//",
        "raw/a/job/uid/uploads/",
    ],
)
def test_what_is_neither_a_jobs_folder_nor_a_keys_is_not_removed(
    pod: httpx.Client, operator: httpx.Client, store_server: StoreServer, prefix: str
) -> None:
    pod.put(f"{MINE}/x", content=b"x")
    answer = operator.delete("objects", params={"prefix": prefix})
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadPath")
    assert files(store_server.folder) == [f"{MINE}/x"]
