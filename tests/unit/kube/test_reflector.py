"""The cache against an API server that answers as a list says: each is a page, a watch's events, or an error."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pointcloud_kube.api import ApiServer, Json
from pointcloud_kube.reflector import OwnedCache, Reflector

HANG_UP = object()
"""The answer of a server that breaks the connection, and among a watch's events the moment when it does."""


def obj(uid: str, version: int, owner: str = "owner") -> Json:
    owners = [{"uid": owner, "controller": True}]
    metadata = {
        "uid": uid,
        "name": uid,
        "resourceVersion": str(version),
        "creationTimestamp": "",
        "ownerReferences": owners,
    }
    return {"metadata": metadata}


def page(*items: Json, version: int, rest: str = "") -> Json:
    return {"items": list(items), "metadata": {"resourceVersion": str(version), "continue": rest}}


class Script:
    """What the server answers, in order, and what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.watched_from: list[str] = []
        self.exhausted = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            self.watched_from.append(request.query["resourceVersion"])
        answer = self.answers.pop(0)
        if answer is HANG_UP:
            assert request.transport
            request.transport.abort()
        if isinstance(answer, list):
            return await self._stream(request, answer)
        return web.json_response(answer, status=answer.get("code", 200) if isinstance(answer, dict) else 500)

    async def _stream(self, request: web.Request, events: list[Any]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for each in events:
            if each is HANG_UP:
                assert request.transport
                request.transport.close()  # once what was written is on its way
                return response
            await response.write(json.dumps(each).encode() + b"\n")
        if not self.answers:
            self.exhausted.set()
            await asyncio.Event().wait()
        return response


async def reflected(changes: int, *answers: Any) -> tuple[Reflector, list[str], Script]:
    """A reflector once it has had all the answers and told of so many changes, and the uids it told of."""
    script, changed, enough = Script(*answers), list[str](), asyncio.Event()

    def on_change(each: Json) -> None:
        changed.append(each["metadata"]["uid"])
        if len(changed) >= changes:
            enough.set()

    application = web.Application()
    application.router.add_get("/jobs", script.answer)
    async with TestServer(application) as server:
        api = ApiServer(ApiClient(Configuration(host=str(server.make_url("/")).rstrip("/"))))
        reflector = Reflector(api, "/jobs", selector="", on_change=on_change)
        running = asyncio.create_task(reflector.run())
        async with asyncio.timeout(30):
            await asyncio.gather(script.exhausted.wait(), enough.wait())
        running.cancel()
        await api.close()
    return reflector, changed, script


def event(kind: str, each: Json) -> Json:
    return {"type": kind, "object": each}


async def test_it_lists_all_pages_then_watches_from_there() -> None:
    reflector, changed, script = await reflected(
        3, page(obj("a", 1), version=5, rest="more"), page(obj("b", 2), version=5), [event("MODIFIED", obj("a", 6))]
    )
    assert changed == ["a", "b", "a"]
    assert script.watched_from == ["5"]
    assert len(reflector.cache) == 2
    assert reflector.synced.is_set()


async def test_a_watch_that_ends_is_resumed_where_it_was() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    _, changed, script = await reflected(2, page(obj("a", 1), version=5), [bookmark], [event("MODIFIED", obj("a", 10))])
    assert script.watched_from == ["5", "9"]
    assert changed == ["a", "a"]


@pytest.mark.parametrize("told", ["by status", "in the stream"])
async def test_what_vanished_while_it_could_not_watch_is_told_of(told: str) -> None:
    expired = {"code": 410, "reason": "Expired", "message": "too old"}
    reflector, changed, _ = await reflected(
        3,
        page(obj("a", 1), obj("b", 2), version=5),
        expired if told == "by status" else [event("ERROR", expired)],
        page(obj("b", 2), version=50),
        [],
    )
    assert changed == ["a", "b", "a"]
    assert reflector.cache.get("a") is None
    assert reflector.cache.get("b") is not None


async def test_an_object_never_goes_back() -> None:
    reflector, changed, _ = await reflected(
        2, page(obj("a", 7), version=7), [event("MODIFIED", obj("a", 6)), event("DELETED", obj("a", 8))]
    )
    assert changed == ["a", "a"]
    assert len(reflector.cache) == 0


@pytest.mark.parametrize("trouble", [HANG_UP, {"code": 500, "reason": "InternalError"}], ids=["hang up", "500"])
async def test_it_goes_on_after_trouble(trouble: Any) -> None:
    _, changed, script = await reflected(1, page(version=5), trouble, [event("ADDED", obj("a", 6))])
    assert changed == ["a"]
    assert script.watched_from == ["5", "5"]


async def test_a_watch_that_brings_something_before_it_breaks_is_resumed_without_delay() -> None:
    breaks = 12  # of which the last would be waited for ten seconds each if every one counted
    watches = [[event("MODIFIED", obj("a", version)), HANG_UP] for version in range(6, 6 + breaks)]
    _, changed, script = await reflected(1 + breaks, page(obj("a", 1), version=5), *watches, [])
    assert changed == ["a"] * (1 + breaks)
    assert script.watched_from == [str(version) for version in range(5, 6 + breaks)]


def test_children_are_found_by_their_controller() -> None:
    cache = OwnedCache()
    for each in (obj("a", 1), obj("b", 2), obj("c", 3, owner="another")):
        assert cache.put(each)
    assert [each["metadata"]["uid"] for each in cache.owned_by("owner")] == ["a", "b"]
    cache.remove("a")
    cache.remove("b")
    assert cache.owned_by("owner") == []


async def test_an_object_of_any_size_comes_through_a_watch() -> None:
    large = obj("a", 6)
    large["spec"] = {"urls": ["https://example.com/photo.jpg"] * 10_000}
    reflector, changed, _ = await reflected(1, page(version=5), [event("ADDED", large)])
    assert changed == ["a"]
    assert reflector.cache.get("a") == large


def test_what_a_write_answers_does_not_bring_back_what_has_gone() -> None:
    cache = OwnedCache()
    cache.put(obj("a", 1))
    assert cache.renew(obj("a", 2))
    assert not cache.renew(obj("a", 2))
    cache.remove("a")
    assert not cache.renew(obj("a", 3))
    assert len(cache) == 0
