"""The files of one form on their way into the store: acknowledged together, or removed together."""

from collections.abc import AsyncIterator
from typing import Final

from pointcloud_api.stages import UploadedFile
from pointcloud_gateway.uploads.admission import Admission, Room
from pointcloud_gateway.uploads.filenames import clean
from pointcloud_gateway.uploads.layout import Layout, new_upload_id
from pointcloud_gateway.uploads.parts import PartWriter
from pointcloud_gateway.uploads.storage import Announcement, UploadStore, now, uploaded_file

_FRAMING_BYTES: Final = 32 << 20
"""What a form may have beside the bytes of its files: boundaries, headers, other fields."""


class FormReception:
    """Takes in the events of a form (`form.file_events`)."""

    def __init__(
        self, store: UploadStore, layout: Layout, admission: Admission, room: Room, *, hold_seconds: float
    ) -> None:
        self._store = store
        self._layout = layout
        self._admission = admission
        self._room = room
        self._hold_seconds = hold_seconds
        self._begun: list[str] = []
        self._name = ""
        self._writer: PartWriter | None = None
        self._size = 0
        self._files: list[UploadedFile] = []

    @property
    def files(self) -> tuple[UploadedFile, ...]:
        """Those that have arrived whole."""
        return tuple(self._files)

    def check_length(self, length: int) -> None:
        """Raise Problem (413) for a body, or as much as there is of it, that cannot but be too much."""
        self._room.check(1, length - _FRAMING_BYTES)

    async def counted(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body, unless it is too long, whatever it consists of."""
        length = 0
        async for piece in body:
            length += len(piece)
            self.check_length(length)
            yield piece

    async def take(self, event: str | bytes | None) -> None:
        """Take in the next event. Raises Problem (413) and StorageFullError."""
        if isinstance(event, str):
            await self._begin(event)
        elif event is None:
            await self._end()
        else:
            assert self._writer is not None  # noqa: S101 - for mypy: a name comes first
            self._admission.check_file(self._writer.end + len(event))
            self._room.check(len(self._begun), self._size + self._writer.end + len(event))
            await self._writer.add(event)

    async def close(self) -> None:
        """Note that all files have been recorded."""
        await self._store.close(self._layout, *self._begun)

    async def discard(self) -> None:
        """Leave nothing of any file."""
        for upload_id in self._begun:
            await self._store.forget(self._layout, upload_id)

    async def _begin(self, name: str) -> None:
        self._room.check(len(self._begun) + 1, self._size)
        upload_id = new_upload_id()
        self._begun.append(upload_id)
        self._name = name
        announcement = Announcement(name=clean(name), length=None, announced_at=now())
        await self._store.announce(self._layout, upload_id, announcement)
        folder = self._layout.parts(upload_id)
        self._writer = PartWriter(self._store.objects, folder, offset=0, hold_seconds=self._hold_seconds)

    async def _end(self) -> None:
        assert self._writer is not None  # noqa: S101 - for mypy: a name comes first
        await self._writer.flush()
        if not self._name and not self._writer.end:
            return  # a browser's form in which no file was chosen
        self._size += self._writer.end
        file = uploaded_file(self._layout, self._begun[-1], clean(self._name), tuple(self._writer.parts))
        self._files.append(file)
