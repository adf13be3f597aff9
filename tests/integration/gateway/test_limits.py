"""How many requests a client may make of the real process, and who counts as one client behind a proxy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.rights import VIEWING, Account, bearer
from tools.cluster.controlplane import ControlPlane

ALLOWED = 4
Start = Callable[..., Gateway]


@pytest.fixture
def start(control_plane: ControlPlane, api: httpx.Client, tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway that allows few requests, behind the proxies named."""
    del api  # only for its order
    running = []

    def start(*proxies: str) -> Gateway:
        settings = {"RATE_LIMIT": f"{ALLOWED}/hour", "TRUSTED_PROXIES": ",".join(proxies)}
        running.append(run_gateway(kubeconfig=control_plane.kubeconfig, folder=tmp_path / "store", settings=settings))
        return running[-1].__enter__()

    yield start
    for each in running:
        each.__exit__(None, None, None)


def ask(gateway: Gateway, **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(
        f"{gateway.public}/potree/a/none", headers={"Authorization": "Bearer invented", **sent}
    ).status_code


def exhaust(gateway: Gateway, **headers: str) -> None:
    statuses = [ask(gateway, **headers) for _ in range(ALLOWED + 1)]
    assert statuses == [302] * ALLOWED + [429]


def test_behind_a_trusted_proxy_clients_are_told_apart(start: Start) -> None:
    gateway = start("127.0.0.0/8")
    exhaust(gateway, x_forwarded_for="192.0.2.1")
    assert ask(gateway, x_forwarded_for="192.0.2.2") == 302
    assert ask(gateway, x_forwarded_for="198.51.100.7, 192.0.2.1") == 429  # the client wrote the first itself
    secure = httpx.get(f"{gateway.public}/healthz", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" in secure.headers


def test_nobody_else_is_believed_whom_they_speak_for(start: Start) -> None:
    gateway = start()
    exhaust(gateway, x_forwarded_for="192.0.2.1")
    assert ask(gateway, x_forwarded_for="192.0.2.2") == 429
    secure = httpx.get(f"{gateway.public}/healthz", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in secure.headers


def test_a_user_is_counted_once_their_credential_has_been_accepted(start: Start, api: httpx.Client) -> None:
    gateway = start()
    mine = bearer(Account.make(api).may(VIEWING, "a").token())
    with httpx.Client(base_url=gateway.public) as client:
        assert client.get("/jobs", headers=mine).status_code == 200  # by address: who it is was not known yet
        for _ in range(ALLOWED):
            ask(gateway)
        assert ask(gateway) == 429
        refused = client.get("/jobs", headers={"Origin": "https://elsewhere.example"})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (429, "*")
        assert refused.headers["content-type"] == "application/problem+json"
        statuses = [client.get("/jobs", headers=mine).status_code for _ in range(ALLOWED + 1)]
        assert statuses == [200] * ALLOWED + [429]
        assert client.get("/healthz").status_code == 200
