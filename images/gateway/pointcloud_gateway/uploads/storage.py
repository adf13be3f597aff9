"""Resumable uploads as objects in the store; nothing about them is kept anywhere else.

How an upload ends is decided by who creates its outcome, which nobody can create twice: so that a file which one
request is just completing cannot be taken away by another that gives it up.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import UploadedFile, UploadPart
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.objects import ObjectExistsError, ObjectMissingError, Objects
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.body import BodyCut
from pointcloud_gateway.uploads.chain import Part, chain, reach
from pointcloud_gateway.uploads.layout import Layout, is_upload_id, upload_id_of
from pointcloud_gateway.uploads.parts import PART_BYTES, PartWriter


class Announcement(ApiModel):
    """What a sender says of a file before its bytes."""

    name: str
    """Made harmless."""
    length: int | None
    """Bytes; None where the sender need not know, in a form."""
    metadata: str = ""
    """tus' Upload-Metadata, as it was sent."""
    announced_at: datetime


class Outcome(ApiModel):
    """How a resumable upload ended."""

    announcement: Announcement
    received: bool
    """Whole; else it was given up."""


class UploadMissing(Problem):
    """There is no such upload, or no longer."""

    def __init__(self, upload_id: str, *, gone: bool = False) -> None:
        was = f"The upload {upload_id} was given up or has expired" if gone else f"There is no upload {upload_id!r}"
        super().__init__(410 if gone else 404, f"{was}: POST to this job's uploads to begin anew.")


@dataclass(frozen=True)
class Upload:
    """A resumable upload as it was found."""

    layout: Layout
    id: str
    announcement: Announcement
    parts: tuple[Part, ...]
    recorded: bool
    """Whether it has arrived whole and the job knows of it."""
    heard: datetime
    """When something of it last arrived."""

    @property
    def length(self) -> int:
        """Bytes that were announced."""
        return self.announcement.length or 0

    @property
    def offset(self) -> int:
        """Bytes that are stored."""
        return self.length if self.recorded else reach(self.parts)

    def file(self) -> UploadedFile:
        """The upload as a file. Raises ValueError unless it is whole."""
        return uploaded_file(self.layout, self.id, self.announcement.name, chain(self.parts, self.length))


def uploaded_file(layout: Layout, upload_id: str, name: str, parts: tuple[Part, ...]) -> UploadedFile:
    """A file that has just arrived whole."""
    folder = layout.parts(upload_id)
    return UploadedFile(
        id=upload_id,
        name=name,
        size=sum(part.size for part in parts),
        parts=tuple(UploadPart(path=f"{folder}/{part.name}", size=part.size, sha256=part.sha256) for part in parts),
        received_at=now(),
    )


