"""Webhooks, from the queue in either database to a real receiver."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from threading import Event

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.archive import Archive, Delivery
from pointcloud_gateway.database import Database
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.webhooks.queue import LEASE
from pointcloud_gateway.webhooks.webhooks import PAUSES, Webhooks
from tests.fixtures.jobs import Json, make_job
from tests.fixtures.web import WebServer, run_web, status

GRANTS = Grants(b"a key of at least thirty-two bytes")


@dataclass
class Clock:
    """Goes when told to."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with run_web() as server:
        server.answer = lambda handler, _: status(handler, 204)
        yield server


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database


def webhooks_of(database: Database, clock: Clock, *, allow_private: bool = True) -> Webhooks:
    settings = Settings(webhooks_allow_private=allow_private)
    return Webhooks(database, GRANTS.webhook_secret, settings, clock=clock)


@pytest.fixture
def webhooks(database: Database, clock: Clock) -> Webhooks:
    return webhooks_of(database, clock)


def ended(url: str, *, uid: str = "uid", after: timedelta = timedelta(seconds=5)) -> Json:
    """A job that completed so long after now."""
    completed = (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_job(uid=uid, spec={"webhooks": [{"url": url}]}, phase="Succeeded", completionTime=completed, points=7)


async def enqueue(database: Database, webhooks: Webhooks, job: Json) -> None:
    await Archive(database).record(job)
    await webhooks.enqueue(job)


async def delivery(database: Database, uid: str = "uid") -> Delivery:
    (only,) = await Archive(database).deliveries(uid)
    return only


async def test_a_receiver_can_tell_that_a_message_is_genuine(
    database: Database, webhooks: Webhooks, receiver: WebServer
) -> None:
    await enqueue(database, webhooks, ended(receiver.url + "/hook"))
    assert await webhooks.deliver_due() == 1
    (headers,), (body,) = receiver.requests, receiver.bodies
    message = Webhook(GRANTS.webhook_secret("team")).verify(body, headers)
    assert message["type"] == "job.completed"
    assert message["data"]["points"] == 7
    assert headers["Content-Type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Webhook(GRANTS.webhook_secret("others")).verify(body, headers)
    done = await delivery(database)
    assert (done.status, done.attempts, done.last_status, done.last_error) == ("delivered", 1, 204, None)
    assert done.delivered_at is not None
    assert done.next_attempt_at is None
    assert await webhooks.deliver_due() == 0


async def test_an_end_is_told_once_however_often_it_is_seen(
    database: Database, webhooks: Webhooks, receiver: WebServer, clock: Clock
) -> None:
    job = ended(receiver.url)
    other = webhooks_of(database, clock)
    await Archive(database).record(job)
    await asyncio.gather(*(each.enqueue(job) for each in (webhooks, other) * 3))
    await webhooks.deliver_due()
    await enqueue(database, other, job)
    assert await other.deliver_due() == 0
    assert len(receiver.requests) == 1


async def test_what_ended_before_the_archive_began_is_not_told_again(
    database: Database, webhooks: Webhooks, receiver: WebServer
) -> None:
    await enqueue(database, webhooks, ended(receiver.url, after=timedelta(minutes=-5)))
    assert await webhooks.deliver_due() == 0
    assert receiver.requests == []


async def test_a_receiver_that_fails_is_told_again_with_the_same_message(
    database: Database, webhooks: Webhooks, receiver: WebServer, clock: Clock
) -> None:
    receiver.answer = lambda handler, number: status(handler, 500 if number == 0 else 200)
    await enqueue(database, webhooks, ended(receiver.url))
    await webhooks.deliver_due()
    failed = await delivery(database)
    assert (failed.status, failed.last_status, failed.last_error) == ("pending", 500, "The receiver answered 500.")
    assert await webhooks.deliver_due() == 0  # not yet
    clock.advance(PAUSES[0] * 1.2)
    assert await webhooks.deliver_due() == 1
    assert (await delivery(database)).status == "delivered"
    first, second = receiver.requests
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] < second["webhook-timestamp"]
    assert receiver.bodies[0] == receiver.bodies[1]
    for headers, body in zip(receiver.requests, receiver.bodies, strict=True):
        Webhook(GRANTS.webhook_secret("team")).verify(body, headers)


async def test_a_receiver_that_is_away_is_told_when_it_is_back(
    database: Database, webhooks: Webhooks, clock: Clock
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    await enqueue(database, webhooks, ended(url))
    await webhooks.deliver_due()
    waiting = await delivery(database)
    assert waiting.last_status is None
    assert waiting.last_error is not None
    assert waiting.last_error.startswith("The connection failed: ")
    assert waiting.next_attempt_at is not None
    pause = (waiting.next_attempt_at - clock.now).total_seconds()
    assert PAUSES[0] * 0.8 <= pause <= PAUSES[0] * 1.2
    with run_web(port=int(url.rpartition(":")[2])) as receiver:
        receiver.answer = lambda handler, _: status(handler, 200)
        clock.advance(PAUSES[0] * 1.2)
        await webhooks.deliver_due()
    assert (await delivery(database)).status == "delivered"


async def test_after_a_day_a_message_has_failed(
    database: Database, webhooks: Webhooks, receiver: WebServer, clock: Clock
) -> None:
    receiver.answer = lambda handler, _: status(handler, 503)
    await enqueue(database, webhooks, ended(receiver.url))
    began = clock.now
    while (await delivery(database)).status == "pending":
        due = (await delivery(database)).next_attempt_at
        assert due is not None
        clock.now = max(due, clock.now)
        assert await webhooks.deliver_due() == 1
    assert len(receiver.requests) == 1 + len(PAUSES)
    assert timedelta(hours=18) < clock.now - began < timedelta(hours=28)
    final = await delivery(database)
    assert (final.status, final.attempts, final.next_attempt_at) == ("failed", 8, None)


@pytest.mark.parametrize(
    ("code", "words"),
    [(410, "it wants no more messages"), (302, "redirects are not followed"), (400, "answered 400")],
)
async def test_an_answer_that_is_no_success_is_noted(
    database: Database, webhooks: Webhooks, receiver: WebServer, code: int, words: str
) -> None:
    elsewhere = receiver.url + "/elsewhere"
    receiver.answer = lambda handler, _: status(handler, code, headers={"Location": elsewhere})
    await enqueue(database, webhooks, ended(receiver.url))
    await webhooks.deliver_due()
    noted = await delivery(database)
    assert len(receiver.requests) == 1
    assert noted.last_status == code
    assert words in (noted.last_error or "")
    assert noted.status == ("failed" if code == 410 else "pending")


async def test_an_endless_answer_is_not_read(database: Database, webhooks: Webhooks, receiver: WebServer) -> None:
    ended_by_client = Event()

    def endless(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            ended_by_client.set()

    receiver.answer = endless
    await enqueue(database, webhooks, ended(receiver.url))
    await webhooks.deliver_due()
    assert await asyncio.to_thread(ended_by_client.wait, 30)
    assert (await delivery(database)).status == "delivered"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.96.0.1"])
async def test_an_address_that_is_not_public_is_refused_unless_allowed(
    database: Database, receiver: WebServer, clock: Clock, host: str
) -> None:
    webhooks = webhooks_of(database, clock, allow_private=False)
    await enqueue(database, webhooks, ended(f"http://{host}:{receiver.http.server_port}/"))
    await webhooks.deliver_due()
    assert receiver.requests == []
    refused = await delivery(database)
    assert refused.status == "failed"
    assert "not a public one" in (refused.last_error or "")


async def test_one_receiver_s_fault_is_not_another_s(
    database: Database, webhooks: Webhooks, receiver: WebServer
) -> None:
    await enqueue(database, webhooks, ended("http://[::1/", uid="broken"))
    await enqueue(database, webhooks, ended("http://127.0.0.1:9/", uid="away"))
    await enqueue(database, webhooks, ended(receiver.url, uid="well"))
    await webhooks.deliver_due()
    assert (await delivery(database, "well")).status == "delivered"
    assert (await delivery(database, "broken")).status == "failed"
    assert (await delivery(database, "away")).status == "pending"


async def test_two_workers_deliver_each_message_once(database_url: str, receiver: WebServer, clock: Clock) -> None:
    """Each has connections of its own, as two replicas have."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database.open(database_url)) for _ in range(2)]
        workers = [webhooks_of(database, clock) for database in databases]
        for number in range(20):
            await enqueue(databases[0], workers[0], ended(receiver.url, uid=f"uid-{number}"))
        while sum(await asyncio.gather(*(worker.deliver_due() for worker in workers * 2))):
            pass
    ids = [headers["webhook-id"] for headers in receiver.requests]
    assert len(ids) == len(set(ids)) == 20


async def test_a_gateway_killed_in_the_middle_of_an_attempt_leaves_it_to_the_next(
    database: Database, receiver: WebServer, clock: Clock
) -> None:
    """Killed is cancelled at the worst moment: the message is out, its answer not yet noted."""
    asked, release = Event(), Event()

    def slow(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            asked.set()
            release.wait(30)
        status(handler, 200)

    receiver.answer = slow
    killed = webhooks_of(database, clock)
    await enqueue(database, killed, ended(receiver.url))
    attempt = asyncio.create_task(killed.deliver_due())
    assert await asyncio.to_thread(asked.wait, 30)
    attempt.cancel()
    await asyncio.wait([attempt])
    release.set()
    successor = webhooks_of(database, clock)
    assert await successor.deliver_due() == 0  # it may be under way yet
    clock.advance(LEASE.total_seconds())
    assert await successor.deliver_due() == 1
    assert (await delivery(database)).status == "delivered"
    first, second = receiver.requests
    assert first["webhook-id"] == second["webhook-id"]  # by which the receiver knows that it has had it


@pytest.mark.parametrize(("late", "status_then"), [(500, "pending"), (200, "delivered")])
async def test_an_attempt_that_outlives_its_lease_can_only_say_that_it_succeeded(
    database: Database, receiver: WebServer, clock: Clock, late: int, status_then: str
) -> None:
    asked, release = Event(), Event()

    def slow(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 0:
            asked.set()
            release.wait(30)
        status(handler, late if number == 0 else 503)

    receiver.answer = slow
    slow_one, quick_one = webhooks_of(database, clock), webhooks_of(database, clock)
    await enqueue(database, slow_one, ended(receiver.url))
    attempt = asyncio.create_task(slow_one.deliver_due())
    assert await asyncio.to_thread(asked.wait, 30)
    clock.advance(LEASE.total_seconds())
    assert await quick_one.deliver_due() == 1
    before = await delivery(database)
    assert before.last_status == 503
    release.set()
    await attempt
    after = await delivery(database)
    assert after.status == status_then
    assert late == 200 or after == before


async def test_the_worker_sends_what_is_put_in(database: Database, webhooks: Webhooks, receiver: WebServer) -> None:
    told = Event()

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        told.set()
        status(handler, 200)

    receiver.answer = answer
    working = asyncio.create_task(webhooks.run())
    try:
        await enqueue(database, webhooks, ended(receiver.url))
        assert await asyncio.to_thread(told.wait, 30)
    finally:
        working.cancel()
        await asyncio.wait([working])  # cancelled twice, it would leave aiosqlite waiting for a thread that has ended
    assert json.loads(receiver.bodies[0])["data"]["name"] == "beach"
