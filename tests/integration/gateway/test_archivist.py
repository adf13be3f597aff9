"""The archive follows a real API server, through whatever happens to the database or the gateway."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import load_kube_config

from pointcloud_api.names import StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.stages import REPORT_FILE, StageResult, UploadedFile
from pointcloud_gateway.archive import Archive, ArchivedJob
from pointcloud_gateway.archivist import Archivist
from pointcloud_gateway.cluster import Cluster
from pointcloud_gateway.database import ArchiveUnavailableError, Database
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads.layout import Layout
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.webhooks.webhooks import Webhooks
from pointcloud_kube.api import ApiServer
from tests.fixtures.jobs import BEGINNING, make_job
from tests.fixtures.patience import PATIENCE_SECONDS
from tests.fixtures.postgres import Postgres
from tests.integration.gateway.jobs import COLLECTION, JobResource
from tools.cluster.controlplane import ControlPlane

HOOK = "https://example.com/hook"
T = TypeVar("T")


async def eventually(found: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Asks until the answer is something true; a database that is away has no answer."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(ArchiveUnavailableError):
            if answer := await found():
                return answer
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s in vain for {what}")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def make(api: httpx.Client, store: Path) -> Iterator[Callable[[], JobResource]]:
    """Makes PointcloudJobs, which are gone after the test."""
    made: list[JobResource] = []

    def make() -> JobResource:
        made.append(JobResource(api, store, f"job-{uuid.uuid4().hex[:8]}"))
        return made[-1]

    yield make
    for resource in made:
        with contextlib.suppress(AssertionError):
            resource.delete()


Follow = Callable[[Database], contextlib.AbstractAsyncContextManager[Archive]]


@pytest.fixture
def following(control_plane: ControlPlane, store: Path) -> Follow:
    """Runs what of a gateway keeps the archive until the block ends, as suddenly as if the process had been killed."""

    @contextlib.asynccontextmanager
    async def follow(database: Database) -> AsyncIterator[Archive]:
        await load_kube_config(config_file=str(control_plane.kubeconfig))  # type: ignore[no-untyped-call]
        server, archive, objects = ApiServer(ApiClient()), Archive(database), Objects.open(store.as_uri())
        jobs = JobDirectory(server, Cluster(server))
        archivist = Archivist(jobs, archive, objects, Webhooks(database, lambda _: "whsec_c2VjcmV0", Settings()))
        tasks = [asyncio.create_task(work) for work in (jobs.run(), archivist.run())]
        try:
            yield archive
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await server.close()

    return follow


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url) as database:
        yield database


async def seen(archive: Archive, job: JobResource, **status: Any) -> ArchivedJob:
    """The job once the archive has it with these fields of its status."""

    async def found() -> ArchivedJob | None:
        archived = await archive.find(JobId("a", job.name))
        held = {} if archived is None else archived.resource["status"] or {}
        return archived if all(held.get(field) == value for field, value in status.items()) else None

    return await eventually(found, f"{job.name} with {status}")


async def gone(archive: Archive, name: str, namespace: str = "a") -> ArchivedJob:
    """The job once the archive knows that the cluster has it no more."""

    async def found() -> ArchivedJob | None:
        archived = await archive.find(JobId(namespace, name))
        return archived if archived is not None and archived.deleted_at is not None else None

    return await eventually(found, f"{name} to be marked")


def set_spec(api: httpx.Client, job: JobResource, **spec: Any) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    api.patch(f"{COLLECTION}/{job.name}", content=json.dumps({"spec": spec}), headers=headers)


def now(after: float = 5) -> str:
    """A time that is later than the archive's beginning."""
    return (datetime.now(UTC) + timedelta(seconds=after)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_job_is_archived_from_its_first_sight_to_its_end_and_after(
    database: Database, make: Callable[[], JobResource], following: Follow
) -> None:
    before = make()
    async with following(database) as archive:
        await seen(archive, before)
        later = make()
        await seen(archive, later)
        later.set_status(phase="Succeeded", points=6427)
        await seen(archive, later, points=6427)
        later.delete()
        archived = await gone(archive, later.name)
    assert archived.resource["status"]["phase"] == "Succeeded"
    assert archived.resource["metadata"]["uid"] == later.uid


async def test_jobs_that_went_while_no_gateway_ran_are_marked(
    database: Database, make: Callable[[], JobResource], following: Follow
) -> None:
    survivor, replaced = make(), make()
    await Archive(database).record(make_job("vanished", namespace="a"))
    await Archive(database).record(make_job("vanished", namespace="b"))
    old = make_job(replaced.name, namespace="a")
    await Archive(database).record(old)
    async with following(database) as archive:
        for namespace in ("a", "b"):
            await gone(archive, "vanished", namespace)

        async def old_one_marked() -> bool:
            return old["metadata"]["uid"] not in await archive.live()

        await eventually(old_one_marked, "the job that was replaced to be marked")
        assert {survivor.uid, replaced.uid} <= set(await archive.live())


async def test_several_replicas_keep_one_archive(
    database_url: str, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database.open(database_url)) for _ in range(3)]
        archives = [await stack.enter_async_context(following(each)) for each in databases]
        job = make()
        set_spec(api, job, webhooks=[{"url": HOOK}])
        job.set_status(phase="Succeeded", completionTime=now(), points=3)
        for archive in archives:
            await seen(archive, job, points=3)
        job.delete()
        await gone(archives[0], job.name)
    async with Database.open(database_url) as database:
        assert len(await Archive(database).deliveries(job.uid)) == 1
        assert job.uid not in await Archive(database).live()


