"""What a hostile client may write on the wire: it is refused, harms nobody else, and leaves no trace in the log."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.jobs import JobResource
from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

KEY = "9d1e44b07c"
HOST = b"Host: gateway\r\n"


@pytest.fixture(scope="module")
def gateway(
    control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that waits one second for what is late, and whose log is clean in the end."""
    del api  # only for its order
    folder = tmp_path_factory.mktemp("hostile")
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings={"IDLE_SECONDS": "1"}) as running:
        yield running
    assert "Traceback" not in running.log.read_text()
    assert "ERROR" not in running.log.read_text()


@pytest.fixture
def wire(gateway: Gateway) -> Iterator[socket.socket]:
    """A connection to the public port. In the end, others must still be answered."""
    with connect(gateway) as connection:
        yield connection
        assert httpx.get(f"{gateway.public}/healthz").status_code == 200


def connect(gateway: Gateway) -> socket.socket:
    url = httpx.URL(gateway.public)
    connection = socket.create_connection((url.host, url.port or 80))
    connection.settimeout(PATIENCE_SECONDS)
    return connection


def everything(wire: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    received = b""
    while piece := wire.recv(65536):
        received += piece
    return received


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "path",
    [
        b"/../../etc/passwd",
        b"/potree/../../../etc/passwd",
        b"/potree/a/%2e%2e/%2e%2e/",
        b"/potree/a/x/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        b"/potree/a/x/..\\..\\etc\\passwd",
        b"/potree/a/x/%00",
        b"/potree/%00/x/",
        b"/potree/a/x/%ff%fe",
        b"/potree/" + b"a" * 20_000 + b"/x/",
        b"/shared/%00.%00/a/x/",
        b"/shared/ffffffffffff." + b"A" * 43 + b"/a/x/",
        b"/job/%2e%2e%2fa",
        b"/job/a.b.c",
        b"/job/" + b"%F0%9F%92%A9" * 500,
        b"//job/x",
        b"/job/x%0d%0aSet-Cookie:%20a=b",
        b"http://elsewhere.example/etc/passwd",
        b"/healthz?" + b"a=" * 10_000,
        b"*",
    ],
)
def test_no_path_is_more_than_not_found(wire: socket.socket, path: bytes) -> None:
    wire.sendall(b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    received = everything(wire)
    assert statuses(received)[0] in {200, 307, 400, 401, 404}
    assert b"root:" not in received
    assert b"set-cookie" not in received.lower()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n", id="another version"),
        pytest.param(b"GET / healthz HTTP/1.1\r\n" + HOST + b"\r\n", id="a space in the address"),
        pytest.param(b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", id="an address beyond ASCII"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost gateway\r\n\r\n", id="a header without a colon"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nA\x00b: c\r\n\r\n", id="NUL in a header's name"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nA: b\x00c\r\n\r\n", id="NUL in a header's value"),
        pytest.param(b"CONNECT elsewhere.example:443 HTTP/1.1\r\n\r\n", id="a tunnel"),
        pytest.param(b"POST /process/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", id="a negative length"),
        pytest.param(b"POST /process/x HTTP/1.1\r\nContent-Length: 1x\r\n\r\nab", id="a length that is no number"),
        pytest.param(
            b"POST /process/x HTTP/1.1\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n", id="a length beyond 64 bits"
        ),
        pytest.param(b"POST /process/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two lengths"),
        pytest.param(
            b"POST /process/x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="a length and chunks",
        ),
        pytest.param(
            b"POST /process/x HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="an unknown coding"
        ),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(wire: socket.socket, request_: bytes) -> None:
    wire.sendall(request_)
    assert statuses(everything(wire)) == [400]


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n", b"F" * 17 + b"\r\n"])
def test_bad_chunks_end_the_request(wire: socket.socket, chunk: bytes) -> None:
    wire.sendall(b"POST /process/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
    received = statuses(everything(wire))
    assert received[0] in {400, 401}  # 401: it was answered before the chunk was looked at
    assert len(received) <= 2


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nA: " + b"a" * (1 << 20), id="a value without an end"),
        pytest.param(b"GET /" + b"a" * (1 << 20), id="an address without an end"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"A: a\r\n" * 200_000, id="headers without an end"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nA: " + b"a" * (33 << 10) + b"\r\n\r\n", id="a long head that ends"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n" + b"A: a\r\n" * 7000 + b"\r\n", id="many headers that end"),
    ],
)
def test_a_head_that_is_too_long_is_refused(wire: socket.socket, head: bytes) -> None:
    wire.sendall(head)
    assert statuses(everything(wire)) == [431]


def test_a_head_of_30_kib_is_not(wire: socket.socket) -> None:
    wire.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\nA: " + b"a" * (30 << 10) + b"\r\n\r\n")
    assert statuses(everything(wire)) == [200]


def test_a_head_that_does_not_end_is_waited_for_no_longer_than_allowed(wire: socket.socket) -> None:
    wire.sendall(b"GET /healthz HTTP/1.1\r\nA: ")
    assert statuses(everything(wire)) == [408]


def test_a_head_that_drips_is_not_waited_for_either(wire: socket.socket) -> None:
    wire.settimeout(0.05)
    wire.sendall(b"GET /healthz HTTP/1.1\r\n")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        wire.sendall(b"A: b\r\n")
        try:
            received = wire.recv(1024)
        except TimeoutError:
            continue
        assert statuses(received) == [408]
        return
    pytest.fail("the head may drip for ever")


@pytest.mark.parametrize("path", [b"/jobs", b"/process/x", b"/jobs/x/share"])
def test_a_body_that_does_not_end_is_not_waited_for(wire: socket.socket, path: bytes) -> None:
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n"
    wire.sendall(head + b"{")
    assert statuses(wire.recv(65536))[0] in {401, 408}


@pytest.mark.parametrize("bytes_", [b"", b"\r\n"], ids=["nothing", "an empty line"])
def test_who_says_nothing_is_not_waited_for(wire: socket.socket, bytes_: bytes) -> None:
    wire.sendall(bytes_)
    assert everything(wire) == b""


def test_the_rest_of_a_body_that_was_answered_early_is_not_waited_for(wire: socket.socket) -> None:
    wire.sendall(b"POST /nowhere HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\na")
    received = wire.recv(65536)
    assert statuses(received)[0] in {404, 405}
    wire.sendall(b"a")
    while piece := wire.recv(65536):
        received += piece
    assert len(statuses(received)) == 1


def test_pipelined_requests_are_answered_in_their_order(wire: socket.socket) -> None:
    paths = [b"/healthz", b"/nowhere", b"/healthz", b"/potree/a/none/"]
    wire.sendall(b"".join(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n" for path in paths[:-1]))
    wire.sendall(b"GET " + paths[-1] + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    assert statuses(everything(wire)) == [200, 404, 200, 404]


def test_a_second_request_is_not_smuggled_in_by_a_length(wire: socket.socket) -> None:
    body = b"GET /healthz HTTP/1.1\r\n\r\n"
    length = f"Content-Length: {len(body)}\r\n".encode()
    wire.sendall(b"POST /nowhere HTTP/1.1\r\nConnection: close\r\n" + HOST + length + b"\r\n" + body)
    assert len(statuses(everything(wire))) == 1


def test_a_hundred_slow_clients_keep_nobody_waiting(gateway: Gateway) -> None:
    slow = [connect(gateway) for _ in range(100)]
    try:
        for each in slow:
            each.sendall(b"GET /healthz HTTP/1.1\r\nA: ")
        assert httpx.get(f"{gateway.public}/healthz").status_code == 200
        assert [statuses(everything(each)) for each in slow] == [[408]] * 100
    finally:
        for each in slow:
            each.close()


def test_who_reads_nothing_of_an_answer_does_not_keep_it(gateway: Gateway, job: JobResource) -> None:
    job.finish(KEY, {"octree.bin": bytes(64 << 20)})
    job.set_status(published=KEY)
    address = f"/potree/a/{job.name}/{KEY}/octree.bin"
    wait_until(
        lambda: httpx.head(gateway.public + address).status_code == 200,
        what="the cloud to be shown",
        seconds=PATIENCE_SECONDS,
    )
    with connect(gateway) as wire:
        wire.sendall(b"GET " + address.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert wire.recv(16)
        wait_until(
            lambda: _open_files(gateway, "octree.bin") == 1, what="the transfer to begin", seconds=PATIENCE_SECONDS
        )
        wait_until(
            lambda: _open_files(gateway, "octree.bin") == 0,
            what="the transfer to be given up",
            seconds=PATIENCE_SECONDS,
        )


def _open_files(gateway: Gateway, name: str) -> int:
    """How many files of that name the gateway has open."""
    descriptors = Path(f"/proc/{gateway.process.pid}/fd").iterdir()
    return sum(1 for each in descriptors if each.exists() and each.resolve().name == name)