def now() -> datetime:
    """The time in whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


class UploadStore:
    """Creates, finds and ends uploads."""

    def __init__(self, objects: Objects, *, part_bytes: int = PART_BYTES) -> None:
        self.objects = objects
        self._part_bytes = part_bytes
        self._announcements = CoalescingCache(self._read_announcement, lifetime=lambda _: float("inf"))
        """By path, of all jobs: an announcement never changes. That one is there, only the store can say."""

    async def announce(self, layout: Layout, upload_id: str, announcement: Announcement) -> None:
        """Begin an upload. Raises StorageFullError."""
        await self.objects.put(layout.announcement(upload_id), announcement.model_dump_json().encode())

    async def announced(self, layout: Layout) -> list[Announcement]:
        """What is under way to a job."""
        return [found for stat in await self.objects.every(layout.open) if (found := await self._known(stat.path))]

    async def find(self, layout: Layout, upload_id: str) -> Upload:
        """An upload as it is now. Raises UploadMissing."""
        if not is_upload_id(upload_id):
            raise UploadMissing(upload_id)
        try:
            announcement = await self._read_announcement(layout.announcement(upload_id))
        except ObjectMissingError:
            return await self._ended(layout, upload_id)
        folder = layout.parts(upload_id)
        found = [
            (stat, Part.parse(stat.path.removeprefix(f"{folder}/"), stat.size))
            for stat in await self.objects.every(folder)
        ]
        parts = tuple(part for _, part in found if part is not None)
        heard = max([announcement.announced_at, *(stat.modified for stat, _ in found)])
        return Upload(layout, upload_id, announcement, parts, recorded=False, heard=heard)

    async def append(self, upload: Upload, body: AsyncIterator[bytes], *, hold_seconds: float) -> Upload:
        """Store more bytes, from the upload's offset on; the upload as it then is.

        Raises UploadMissing, Problem (413) and StorageFullError. A BodyCut of `body` is raised once what arrived
        before it is stored.
        """
        writer = PartWriter(
            self.objects,
            upload.layout.parts(upload.id),
            offset=upload.offset,
            hold_seconds=hold_seconds,
            part_bytes=self._part_bytes,
        )
        try:
            async for piece in body:
                if writer.end + len(piece) > upload.length:
                    raise too_much(upload.length)
                await writer.add(piece)
        except BodyCut:
            await writer.flush()
            raise
        await writer.flush()
        await self._check_open(upload)
        return replace(upload, parts=(*upload.parts, *writer.parts), heard=now())

    async def end(self, upload: Upload, *, received: bool) -> bool:
        """Decide how an upload ends; says whether this call decided it.

        Raises UploadMissing when it has been given up already, and Problem (409) for giving up what is whole.
        """
        outcome = Outcome(announcement=upload.announcement, received=received)
        try:
            await self.objects.create(upload.layout.outcome(upload.id), outcome.model_dump_json().encode())
        except ObjectExistsError:
            decided = await self._outcome(upload.layout, upload.id)
            if not decided.received and received:
                raise UploadMissing(upload.id, gone=True) from None
            if decided.received and not received:
                raise already_received(upload.id) from None
            return False
        return True

    async def close(self, layout: Layout, *upload_ids: str) -> None:
        """Note that uploads have been recorded."""
        await self.objects.delete(*(layout.announcement(upload_id) for upload_id in upload_ids))

    async def discard(self, layout: Layout, upload_id: str) -> None:
        """Remove the bytes of an upload that was given up. Its outcome stays, for requests that still send to it."""
        await self.objects.delete_below(layout.parts(upload_id))
        await self.close(layout, upload_id)

    async def forget(self, layout: Layout, upload_id: str) -> None:
        """Remove all of an upload that nobody can continue: what says that there is something to remove goes last."""
        await self.objects.delete_below(layout.file(upload_id))
        await self.close(layout, upload_id)

    async def unheard_since(self, layout: Layout, moment: datetime) -> list[str]:
        """The ids of uploads that are not known to be recorded and of which nothing has arrived since."""
        return [
            upload_id
            for stat in await self.objects.every(layout.open)
            if stat.modified < moment
            for upload_id in [upload_id_of(stat.path)]
            if all(part.modified < moment for part in await self.objects.every(layout.parts(upload_id)))
        ]

    async def _check_open(self, upload: Upload) -> None:
        """Raise UploadMissing, and leave nothing, where an upload was given up while more of it came."""
        try:
            await self.objects.stat(upload.layout.announcement(upload.id))
        except ObjectMissingError:
            if not (await self._outcome(upload.layout, upload.id)).received:
                await self.discard(upload.layout, upload.id)
                raise UploadMissing(upload.id, gone=True) from None

    async def _ended(self, layout: Layout, upload_id: str) -> Upload:
        outcome = await self._outcome(layout, upload_id)
        if not outcome.received:
            raise UploadMissing(upload_id, gone=True)
        announcement = outcome.announcement
        return Upload(layout, upload_id, announcement, (), recorded=True, heard=announcement.announced_at)

    async def _outcome(self, layout: Layout, upload_id: str) -> Outcome:
        try:
            return Outcome.model_validate_json(await self.objects.read_all(layout.outcome(upload_id)))
        except ObjectMissingError:
            raise UploadMissing(upload_id) from None

    async def _known(self, path: str) -> Announcement | None:
        try:
            return await self._announcements.get(path)
        except ObjectMissingError:
            return None

    async def _read_announcement(self, path: str) -> Announcement:
        return Announcement.model_validate_json(await self.objects.read_all(path))


def too_much(length: int) -> Problem:
    """The answer to more bytes than were announced."""
    return Problem(413, f"The upload was announced with {length} bytes, and more are coming; announce all of them.")


def already_received(upload_id: str) -> Problem:
    """The answer to who would give up what has been received."""
    detail = f"The upload {upload_id} has arrived whole and belongs to its job; delete the job to delete its files."
    return Problem(409, detail)
