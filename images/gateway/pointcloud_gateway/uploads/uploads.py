"""Receives files for jobs. Nothing is acknowledged before it is stored and the job knows of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

from pointcloud_api.stages import UploadedFile
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.processing import Processing
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads.admission import Admission, check_accepts
from pointcloud_gateway.uploads.body import pieces
from pointcloud_gateway.uploads.form import boundary_of, file_events, no_file
from pointcloud_gateway.uploads.layout import Layout, new_upload_id
from pointcloud_gateway.uploads.parts import PART_BYTES
from pointcloud_gateway.uploads.reception import FormReception
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.uploads.storage import Announcement, Upload, UploadMissing, UploadStore, now
from pointcloud_gateway.uploads.tus_headers import Checksum
from pointcloud_kube.api import Json

_SLICE: Final = 64 << 10


class Uploads:
    """Receives files, whole in a form or resumably.

    Args:
        objects: The store.
        records: In it; shared with `processing`.
        processing: Told of what has arrived whole.
        settings: Limits.
        stopping: Set when this process is to end: then uploads keep what has arrived and end with 503.
    """

    def __init__(
        self, objects: Objects, records: Records, processing: Processing, settings: Settings, stopping: asyncio.Event
    ) -> None:
        self._objects = objects
        self._records = records
        self._processing = processing
        self._settings = settings
        self._stopping = stopping
        self._store = UploadStore(objects)
        self.admission = Admission(objects, self._store, records, settings)
        self._completing: dict[str, asyncio.Task[None]] = {}

    async def files(self, job: Json) -> list[UploadedFile]:
        """The files that a job has received, in the order of their arrival."""
        return await self._records.files(job)

    def body(self, request: Request) -> AsyncIterator[bytes]:
        """A request's body; raises BodyCut."""
        return pieces(request, idle_seconds=self._settings.idle_seconds, stopping=self._stopping)

    # Whole in a form.

    async def receive_form(self, request: Request, job: Json, user: User) -> tuple[UploadedFile, ...]:
        """Take in the files of a multipart/form-data request: all of them, or none.

        Raises Problem, StorageFullError and ClusterUnavailableError.
        """
        check_accepts(job)
        boundary = boundary_of(request.headers.get("content-type", ""))
        with self.admission.slot():
            room = await self.admission.room(job)
            reception = FormReception(
                self._store, Layout.of(job), self.admission, room, hold_seconds=self._settings.idle_seconds
            )
            announced = int(request.headers.get("content-length", "0"))  # the HTTP parser has seen that it is a number
            reception.check_length(announced)
            self.admission.check_space(announced)
            try:
                await self._read_form(request, boundary, reception)
                await self._processing.received(job, reception.files, user)
            except Exception:
                await reception.discard()
                raise
            await reception.close()
        return reception.files

    async def _read_form(self, request: Request, boundary: str, reception: FormReception) -> None:
        events = file_events(boundary, reception.counted(self.body(request)), max_files=self._settings.max_files)
        try:
            async with asyncio.timeout(self._settings.upload_expiry_seconds):  # the janitor thinks so, too
                async for event in events:
                    await reception.take(event)
        except TimeoutError as error:
            raise Problem(408, "This takes too long for one request; use resumable uploads.") from error
        if not reception.files:
            raise no_file()

    # Resumably.

    async def create(self, job: Json, *, name: str, length: int, metadata: str) -> Upload:
        """Begin a resumable upload. Raises Problem (413) and StorageFullError."""
        self.admission.check_file(length)
        (await self.admission.room(job)).check(1, length)
        self.admission.check_space(length)
        announcement = Announcement(name=name, length=length, metadata=metadata, announced_at=now())
        layout, upload_id = Layout.of(job), new_upload_id()
        await self._store.announce(layout, upload_id, announcement)
        return Upload(layout, upload_id, announcement, (), recorded=False, heard=announcement.announced_at)

    async def find(self, job: Json, upload_id: str, user: User) -> Upload:
        """A resumable upload.

        If a process ended between storing its last byte and telling the job, the job is told now: a sender who finds
        all bytes here will not ask again. Raises UploadMissing, Problem, ClusterUnavailableError.
        """
        upload = await self._store.find(Layout.of(job), upload_id)
        if not upload.recorded:
            if self.expires_at(upload) < now():
                raise UploadMissing(upload_id, gone=True)
            if upload.offset == upload.length:
                await self.complete(job, upload, user)
                return replace(upload, recorded=True)
        return upload

    def expires_at(self, upload: Upload) -> datetime:
        """When an upload is given up unless more of it arrives."""
        return upload.heard + timedelta(seconds=self._settings.upload_expiry_seconds)

    async def append(self, upload: Upload, body: AsyncIterator[bytes], checksum: Checksum | None = None) -> Upload:
        """Store more bytes, from the upload's offset on; the upload as it then is.

        Raises what `UploadStore.append` raises, and Problem (413, 460) where a checksum is given.
        """
        if checksum is not None:
            body = _verified(body, checksum)
        return await self._store.append(upload, body, hold_seconds=self._settings.idle_seconds)

    async def complete(self, job: Json, upload: Upload, user: User) -> None:
        """Tell the job of an upload that has arrived whole. Two requests may find that at once: one tells it."""
        if upload.id not in self._completing:
            self._completing[upload.id] = asyncio.create_task(self._complete(job, upload, user))
        await asyncio.shield(self._completing[upload.id])

    async def _complete(self, job: Json, upload: Upload, user: User) -> None:
        try:
            first = await self._store.end(upload, received=True)
            if first or not await self._is_recorded(job, upload.id):
                await self._processing.received(job, [upload.file()], user)
            await self._store.close(upload.layout, upload.id)
        finally:
            del self._completing[upload.id]

    async def _is_recorded(self, job: Json, upload_id: str) -> bool:
        """Reads all records: it is asked only where another request may have come first, or a process has died."""
        current = await self._processing.current(job)
        return upload_id in {file.id for file in await self._records.files(current)}

    async def give_up(self, job: Json, upload_id: str) -> None:
        """Remove an upload and its bytes. Raises UploadMissing, and Problem (409) once it has arrived whole."""
        upload = await self._store.find(Layout.of(job), upload_id)
        await self._store.end(upload, received=False)
        await self._store.discard(upload.layout, upload_id)


async def _verified(body: AsyncIterator[bytes], checksum: Checksum) -> AsyncIterator[bytes]:
    """The body in one piece once its hash is found right: it cannot be taken back once an offset tells of it."""
    held = bytearray()
    async for piece in body:
        if len(held) + len(piece) > PART_BYTES:
            raise Problem(413, f"With Upload-Checksum, a request has at most {PART_BYTES} bytes; send smaller chunks.")
        held += piece
    if not await asyncio.to_thread(checksum.matches, held):
        raise Problem(460, "What arrived is not what Upload-Checksum says; send it again.", title="Checksum Mismatch")
    for start in range(0, len(held), _SLICE):
        yield bytes(held[start : start + _SLICE])
