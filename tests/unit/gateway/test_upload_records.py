"""What the records of a job sum up to, and how little of them is read."""

from typing import Any

import pytest
from obstore.store import MemoryStore

from pointcloud_api.stages import UploadedFile
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads.admission import Admission
from pointcloud_gateway.uploads.layout import Layout, new_upload_id
from pointcloud_gateway.uploads.records import Records, Totals
from pointcloud_gateway.uploads.storage import Announcement, UploadStore, now

LAYOUT = Layout(namespace="a", name="job", uid="uid")


def job(revision: int) -> dict[str, Any]:
    upload = {"revision": revision} if revision else {}
    return {
        "metadata": {"namespace": "a", "name": "job", "uid": "uid"},
        "spec": {"source": {"upload": upload}},
    }


def file(size: int) -> UploadedFile:
    return UploadedFile(id=new_upload_id(), name="a.jpg", size=size, parts=(), received_at=now())


@pytest.fixture
def objects() -> Objects:
    return Objects(MemoryStore())


async def test_only_revisions_that_the_job_has_reached_count(objects: Objects) -> None:
    records = Records(objects)
    first, second, third = file(1), file(2), file(3)
    await records.write(LAYOUT, 1, [first])
    await records.write(LAYOUT, 2, [second, first])
    await records.write(LAYOUT, 3, [third])
    assert await records.files(job(0)) == []
    assert await records.files(job(2)) == [first, second]
    assert await records.files(job(3), after=1) == [second, first, third]
    assert await records.mentioned(LAYOUT) == {first.id, second.id, third.id}


async def test_a_record_that_has_been_counted_is_not_read_again(objects: Objects) -> None:
    records = Records(objects)
    counted = await records.write(LAYOUT, 1, [file(1), file(2)])
    assert await records.totals(job(1)) == Totals(revision=1, files=2, size=3)
    await records.withdraw(counted)
    await records.write(LAYOUT, 2, [file(4)])
    assert await records.totals(job(2)) == Totals(revision=2, files=3, size=7)
    assert await records.totals(job(1)) == Totals(revision=2, files=3, size=7), "a job seen late is not counted anew"


async def test_what_is_announced_takes_room(objects: Objects) -> None:
    store, records = UploadStore(objects), Records(objects)
    settings = Settings(max_files=3, max_job_bytes=10)
    await records.write(LAYOUT, 1, [file(4)])
    await store.announce(LAYOUT, new_upload_id(), Announcement(name="b.jpg", length=5, announced_at=now()))
    room = await Admission(objects, store, records, settings).room(job(1))
    room.check(1, 1)
    with pytest.raises(Problem, match="POINTCLOUD_MAX_FILES"):
        room.check(2, 1)
    with pytest.raises(Problem, match="POINTCLOUD_MAX_JOB_BYTES"):
        room.check(1, 2)
