"""A folder and a bucket on a real S3 server behave alike, so that an install may choose."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pointcloud_gateway.objects import (
    DigestMismatchError,
    ObjectExistsError,
    ObjectMissingError,
    Objects,
)
from pointcloud_gateway.store.authorisation import ObjectPath
from pointcloud_gateway.store.erasure import erase
from tools.s3 import run_bucket

BELOW = "raw/a/ruin/uid"
KEY = f"{BELOW}/5f0c2a91d4"
PATIENT = 60.0


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a bucket; what its clients need is in the environment meanwhile."""
    with run_bucket(tmp_path_factory.mktemp("s3")) as running, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running.url


@pytest.fixture(params=["folder", "bucket"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Objects]:
    """An empty storage of each kind in turn."""
    url = tmp_path.as_uri() if request.param == "folder" else request.getfixturevalue("bucket")
    storage = Objects.open(url)
    yield storage
    await storage.delete_below("raw")


async def pieces(content: bytes, size: int = 1_000_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_what_is_written_is_read_whole_and_in_part(objects: Objects) -> None:
    content = os.urandom(20_000_000)  # more than one part of a multipart upload
    await objects.write(f"{BELOW}/big.bin", len(content), pieces(content))
    assert (await objects.stat(f"{BELOW}/big.bin")).size == len(content)
    assert await objects.read_all(f"{BELOW}/big.bin") == content
    read = b"".join([bytes(chunk) async for chunk in objects.read(f"{BELOW}/big.bin", 7, 17_000_000)])
    assert read == content[7:17_000_000]


async def test_a_result_is_created_once(objects: Objects) -> None:
    await objects.create(f"{BELOW}/result.json", b"first")
    with pytest.raises(ObjectExistsError):
        await objects.create(f"{BELOW}/result.json", b"second")
    assert await objects.read_all(f"{BELOW}/result.json") == b"first"


async def test_an_upload_with_another_hash_than_announced_leaves_nothing(objects: Objects) -> None:
    with pytest.raises(DigestMismatchError):
        await objects.write(f"{BELOW}/photo.jpg", 3, pieces(b"abc"), sha256="0" * 64)
    with pytest.raises(ObjectMissingError):
        await objects.stat(f"{BELOW}/photo.jpg")


async def test_what_is_not_there_is_said_to_be_missing(objects: Objects) -> None:
    for ask in (objects.stat, objects.read_all):
        with pytest.raises(ObjectMissingError):
            await ask(f"{BELOW}/nothing")
    await objects.delete(f"{BELOW}/nothing")


async def test_listings_come_by_page_and_in_order(objects: Objects) -> None:
    names = [f"{BELOW}/records/{number:08d}" for number in range(7)]
    for name in reversed(names):
        await objects.put(name, b"x")
    await objects.put("raw/a/ruin/uid-of-another/records/0", b"x")
    first = await objects.list(f"{BELOW}/", after="", limit=4)
    rest = await objects.list(f"{BELOW}/", after=first[-1].path, limit=4)
    assert [stat.path for stat in (*first, *rest)] == names
    assert {stat.path for stat in await objects.every(f"{BELOW}/", after=names[4])} == set(names[5:])
    assert set(await objects.folders("raw/a/ruin/")) == {BELOW, "raw/a/ruin/uid-of-another"}


async def test_deleting_a_folder_leaves_its_neighbours(objects: Objects) -> None:
    await objects.put(f"{BELOW}/uploads/files/1/parts/0", b"x")
    await objects.put(f"{BELOW}/uploads/files/10/parts/0", b"x")
    await objects.delete_below(f"{BELOW}/uploads/files/1")
    assert [stat.path for stat in await objects.every(f"{BELOW}/uploads")] == [f"{BELOW}/uploads/files/10/parts/0"]


async def left(objects: Objects) -> set[str]:
    return {stat.path.removeprefix(f"{BELOW}/") for stat in await objects.every(BELOW)}


@pytest.fixture
async def key(objects: Objects) -> str:
    """The folder of a stage that is done, beside what else a job has."""
    paths = ["result.json", "winner/photos.json", *(f"winner/images/{number}" for number in range(20)), "loser/log.txt"]
    neighbours = ["uploads/records/1", "uploads/files/1/parts/0", "5f0c2a91d4f/result.json", "5f0c2a91d4f/winner/x"]
    for path in (*(f"{KEY}/{path}" for path in paths), *(f"{BELOW}/{path}" for path in neighbours)):
        await objects.put(path, b"x")
    return KEY


async def test_a_key_is_removed_and_its_neighbours_stay(objects: Objects, key: str) -> None:
    for _ in range(2):
        assert await erase(objects, ObjectPath.parse(key), seconds=PATIENT)
        neighbours = {"uploads/records/1", "uploads/files/1/parts/0", "5f0c2a91d4f/result.json", "5f0c2a91d4f/winner/x"}
        assert await left(objects) == neighbours
        assert KEY not in await objects.folders(BELOW)


@pytest.mark.usefixtures("key")
async def test_all_of_a_job_is_removed_uploads_too(objects: Objects) -> None:
    await objects.put("raw/a/ruin/uid-of-another/5f0c2a91d4/result.json", b"x")
    for _ in range(2):
        assert await erase(objects, ObjectPath.parse(BELOW), seconds=PATIENT)
        assert await left(objects) == set()
        assert await objects.folders("raw/a/ruin") == ["raw/a/ruin/uid-of-another"]


async def test_what_takes_too_long_is_gone_on_with_when_asked_again(objects: Objects, key: str) -> None:
    assert not await erase(objects, ObjectPath.parse(key), seconds=-1)
    names = await left(objects)
    assert "5f0c2a91d4/result.json" not in names, "a key that is being removed counts as done"
    assert "5f0c2a91d4/winner/images/0" in names
    assert await erase(objects, ObjectPath.parse(key), seconds=PATIENT)
    assert not any(name.startswith("5f0c2a91d4/") for name in await left(objects))


class _Interrupted(Exception):  # noqa: N818 - what a SIGKILL does is no error
    pass


@pytest.mark.parametrize("calls", range(3))
async def test_killed_at_any_point_it_leaves_no_key_that_counts_as_done_and_has_lost_something(
    objects: Objects, key: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {stat.path for stat in await objects.every(key)}
    done = 0

    def dying(method: str) -> None:
        real = getattr(objects, method)

        async def call(*arguments: object, **options: object) -> object:
            nonlocal done
            if done == calls:
                raise _Interrupted
            done += 1
            return await real(*arguments, **options)

        monkeypatch.setattr(objects, method, call)

    for method in ("delete", "delete_below"):
        dying(method)
    with pytest.raises(_Interrupted):
        await erase(objects, ObjectPath.parse(key), seconds=PATIENT)
    monkeypatch.undo()
    after = {stat.path for stat in await objects.every(key)}
    assert after == before or f"{key}/result.json" not in after
    assert await erase(objects, ObjectPath.parse(key), seconds=PATIENT)
    assert not await objects.every(key)


async def test_a_pod_that_begins_the_same_key_meanwhile_keeps_its_work(
    objects: Objects, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = objects.delete_below

    async def meanwhile(prefix: str, *, until: float) -> bool:
        await objects.put(f"{key}/newcomer/photos.json", b"new")
        await objects.put(f"{key}/result.json", b"new")
        return await real(prefix, until=until)

    monkeypatch.setattr(objects, "delete_below", meanwhile)
    assert await erase(objects, ObjectPath.parse(key), seconds=PATIENT)
    assert {stat.path for stat in await objects.every(key)} == {f"{key}/newcomer/photos.json", f"{key}/result.json"}


async def test_two_may_remove_the_same_at_once(objects: Objects, key: str) -> None:
    path = ObjectPath.parse(key)
    assert all(await asyncio.gather(*(erase(objects, path, seconds=PATIENT) for _ in range(4))))
    assert not await objects.every(key)
