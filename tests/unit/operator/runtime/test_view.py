"""What the view tells of, against an API server whose lists are the test's."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pointcloud_api.names import JOB_LABEL, PLURAL
from pointcloud_kube.api import ApiServer
from pointcloud_operator.runtime.queue import Key
from pointcloud_operator.runtime.view import View

Json = dict[str, Any]

FIRST, SECOND = Key("ns", "first"), Key("ns", "second")


def obj(uid: str, *, name: str = "", owner: str = "", job: str = "", created: int = 1, deleting: bool = False) -> Json:
    metadata: Json = {
        "namespace": "ns",
        "name": name or uid,
        "uid": uid,
        "resourceVersion": "1",
        "creationTimestamp": f"2026-01-01T00:00:0{created}Z",
        "labels": {JOB_LABEL: job},
    }
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T01:00:00Z"
    return {"metadata": metadata, "spec": {}, "status": {}}


@dataclass
class World:
    """The lists as they are now, and what was told of them."""

    lists: dict[str, list[Json]] = field(default_factory=lambda: {PLURAL: [], "jobs": [], "pods": []})
    changed: list[Key] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    outage: asyncio.Event = field(default_factory=asyncio.Event)
    """Once it is set, watches end, and nothing is known any more of the time before."""
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            items = self.lists[request.path.rpartition("/")[2]]
            return web.json_response({"items": items, "metadata": {"resourceVersion": "5"}})
        response = web.StreamResponse()
        await response.prepare(request)
        await self.outage.wait()
        expired = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
        await response.write(json.dumps(expired).encode() + b"\n")
        return response

    def start(self, view: View) -> None:
        self.running = [asyncio.create_task(each.run()) for each in view.reflectors.values()]


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def view(world: World) -> AsyncIterator[View]:
    application = web.Application()
    application.router.add_get("/{path:.*}", world.answer)
    async with TestServer(application) as server:
        api = ApiServer(ApiClient(Configuration(host=str(server.make_url("/")).rstrip("/"))))
        yield View(api, on_change=world.changed.append, on_gone=world.gone.append, on_pod=lambda *_: None)
        for task in world.running:
            task.cancel()
        await api.close()


async def until(found: Any) -> None:
    async with asyncio.timeout(10):
        while not found():  # noqa: ASYNC110 - what is waited for is not the test's to announce
            await asyncio.sleep(0.01)


async def test_a_pointcloud_job_that_vanished_during_an_outage_is_told_of(world: World, view: View) -> None:
    world.lists[PLURAL] = [obj("first"), obj("second")]
    world.start(view)
    await view.until_whole()
    assert not world.gone
    world.lists[PLURAL] = [obj("second")]
    world.outage.set()
    await until(lambda: world.gone)
    assert world.gone == [FIRST]
    assert [job["metadata"]["uid"] for job in view.pointcloud_jobs()] == ["second"]


async def test_a_change_of_a_job_or_a_pod_is_a_change_of_its_pointcloud_job(world: World, view: View) -> None:
    world.lists[PLURAL] = [obj("first", name="ruin")]
    world.start(view)
    await view.until_whole()
    world.changed.clear()
    world.lists["jobs"] = [obj("job", owner="first", job="ruin")]
    world.lists["pods"] = [obj("pod", owner="job", job="ruin")]
    world.outage.set()
    await until(lambda: len(world.changed) >= 2)
    assert set(world.changed) == {FIRST}
    jobs, pods = view.children(world.lists[PLURAL][0])
    assert [job.uid for job in jobs] == ["job"]
    assert [pod.uid for pod in pods["job"]] == ["pod"]


async def test_pods_that_outlive_their_job_are_seen_while_their_pointcloud_job_is_deleted(
    world: World, view: View
) -> None:
    deleted = obj("second", name="ruin", created=5, deleting=True)
    world.lists[PLURAL] = [deleted]
    world.lists["pods"] = [
        obj("own", owner="a-job-that-is-gone", job="ruin", created=6),
        obj("of-a-predecessor", owner="another-job-that-is-gone", job="ruin", created=2),
        obj("of-another", owner="a-third", job="temple", created=6),
    ]
    world.start(view)
    await view.until_whole()
    _, pods = view.children(deleted)
    assert [pod.uid for several in pods.values() for pod in several] == ["own"]
    _, pods = view.children(obj("second", name="ruin", created=5))
    assert pods == {}


async def test_a_successor_of_the_same_name_is_another_one(world: World, view: View) -> None:
    world.lists[PLURAL] = [obj("first", name="ruin")]
    world.start(view)
    await view.until_whole()
    world.lists[PLURAL] = [obj("second", name="ruin")]
    world.outage.set()
    await until(lambda: world.gone)
    assert world.gone == [FIRST]
    assert world.changed[-1] == SECOND
    assert [job["metadata"]["uid"] for job in view.pointcloud_jobs()] == ["second"]


async def test_what_a_request_tells_to_be_gone_is_told_of_once(world: World, view: View) -> None:
    world.lists[PLURAL] = [obj("first")]
    world.start(view)
    await view.until_whole()
    view.forget(FIRST)
    view.forget(FIRST)
    assert world.gone == [FIRST]
