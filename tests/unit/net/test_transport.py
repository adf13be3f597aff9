import socket
from collections.abc import Iterator

import httpx
import pytest

from pointcloud_net.addresses import NotPublicError, Resolver, is_public, public_ones, resolve
from pointcloud_net.transport import AsyncCheckedTransport, CheckedTransport
from tests.fixtures.web import WebServer, run_web, status


@pytest.fixture
def server() -> Iterator[WebServer]:
    with run_web() as server:
        server.answer = lambda handler, _: status(handler, 200, handler.headers["Host"].encode())
        yield server


class Client:
    """Asks by either transport, following redirects."""

    def __init__(self, blocking: type[CheckedTransport], asynchronous: type[AsyncCheckedTransport] | None) -> None:
        self._blocking = blocking
        self._asynchronous = asynchronous

    async def get(self, url: str, *, allow_private: bool, resolver: Resolver = resolve) -> httpx.Response:
        if self._asynchronous is not None:
            transport = self._asynchronous(allow_private=allow_private, resolver=resolver)
            async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
                return await client.get(url)
        blocking = self._blocking(allow_private=allow_private, resolver=resolver)
        with httpx.Client(transport=blocking, follow_redirects=True) as session:
            return session.get(url)  # noqa: ASYNC212 - the one that blocks is to be tried too


@pytest.fixture(params=["blocking", "asynchronous"])
def client(request: pytest.FixtureRequest) -> Client:
    return Client(CheckedTransport, AsyncCheckedTransport if request.param == "asynchronous" else None)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.96.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "0.0.0.0",  # noqa: S104 - nothing binds to it
    ],
)  # fmt: skip
def test_addresses_that_a_stranger_may_not_name(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a", "http://localhost/a", "http://[::1]/a", "http://0x7f.1/a", "http://2130706433/"]
)
async def test_a_private_address_is_refused_however_it_is_written(client: Client, url: str) -> None:
    with pytest.raises(NotPublicError, match="not a public one"):
        await client.get(url, allow_private=False)


def test_a_private_address_is_passed_over_for_a_public_one() -> None:
    assert public_ones("both.example", ["127.0.0.1", "1.1.1.1"]) == ["1.1.1.1"]


class LetsOutside(CheckedTransport):
    """Lets the first hop reach the test's server, as if it were outside."""

    def _allowed(self, url: httpx.URL) -> list[str]:
        return ["127.0.0.1"] if url.host == "outside" else super()._allowed(url)


class AsyncLetsOutside(AsyncCheckedTransport):
    def _allowed(self, url: httpx.URL) -> list[str]:
        return ["127.0.0.1"] if url.host == "outside" else super()._allowed(url)


@pytest.mark.parametrize("client", [Client(LetsOutside, None), Client(LetsOutside, AsyncLetsOutside)])
async def test_a_redirect_to_a_private_address_is_refused(client: Client, server: WebServer) -> None:
    port = server.http.server_port
    server.answer = lambda handler, _: status(handler, 302, headers={"Location": f"http://inside:{port}/"})
    with pytest.raises(NotPublicError, match=r"host inside has the address 10\.0\.0\.1"):
        await client.get(f"http://outside:{port}/", allow_private=False, resolver=lambda *_: ["10.0.0.1"])
    assert len(server.requests) == 1


async def test_the_connection_goes_to_the_address_that_was_judged(client: Client, server: WebServer) -> None:
    """A name that changes its answer is asked only once a request."""
    answers = iter([["127.0.0.1"], ["192.0.2.1"]])
    address = f"rebinding.example:{server.http.server_port}"
    response = await client.get(f"http://{address}/a", allow_private=True, resolver=lambda *_: next(answers))
    assert response.text == address
    assert next(answers) == ["192.0.2.1"]


async def test_the_next_address_is_tried_when_one_does_not_accept(client: Client, server: WebServer) -> None:
    url = f"http://both.example:{server.http.server_port}/"
    response = await client.get(url, allow_private=True, resolver=lambda *_: ["::1", "127.0.0.1"])
    assert response.status_code == httpx.codes.OK


async def test_an_unknown_host_is_a_fault_of_the_connection(client: Client) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(httpx.ConnectError, match=r"no\.example is not known"):
        await client.get("http://no.example/", allow_private=False, resolver=unknown)


async def test_proxies_of_the_environment_are_not_used(
    client: Client, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url = f"http://somewhere.example:{server.http.server_port}/"
    response = await client.get(url, allow_private=True, resolver=lambda *_: ["127.0.0.1"])
    assert response.status_code == httpx.codes.OK
