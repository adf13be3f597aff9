"""Leases between processes that share one API server, whose time goes on when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pointcloud_kube.api import ApiServer, Json
from pointcloud_kube.lease import Lease, Terms

TERMS = Terms(duration=10, deadline=7, period=0.005, failed_period=0.005)


@dataclass
class World:
    """One Lease, as its API server keeps it, and what o'clock it is."""

    now: float = 1000.0
    lease: Json = field(default_factory=dict)
    requests: int = 0
    answers_lost: int = 0
    """How many of the next writes are carried out without an answer."""
    away: bool = False
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    connections: list[ApiServer] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.asked.set()
        if self.away:
            return web.json_response({}, status=503)
        if request.method == "GET":
            return web.json_response(self.lease, status=200 if self.lease else 404)
        wanted: Json = await request.json()
        if request.method == "POST" and self.lease:
            return web.json_response({"reason": "AlreadyExists"}, status=409)
        if request.method == "PUT" and wanted["metadata"]["resourceVersion"] != self.version:
            return web.json_response({"reason": "Conflict"}, status=409)
        wanted["metadata"]["resourceVersion"] = str(int(self.version or 0) + 1)
        self.lease = wanted
        if self.answers_lost:
            self.answers_lost -= 1
            assert request.transport
            request.transport.abort()
        return web.json_response(wanted)

    @property
    def version(self) -> str:
        return str(self.lease.get("metadata", {}).get("resourceVersion", ""))

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"])

    def candidate(self, identity: str) -> Lease:
        api = ApiServer(ApiClient(Configuration(host=self.url)))
        self.connections.append(api)
        return Lease(api, "ns", "operator", identity=identity, terms=TERMS, clock=lambda: self.now)

    async def asked_again(self, times: int = 3) -> None:
        """Returns once so many more requests have come."""
        enough = self.requests + times
        while self.requests < enough:
            self.asked.clear()
            await self.asked.wait()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    application = web.Application()
    path = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
    application.router.add_route("*", path, world.answer)
    application.router.add_route("*", f"{path}/operator", world.answer)
    async with TestServer(application) as server:
        world.url = str(server.make_url("/")).rstrip("/")
        yield world
        for api in world.connections:
            await api.close()


async def test_the_first_makes_the_lease_and_holds_it(world: World) -> None:
    lease = world.candidate("a")
    assert not lease.held
    await lease.acquire()
    assert lease.held
    assert world.lease["spec"]["leaseTransitions"] == 0
    assert world.lease["spec"]["leaseDurationSeconds"] == 10


async def test_of_several_at_once_one_holds_it(world: World) -> None:
    candidates = [world.candidate(name) for name in "abcde"]
    waiting = [asyncio.create_task(each.acquire()) for each in candidates]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await world.asked_again(10)
    assert [each.held for each in candidates].count(True) == 1
    for task in waiting:
        task.cancel()


async def test_another_takes_it_a_duration_after_it_saw_it_renewed_last(world: World) -> None:
    first, second = world.candidate("a"), world.candidate("b")
    await first.acquire()
    world.now += 5  # b comes late, and cannot know how old the renewal is that it sees
    waiting = asyncio.create_task(second.acquire())
    await world.asked_again()
    world.now += 9.9
    await world.asked_again()
    assert not waiting.done()
    world.now += 0.2
    await waiting
    assert (first.held, second.held) == (False, True)
    assert world.lease["spec"]["leaseTransitions"] == 1


async def test_one_that_renews_keeps_it(world: World) -> None:
    first, second = world.candidate("a"), world.candidate("b")
    await first.acquire()
    keeping, waiting = asyncio.create_task(first.keep()), asyncio.create_task(second.acquire())
    for _ in range(10):
        world.now += 3
        await world.asked_again(6)
    assert first.held
    assert not waiting.done()
    keeping.cancel()
    waiting.cancel()


async def test_it_ends_for_its_holder_before_it_ends_for_others(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.now += 6.9
    assert lease.held
    world.now += 0.2
    assert not lease.held


async def test_one_that_was_paused_for_too_long_asks_nothing_any_more(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.now += 60
    before = world.requests
    await lease.keep()
    assert world.requests == before


async def test_one_that_sees_another_hold_it_has_lost_it(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.lease["spec"]["holderIdentity"] = "b"
    world.lease["metadata"]["resourceVersion"] = "100"
    await lease.keep()
    assert not lease.held
    assert world.holder == "b"


async def test_a_renewal_whose_answer_was_lost_is_made_again(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.answers_lost = 1
    keeping = asyncio.create_task(lease.keep())
    await world.asked_again(6)
    world.now += 6
    await world.asked_again(6)
    world.now += 6
    assert lease.held
    keeping.cancel()


async def test_an_api_server_that_is_away_for_longer_than_the_deadline_ends_it(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.away = True
    keeping = asyncio.create_task(lease.keep())
    world.now += 6.9
    await world.asked_again()
    assert not keeping.done()
    world.now += 0.2
    await keeping


async def test_an_api_server_that_is_away_is_waited_for(world: World) -> None:
    world.away = True
    lease = world.candidate("a")
    waiting = asyncio.create_task(lease.acquire())
    await world.asked_again()
    world.away = False
    await waiting
    assert lease.held


async def test_one_that_is_given_back_is_taken_at_once(world: World) -> None:
    first, second = world.candidate("a"), world.candidate("b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await world.asked_again()
    await first.release()
    await waiting
    assert world.holder == "b"
    assert not first.held


async def test_what_another_holds_is_not_given_back(world: World) -> None:
    lease = world.candidate("a")
    await lease.acquire()
    world.lease["spec"]["holderIdentity"] = "b"
    await lease.release()
    assert world.holder == "b"
