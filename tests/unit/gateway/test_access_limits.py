"""Who is counted how, and what is said to who asks too much."""

import httpx
import pytest
from limits import parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pointcloud_gateway.access.identity import User
from pointcloud_gateway.access.limits import RateLimit

ALLOWED = 3
KNOWN = {"token-of-jane": User("jane"), "second-token-of-jane": User("jane"), "token-of-joe": User("joe")}
JANE, JANE_AGAIN, JOE = ({"Authorization": f"Bearer {token}"} for token in KNOWN)


async def answer(_: Request) -> Response:
    return PlainTextResponse("ok")


@pytest.fixture
def app() -> RateLimit:
    return RateLimit(
        Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "PATCH"])]),
        limit=parse(f"{ALLOWED}/minute"),
        known_user=KNOWN.get,
        exempt_prefixes=("/potree/",),
    )


class Clients:
    """Clients by address."""

    def __init__(self, app: RateLimit) -> None:
        self._app = app

    async def ask(
        self, path: str = "/jobs", *, address: str = "192.0.2.1", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(address, 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            return await client.get(path, headers=headers)

    async def exhaust(self, *, address: str = "192.0.2.1", headers: dict[str, str] | None = None) -> None:
        answers = [(await self.ask(address=address, headers=headers)).status_code for _ in range(ALLOWED + 1)]
        assert answers == [200] * ALLOWED + [429]


@pytest.fixture
def clients(app: RateLimit) -> Clients:
    return Clients(app)


async def test_who_asks_too_much_is_told_when_to_come_back(clients: Clients) -> None:
    first = await clients.ask()
    assert first.headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert first.headers["ratelimit"].startswith('"default";r=2;t=')
    await clients.ask()
    await clients.ask()
    refused = await clients.ask()
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60
    assert refused.headers["ratelimit"] == f'"default";r=0;t={wait}'
    assert f"Wait {wait} seconds" in refused.json()["detail"]


async def test_one_clients_excess_takes_nothing_from_another(clients: Clients) -> None:
    await clients.exhaust()
    assert (await clients.ask(address="192.0.2.2")).status_code == 200
    assert (await clients.ask(headers=JANE)).status_code == 200  # the same address, but somebody known


async def test_a_user_is_one_client_whatever_their_address_and_token(clients: Clients) -> None:
    await clients.exhaust(headers=JANE)
    assert (await clients.ask(headers=JANE_AGAIN, address="192.0.2.9")).status_code == 429
    assert (await clients.ask(headers=JOE)).status_code == 200


async def test_inventing_credentials_does_not_help(clients: Clients) -> None:
    for number in range(ALLOWED):
        assert (await clients.ask(headers={"Authorization": f"Bearer invented-{number}"})).status_code == 200
    for headers in ({"Authorization": "Bearer another"}, {"Authorization": "Basic YTpi"}, {}):
        assert (await clients.ask(headers=headers)).status_code == 429


async def test_an_ipv6_customer_is_one_client_however_many_addresses_they_have(clients: Clients) -> None:
    await clients.exhaust(address="2001:db8:1:2::1")
    assert (await clients.ask(address="2001:db8:1:2:ffff::9")).status_code == 429
    assert (await clients.ask(address="2001:db8:1:3::1")).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/potree/a/wall/octree.bin"])
async def test_probes_and_files_of_point_clouds_are_not_counted(clients: Clients, path: str) -> None:
    await clients.exhaust()
    answer = await clients.ask(path)
    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers


async def test_who_is_unknown_and_has_to_be_asked_for_is_counted_even_there(clients: Clients) -> None:
    await clients.exhaust()
    assert (await clients.ask("/potree/a/wall/", headers={"Authorization": "Bearer invented"})).status_code == 429
    assert (await clients.ask("/potree/a/wall/", headers=JANE)).status_code == 200


@pytest.mark.parametrize("path", ["/process/wall", "/jobs/wall/uploads", "/jobs/b.wall/uploads/0123"])
async def test_a_known_users_uploads_are_not_counted(clients: Clients, path: str) -> None:
    await clients.exhaust(headers=JANE)
    assert (await clients.ask(path, headers=JANE)).status_code == 200
    await clients.exhaust()
    assert (await clients.ask(path)).status_code == 429
