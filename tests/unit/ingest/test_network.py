import socket
from collections.abc import Iterator

import httpx
import pytest

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_ingest.network import CheckedTransport, is_public
from pointcloud_stage import StageFailure
from tests.fixtures.web import WebServer, run_web, status


@pytest.fixture
def server() -> Iterator[WebServer]:
    with run_web() as server:
        server.answer = lambda handler, _: status(handler, 200, handler.headers["Host"].encode())
        yield server


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
def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    with httpx.Client(transport=CheckedTransport(allow_private=False)) as client, pytest.raises(StageFailure) as caught:
        client.get(url)
    assert caught.value.error.reason == Reason.ADDRESS_NOT_ALLOWED
    assert caught.value.exit_code is ExitCode.BAD_SETTINGS
    assert "allowPrivateAddresses" in caught.value.error.remedy


def test_a_redirect_to_a_private_address_is_refused(server: WebServer) -> None:
    port = server.http.server_port
    server.answer = lambda handler, _: status(handler, 302, headers={"Location": f"http://inside:{port}/"})

    class ResolvesOutsideOnce(CheckedTransport):
        """Lets the first hop reach the test's server, as if it were outside."""

        def _allowed(self, url: httpx.URL) -> list[str]:
            return ["127.0.0.1"] if url.host == "outside" else super()._allowed(url)

    transport = ResolvesOutsideOnce(allow_private=False, resolver=lambda _host, _port: ["10.0.0.1"])
    with (
        httpx.Client(transport=transport, follow_redirects=True) as client,
        pytest.raises(StageFailure, match=r"host inside has the address 10\.0\.0\.1"),
    ):
        client.get(f"http://outside:{port}/")
    assert len(server.requests) == 1


def test_the_connection_goes_to_the_address_that_was_judged(server: WebServer) -> None:
    """A name that changes its answer is asked only once a request."""
    answers = iter([["127.0.0.1"], ["192.0.2.1"]])
    transport = CheckedTransport(allow_private=True, resolver=lambda _host, _port: next(answers))
    with httpx.Client(transport=transport) as client:
        response = client.get(f"http://rebinding.example:{server.http.server_port}/a")
    assert response.text == f"rebinding.example:{server.http.server_port}"
    assert next(answers) == ["192.0.2.1"]


def test_the_next_address_is_tried_when_one_does_not_accept(server: WebServer) -> None:
    transport = CheckedTransport(allow_private=True, resolver=lambda _host, _port: ["::1", "127.0.0.1"])
    with httpx.Client(transport=transport) as client:
        assert client.get(f"http://both.example:{server.http.server_port}/").status_code == httpx.codes.OK


def test_an_unknown_host_is_a_fault_of_the_connection() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with (
        httpx.Client(transport=CheckedTransport(allow_private=False, resolver=unknown)) as client,
        pytest.raises(httpx.ConnectError, match=r"no\.example is not known"),
    ):
        client.get("http://no.example/")
