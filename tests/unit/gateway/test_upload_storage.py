"""Resumable uploads in the store: whatever is interrupted, the file arrives byte for byte."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from obstore.store import MemoryStore

from pointcloud_gateway.objects import Objects
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads import janitor
from pointcloud_gateway.uploads.body import BodyCut
from pointcloud_gateway.uploads.chain import chain
from pointcloud_gateway.uploads.layout import Layout, new_upload_id
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.uploads.storage import Announcement, Upload, UploadMissing, UploadStore, now

LAYOUT = Layout(namespace="a", name="job", uid="uid")
PART_BYTES: Final = 7
PATIENT: Final = 3600.0


def announcement(length: int) -> Announcement:
    return Announcement(name="a.jpg", length=length, announced_at=now())


async def body(*pieces: bytes, cut: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if cut:
        raise BodyCut(400, "gone")


async def content_of(store: UploadStore, upload: Upload, length: int) -> bytes:
    folder = upload.layout.parts(upload.id)
    return b"".join([await store.objects.read_all(f"{folder}/{part.name}") for part in chain(upload.parts, length)])


@dataclass
class Sender:
    """A request that sends the file from where the store said it was."""

    at: int
    pieces: "asyncio.Queue[bytes | None]" = field(default_factory=asyncio.Queue)
    request: "asyncio.Task[Upload] | None" = None

    async def body(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if not piece:
                raise BodyCut(400, "gone")
            yield piece


class UploadMachine(RuleBasedStateMachine):
    """Any number of requests of one client send one file, break off, or die with their process at any moment."""

    senders = Bundle("senders")

    @initialize(length=st.integers(0, 60))
    def begin(self, length: int) -> None:
        self.runner = asyncio.Runner()
        self.content = bytes(range(length))
        self.told = 0
        self.id = new_upload_id()
        self.objects = Objects(MemoryStore())
        self.runner.run(self._process().announce(LAYOUT, self.id, announcement(length)))

    def _process(self) -> UploadStore:
        """A process that knows nothing but the store."""
        return UploadStore(self.objects, part_bytes=PART_BYTES)

    def _found(self) -> Upload:
        upload = self.runner.run(self._process().find(LAYOUT, self.id))
        assert upload.offset >= self.told, "what was told once must stay true"
        self.told = upload.offset
        return upload

    @rule(target=senders)
    def connect(self) -> Sender:
        upload = self._found()
        sender = Sender(upload.offset)

        async def start() -> None:
            appending = self._process().append(upload, sender.body(), hold_seconds=PATIENT)
            sender.request = asyncio.create_task(appending)

        self.runner.run(start())
        return sender

    @rule(sender=senders, count=st.integers(1, 20), turns=st.integers(0, 4))
    def send(self, sender: Sender, count: int, turns: int) -> None:
        piece = self.content[sender.at : sender.at + count]
        sender.at += len(piece)
        if piece:
            sender.pieces.put_nowait(piece)
        self._turn(turns)

    @rule(sender=consumes(senders))
    def finish_sending(self, sender: Sender) -> None:
        sender.pieces.put_nowait(None)
        upload = self._result(sender)
        assert upload.offset == sender.at
        self.told = max(self.told, upload.offset)

    @rule(sender=consumes(senders))
    def disconnect(self, sender: Sender) -> None:
        sender.pieces.put_nowait(b"")
        with pytest.raises(BodyCut):
            self._result(sender)
        assert self._found().offset >= sender.at, "what had arrived is kept"

    @rule(sender=consumes(senders))
    def die(self, sender: Sender) -> None:
        assert sender.request is not None
        sender.request.cancel()
        self._turn(1)

    @invariant()
    def what_was_told_is_stored(self) -> None:
        if hasattr(self, "runner"):
            upload = self._found()
            stored = self.runner.run(content_of(self._process(), upload, upload.offset))
            assert stored == self.content[: upload.offset]

    def _result(self, sender: Sender) -> Upload:
        async def result() -> Upload:
            assert sender.request is not None
            return await sender.request

        return self.runner.run(result())

    def _turn(self, turns: int) -> None:
        async def some() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.runner.run(some())

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        upload = self._found()
        rest = body(self.content[upload.offset :])
        self.runner.run(self._process().append(upload, rest, hold_seconds=PATIENT))
        file = self._found().file()
        assert [part.size for part in file.parts if part.size > PART_BYTES] == []
        parts = [self.runner.run(self.objects.read_all(part.path)) for part in file.parts]
        assert (b"".join(parts), file.size) == (self.content, len(self.content))
        assert [hashlib.sha256(part).hexdigest() for part in parts] == [part.sha256 for part in file.parts]
        self.runner.close()


UploadMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_an_upload_arrives_whatever_is_interrupted = UploadMachine.TestCase


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return Objects.open(tmp_path.as_uri()) if request.param == "folder" else Objects(MemoryStore())


@pytest.fixture
def store(objects: Objects) -> UploadStore:
    return UploadStore(objects, part_bytes=PART_BYTES)


async def begun(store: UploadStore, *, length: int = 10, sent: bytes = b"") -> Upload:
    upload_id = new_upload_id()
    await store.announce(LAYOUT, upload_id, announcement(length))
    upload = await store.find(LAYOUT, upload_id)
    return await store.append(upload, body(sent), hold_seconds=PATIENT) if sent else upload


async def test_more_than_was_announced_is_refused_and_the_file_not_whole(store: UploadStore) -> None:
    upload = await begun(store)
    with pytest.raises(Problem, match="announced with 10 bytes"):
        await store.append(upload, body(b"0123456789", b"a"), hold_seconds=PATIENT)
    assert (await store.find(LAYOUT, upload.id)).offset < 10


async def test_a_slow_senders_bytes_are_stored_though_they_fill_no_part(store: UploadStore) -> None:
    upload = await begun(store)
    arrived = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"0"
        yield b"1"
        await arrived.wait()

    request = asyncio.create_task(store.append(upload, slowly(), hold_seconds=0))
    async with asyncio.timeout(10):
        while (await store.find(LAYOUT, upload.id)).offset < 2:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0)
    arrived.set()
    assert (await request).offset == 2


async def test_an_upload_ends_in_one_way_only(store: UploadStore) -> None:
    whole, given_up = await begun(store, sent=b"0123456789"), await begun(store)
    assert await store.end(whole, received=True)
    assert not await store.end(whole, received=True)
    with pytest.raises(Problem) as refused:
        await store.end(whole, received=False)
    assert refused.value.status == 409
    assert await store.end(given_up, received=False)
    with pytest.raises(UploadMissing) as missing:
        await store.end(given_up, received=True)
    assert missing.value.status == 410


async def test_a_recorded_upload_is_found_as_it_was_announced(store: UploadStore) -> None:
    upload = await begun(store, sent=b"0123456789")
    await store.end(upload, received=True)
    await store.close(LAYOUT, upload.id)
    found = await store.find(LAYOUT, upload.id)
    assert (found.recorded, found.offset, found.announcement) == (True, 10, upload.announcement)
    assert await store.announced(LAYOUT) == []


async def test_what_arrives_after_an_upload_was_given_up_is_not_kept(store: UploadStore, objects: Objects) -> None:
    upload = await begun(store, sent=b"01")
    await store.end(upload, received=False)
    await store.discard(LAYOUT, upload.id)
    with pytest.raises(UploadMissing) as gone:
        await store.append(upload, body(b"23"), hold_seconds=PATIENT)
    assert gone.value.status == 410
    assert await objects.every(LAYOUT.parts(upload.id)) == []
    with pytest.raises(UploadMissing) as gone:
        await store.find(LAYOUT, upload.id)
    assert gone.value.status == 410


@pytest.mark.parametrize("upload_id", ["", "x", "0" * 31, "0" * 32, "../" + "0" * 29])
async def test_an_upload_that_nobody_began_is_missing(store: UploadStore, upload_id: str) -> None:
    with pytest.raises(UploadMissing) as missing:
        await store.find(LAYOUT, upload_id)
    assert missing.value.status == 404


async def test_the_janitor_removes_what_nobody_continues_and_no_record_names(
    store: UploadStore, objects: Objects
) -> None:
    records = Records(objects)
    recorded, abandoned = await begun(store, sent=b"0123456789"), await begun(store, sent=b"0123456789")
    await store.end(recorded, received=True)
    await store.end(abandoned, received=True)  # and the process died before it was recorded
    await records.write(LAYOUT, 1, [recorded.file()])
    assert await janitor.sweep(objects, records, idle=timedelta(hours=1)) == 0
    assert len(await store.announced(LAYOUT)) == 2
    assert await janitor.sweep(objects, records, idle=timedelta(hours=-1)) == 1
    assert await store.announced(LAYOUT) == []
    assert (await store.find(LAYOUT, recorded.id)).recorded
    assert await content_of(store, recorded, 10) == b"0123456789"
    assert await objects.every(LAYOUT.file(abandoned.id)) == []
    with pytest.raises(UploadMissing):
        await store.find(LAYOUT, abandoned.id)


async def test_the_janitor_sees_that_parts_still_arrive(store: UploadStore, objects: Objects) -> None:
    upload = await begun(store)
    announced = (await objects.stat(LAYOUT.announcement(upload.id))).modified
    await store.append(upload, body(b"01"), hold_seconds=PATIENT)
    assert await store.unheard_since(LAYOUT, announced + timedelta(microseconds=1)) == []
    assert await store.unheard_since(LAYOUT, now() + timedelta(hours=1)) == [upload.id]