async def test_the_end_of_a_run_is_put_into_the_queue(
    database: Database, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    job = make()
    set_spec(api, job, webhooks=[{"url": HOOK}])
    async with following(database) as archive:
        await seen(archive, job)
        job.set_status(phase="Failed", completionTime=now(5))
        job.set_status(phase="Running", completionTime=None)
        job.set_status(phase="Succeeded", completionTime=now(6))

        async def both() -> bool:
            return len(await archive.deliveries(job.uid)) == 2

        await eventually(both, "both ends to be in the queue")
        deliveries = await archive.deliveries(job.uid)
    assert {delivery.event for delivery in deliveries} == {"job.failed", "job.completed"}


async def test_an_end_that_came_while_no_gateway_ran_is_told_and_one_before_the_archive_is_not(
    database: Database, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    recent, ancient = make(), make()
    for job, completed in ((recent, now()), (ancient, "2020-01-01T00:00:00Z")):
        set_spec(api, job, webhooks=[{"url": HOOK}])
        job.set_status(phase="Succeeded", completionTime=completed)
    async with following(database) as archive:
        await eventually(lambda: archive.deliveries(recent.uid), "the recent end to be in the queue")
        await seen(archive, ancient, phase="Succeeded")
        later = make()
        await seen(archive, later)  # so what came before it has been dealt with
        assert await archive.deliveries(ancient.uid) == []


def succeed(job: JobResource, store: Path, key: str, report: bytes) -> None:
    """Leave what the reconstruct stage leaves."""
    prefix = stage_prefix(stage=StageName.RECONSTRUCT, namespace="a", name=job.name, uid=job.uid, key=key)
    result = StageResult(stage=StageName.RECONSTRUCT, key=key, pod_uid="pod", artefacts=())
    for path, content in {
        artefact_path(prefix, "pod", REPORT_FILE): report,
        result_path(prefix): result.model_dump_json().encode(),
    }.items():
        file = store / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    stage = {"name": "reconstruct", "key": key, "settings": {}, "phase": "Succeeded", "job": f"{job.name}-reconstruct"}
    job.set_status(phase="Running", stages=[stage])


async def test_the_latest_report_is_kept_and_outlives_the_store(
    database: Database, store: Path, make: Callable[[], JobResource], following: Follow
) -> None:
    job, broken = make(), make()
    async with following(database) as archive:
        succeed(broken, store, "key-0", b"no JSON")
        for number in (1, 2):
            succeed(job, store, f"key-{number}", json.dumps({"images": number}).encode())

            async def kept(number: int = number) -> bool:
                return await archive.report(job.uid) == {"images": number}

            await eventually(kept, f"report {number}")
        job.delete()
        await gone(archive, job.name)
        assert await archive.report(job.uid) == {"images": 2}
        assert await archive.report(broken.uid) is None


async def test_uploads_that_nobody_told_the_archive_of_are_found_in_the_store(
    database: Database, store: Path, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    """The database was away while the file arrived, say."""
    job = make()
    layout = Layout(namespace="a", name=job.name, uid=job.uid)
    file = UploadedFile(id="0" * 32, name="a.jpg", size=10, parts=(), received_at=BEGINNING)
    await Records(Objects.open(store.as_uri())).write(layout, 1, [file])
    async with following(database) as archive:
        await seen(archive, job)
        set_spec(api, job, source={"urls": None, "upload": {"revision": 1, "receivedAt": now()}})
        (upload,) = await eventually(lambda: archive.uploads(job.uid), "the upload")
    assert (upload.name, upload.size, upload.sent_by) == ("a.jpg", 10, None)


async def test_what_happens_while_the_database_is_away_is_made_up_for(
    own_postgres: Postgres, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    async with Database.open(own_postgres.url("postgres")) as database, following(database) as archive:
        with own_postgres.running():
            deleted, changed = make(), make()
            await seen(archive, deleted)
            await seen(archive, changed)
        deleted.set_status(phase="Succeeded", points=1)
        deleted.delete()
        set_spec(api, changed, webhooks=[{"url": HOOK}])
        changed.set_status(phase="Failed", completionTime=now())
        changed.set_status(phase="Running", completionTime=None, points=2)
        made = make()
        with own_postgres.running():
            archived = await gone(archive, deleted.name)
            assert archived.resource["status"]["points"] == 1
            await seen(archive, changed, points=2)
            await seen(archive, made)
            (delivery,) = await archive.deliveries(changed.uid)
            assert delivery.event == "job.failed"


async def test_a_lost_database_is_filled_from_the_cluster(
    tmp_path: Path, make: Callable[[], JobResource], api: httpx.Client, following: Follow
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/archive.db"
    job = make()
    set_spec(api, job, webhooks=[{"url": HOOK}])
    job.set_status(phase="Succeeded", completionTime=now(-60), points=5)
    for _ in range(2):
        async with Database.open(url) as database, following(database) as archive:
            await seen(archive, job, points=5)
            later = make()
            await seen(archive, later)
            assert await archive.deliveries(job.uid) == []  # it ended before this archive began
        (tmp_path / "archive.db").unlink()
