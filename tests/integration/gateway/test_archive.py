"""The archive on both engines that it can live on."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pointcloud_api.stages import UploadedFile
from pointcloud_gateway import models
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.database import Database
from pointcloud_gateway.job_ids import JobId
from tests.fixtures.jobs import BEGINNING, make_job, moment

BEACH = JobId("team", "beach")


@pytest.fixture
async def archive(database_url: str) -> AsyncIterator[Archive]:
    async with Database.open(database_url) as database:
        yield Archive(database)


def uploaded(name: str = "a.jpg", size: int = 10) -> UploadedFile:
    return UploadedFile(id=uuid.uuid4().hex, name=name, size=size, parts=(), received_at=BEGINNING)


async def names(archive: Archive, **how: Any) -> list[str]:
    found, _ = await archive.page(namespaces=["team"], limit=100, **how)
    return [job.resource["metadata"]["name"] for job in found]


# Recording.


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(1, 7)), deleted=st.integers(1, 6), replicas=st.integers(1, 3))
def test_the_newest_version_wins_in_whatever_order_replicas_record_them(
    database_url: str, order: list[int], deleted: int, replicas: int
) -> None:
    """Several at once, and the news that the job is gone, told with an old version, somewhere among them."""
    uid = str(uuid.uuid4())

    async def record() -> None:
        async with AsyncExitStack() as stack:
            archives = [Archive(await stack.enter_async_context(Database.open(database_url))) for _ in range(replicas)]
            turns = zip(order, itertools.cycle(archives), strict=False)
            async with asyncio.TaskGroup() as tasks:
                for version, archive in turns:
                    job = make_job("any", uid=uid, version=version, points=version)
                    tasks.create_task(archive.record(job, deleted=version == deleted))
            found = await archives[0].find(JobId("team", "any"))
            assert found is not None
            assert found.resource["status"]["points"] == max(order)
            assert found.deleted_at is not None
            await archives[0].forget(JobId("team", "any"))

    asyncio.run(record())


async def test_a_job_is_found_as_it_was_last_seen(archive: Archive) -> None:
    job = make_job(phase="Succeeded", points=7, completionTime=moment(9))
    job["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "{}"
    await archive.record(job)
    found = await archive.find(BEACH)
    assert found is not None
    assert found.owner == "ada"
    assert found.deleted_at is None
    assert found.resource["spec"] == job["spec"]
    assert found.resource["status"] == job["status"]
    metadata = found.resource["metadata"]
    assert metadata["uid"] == job["metadata"]["uid"]
    assert "kubectl.kubernetes.io/last-applied-configuration" not in metadata["annotations"]


async def test_a_job_made_anew_under_its_name_is_another_job(archive: Archive) -> None:
    await archive.record(make_job(version=5, created=0, points=1), deleted=True)
    await archive.record(make_job(version=9, created=60, points=2))
    found = await archive.find(BEACH)
    assert found is not None
    assert found.resource["status"]["points"] == 2


async def test_characters_that_a_database_refuses_lose_nothing_else(archive: Archive) -> None:
    hostile = "nul \0, half a pair \ud800, emoji 😀, " + "long " * 1000
    job = make_job(owner=hostile)
    await archive.record(job)
    await archive.record_uploads(job, [uploaded(hostile, size=2**70)], User(hostile))
    found = await archive.find(BEACH)
    assert found is not None
    assert found.owner is not None
    assert found.owner.startswith("nul \ufffd, half a pair ?, emoji 😀, long")
    (upload,) = await archive.uploads(job["metadata"]["uid"])
    assert upload.name.startswith("nul \ufffd")
    assert upload.size == 2**63 - 1


# Uploads and reports.


async def test_uploads_of_a_job_that_was_never_recorded_are_kept(archive: Archive) -> None:
    job = make_job()
    await archive.record_uploads(job, [uploaded("a.jpg"), uploaded("b.mp4", size=5_000_000_000)], User("ada"))
    kept = await archive.uploads(job["metadata"]["uid"])
    assert {(upload.name, upload.size, upload.sent_by) for upload in kept} == {
        ("a.jpg", 10, "ada"),
        ("b.mp4", 5_000_000_000, "ada"),
    }
    assert await archive.find(BEACH) is not None


@pytest.mark.parametrize("senders", [(None, User("ada")), (User("ada"), None)])
async def test_who_sent_a_file_is_known_whoever_tells_of_it_first(
    archive: Archive, senders: tuple[User | None, ...]
) -> None:
    job, file = make_job(), uploaded()
    for sender in senders:
        await archive.record_uploads(job, [file], sender)
    (upload,) = await archive.uploads(job["metadata"]["uid"])
    assert upload.sent_by == "ada"
    assert upload.received_at == BEGINNING


async def test_the_latest_report_is_kept(archive: Archive) -> None:
    job = make_job()
    uid = job["metadata"]["uid"]
    await archive.record(job)
    assert await archive.report(uid) is None
    await archive.keep_report(uid, "key-1", {"images": 1})
    await archive.keep_report(uid, "key-2", {"images": 2})
    assert await archive.report(uid) == {"images": 2}
    assert await archive.report_keys() == {uid: "key-2"}


async def test_a_report_of_an_unknown_job_is_left_out(archive: Archive) -> None:
    await archive.keep_report("nobody", "key", {})
    assert await archive.report("nobody") is None


# Forgetting.


async def test_what_a_user_deletes_is_gone_and_nothing_late_brings_it_back(archive: Archive, database_url: str) -> None:
    job, file = make_job(version=3), uploaded()
    uid = job["metadata"]["uid"]
    await archive.record_uploads(job, [file], User("ada"))
    await archive.keep_report(uid, "key", {"images": 1})
    assert await archive.forget(BEACH)
    await archive.record(make_job(uid=uid, version=4), deleted=True)
    await archive.keep_report(uid, "key", {"images": 1})
    assert await archive.find(BEACH) is None
    assert await archive.report(uid) is None
    assert await archive.uploads(uid) == []
    assert await names(archive) == []
    assert await archive.namespaces() == frozenset()
    assert not await archive.forget(BEACH)
    async with Database.open(database_url) as database, database.reading() as connection:
        (left,) = await connection.execute(select(models.Job.resource, models.Job.owner))
    assert tuple(left) == ({}, None)


async def test_deleting_a_job_deletes_all_that_were_ever_called_so(archive: Archive) -> None:
    """Otherwise an older one would stand where the deleted one stood."""
    await archive.record(make_job(created=0), deleted=True)
    await archive.record(make_job(created=60), deleted=True)
    await archive.record(make_job("other"), deleted=True)
    assert await archive.forget(BEACH)
    assert await archive.find(BEACH) is None
    assert await names(archive) == ["other"]


# Pages.


async def test_pages_hold_every_job_once_though_others_come_in_between(archive: Archive) -> None:
    for number in range(7):
        await archive.record(make_job(f"job-{number}", created=number // 3), deleted=True)  # several of one second
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        found, after = await archive.page(namespaces=["team"], limit=3, after=after)
        seen += [job.resource["metadata"]["name"] for job in found]
        await archive.record(make_job(f"late-{len(seen)}", created=100), deleted=True)
    assert sorted(seen) == [f"job-{number}" for number in range(7)]
    assert [int(name[-1]) // 3 for name in seen] == [2, 1, 1, 1, 0, 0, 0]


async def test_a_page_that_is_exactly_full_is_the_last(archive: Archive) -> None:
    for number in range(2):
        await archive.record(make_job(f"job-{number}"), deleted=True)
    found, after = await archive.page(namespaces=["team"], limit=2)
    assert len(found) == 2
    assert after is None


async def test_pages_hold_only_what_was_asked_for(archive: Archive) -> None:
    await archive.record(make_job("live", phase="Failed"))
    await archive.record(make_job("hidden", namespace="others", phase="Failed"), deleted=True)
    await archive.record(make_job("failed-a", phase="Failed"), deleted=True)
    await archive.record(make_job("done-a", phase="Succeeded"), deleted=True)
    await archive.record(make_job("new"), deleted=True)
    assert set(await names(archive)) == {"failed-a", "done-a", "new"}
    assert await names(archive, phases=["Failed"]) == ["failed-a"]
    assert await names(archive, phases=["Pending"]) == ["new"]
    assert set(await names(archive, text="-A")) == {"failed-a", "done-a"}
    assert await names(archive, text="a_") == []
    assert await names(archive, text="%") == []
    assert await names(archive, text="' OR 1=1 --") == []
    assert await archive.page(namespaces=[], limit=10) == ([], None)
    assert await archive.namespaces() == {"team", "others"}


async def test_a_page_shows_of_one_id_what_the_id_finds(archive: Archive) -> None:
    await archive.record(make_job(created=0, points=1), deleted=True)
    await archive.record(make_job(created=60, points=2), deleted=True)
    ((only,), _) = await archive.page(namespaces=["team"], limit=10)
    assert only.resource["status"]["points"] == 2
    await archive.record(make_job(created=120, points=3))
    assert await names(archive) == []


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzEsMl0=", "WyIyMDI2LTAxLTAxIl0=", "\u00e9", "bnVsbA=="])
async def test_a_cursor_that_nobody_gave_is_refused(archive: Archive, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await archive.page(namespaces=["team"], limit=10, after=cursor)


async def test_a_job_that_went_unseen_is_marked_once(archive: Archive) -> None:
    job = make_job()
    uid = job["metadata"]["uid"]
    await archive.record(job)
    assert await archive.live() == {uid: BEACH}
    await archive.mark_deleted(uid)
    found = await archive.find(BEACH)
    assert found is not None
    first = found.deleted_at
    assert first is not None
    assert first <= datetime.now(UTC)
    await archive.mark_deleted(uid)
    assert (await archive.find(BEACH)) == found
    assert await archive.live() == {}
