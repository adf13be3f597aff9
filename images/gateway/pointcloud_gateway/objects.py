"""Objects in the install's storage, a volume or a bucket: streamed in and out in constant memory.

Durability: an object appears whole or not at all (a temporary name, then a rename; a bucket does the same itself),
but nothing is fsynced. A power cut may lose the last seconds; what refers to an object carries its length and hash,
so its reader notices, and the stage runs again.
"""

import asyncio
import contextlib
import errno
import hashlib
import heapq
import math
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
from obstore.exceptions import AlreadyExistsError, GenericError
from obstore.store import LocalStore, ObjectStore

CHUNK_BYTES: Final = 8 << 20
"""What one transfer holds at a time, a few times over. As the size of a multipart upload's parts it is above S3's
minimum of 5 MiB, and with S3's 10,000 parts allows objects of 80 GB."""
MAX_CREATE_BYTES: Final = 16 << 20
"""An object that must not exist yet is sent in one request, from memory."""
RESERVE_BYTES: Final = 256 << 20
"""What uploads leave free on a volume, so that the stages of jobs under way can still store what they make."""
_REQUESTS_AT_ONCE: Final = 16
_NO_SUCH_KEY: Final = "code: NoSuchKey"
"""In the text of obstore's error for a deletion that a bucket refused because the object is not there."""


class ObjectMissingError(LookupError):
    """There is no such object."""


class ObjectExistsError(Exception):
    """There is such an object already."""


class StorageFullError(Exception):
    """No space is left."""


class DigestMismatchError(Exception):
    """What arrived is not what was announced."""


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it."""

    path: str
    size: int
    """Bytes."""
    etag: str
    """Quoted, as HTTP wants it; changes with the content."""
    modified: datetime
    """When it was written, by the storage's clock."""


class Objects:
    """One storage. Paths are relative to its root, with slashes, already validated."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        """Of a LocalStore, to ask for its free space."""

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `file:///folder` (made if missing), or any URL that obstore knows (s3://, gs://, az://)."""
        parts = urlsplit(url)
        if parts.scheme != "file":
            return cls(obstore.store.from_url(url))
        folder = Path(url2pathname(parts.path))
        return cls(LocalStore(folder, mkdir=True), folder)

    async def check_writable(self) -> None:
        """Raise OSError, saying why, when the storage's volume cannot be written. A bucket is not asked."""
        if self._folder is not None:
            await asyncio.to_thread(_write_probe, self._folder)

    async def stat(self, path: str) -> Stat:
        """Raises ObjectMissingError."""
        try:
            meta = await obstore.head_async(self._store, path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissingError(f"there is no {path}") from error
        return _stat(meta)

    async def read(self, path: str, start: int, end: int) -> AsyncIterator[memoryview]:
        """Bytes start (inclusive) to end (exclusive), in chunks; the next is read while one is being sent."""
        coming = asyncio.ensure_future(self._chunk(path, start, end))
        while start < end:
            chunk = await coming
            start += len(chunk)
            if start < end:
                coming = asyncio.ensure_future(self._chunk(path, start, end))
            yield chunk

    async def _chunk(self, path: str, start: int, end: int) -> memoryview:
        stop = min(start + CHUNK_BYTES, end)
        return memoryview(await obstore.get_range_async(self._store, path, start=start, end=stop))

    def open_local(self, path: str) -> BinaryIO | None:
        """The object as an open file, where the storage is a folder; None for a bucket. Raises ObjectMissingError."""
        if self._folder is None:
            return None
        try:
            return (self._folder / path).open("rb", buffering=0)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissingError(f"there is no {path}") from error

    async def read_all(self, path: str) -> bytes:
        """A small object, whole. Raises ObjectMissingError."""
        try:
            return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissingError(f"there is no {path}") from error

    async def read_each(self, paths: Sequence[str]) -> list[bytes]:
        """Small objects, whole, in the order asked for. Raises ObjectMissingError."""
        turns = asyncio.Semaphore(_REQUESTS_AT_ONCE)

        async def read(path: str) -> bytes:
            async with turns:
                return await self.read_all(path)

        return await asyncio.gather(*(read(path) for path in paths))

    async def write(self, path: str, size: int, body: AsyncIterator[bytes], sha256: str | None = None) -> None:
        """Store `size` bytes, replacing what was there; visible when complete.

        Raises DigestMismatchError, StorageFullError; whatever `body` raises ends the upload and leaves nothing.
        """
        self._check_space(size)
        try:
            await obstore.put_async(
                self._store, path, _checked(body, sha256), chunk_size=CHUNK_BYTES, max_concurrency=2
            )
        except GenericError as error:
            raise _translated(error) from error

    async def create(self, path: str, body: bytes, sha256: str | None = None) -> None:
        """Store a small object unless there is one. Raises ObjectExistsError and what `write` raises."""
        if sha256 is not None and hashlib.sha256(body).hexdigest() != sha256:
            raise DigestMismatchError(f"the SHA-256 of what arrived is not {sha256}: send it again")
        self._check_space(len(body))
        try:
            await obstore.put_async(self._store, path, body, mode="create", use_multipart=False)
        except AlreadyExistsError as error:
            raise ObjectExistsError(f"there is a {path} already, and it stays: read it") from error
        except GenericError as error:
            raise _translated(error) from error

    async def put(self, path: str, body: bytes | bytearray) -> None:
        """Store a small object in one request, replacing what was there. Raises StorageFullError."""
        self._check_space(len(body))
        try:
            await obstore.put_async(self._store, path, body, use_multipart=False)
        except GenericError as error:
            raise _translated(error) from error

    async def delete(self, *paths: str) -> None:
        """Delete objects; one that is not there is no error."""
        turns = asyncio.Semaphore(_REQUESTS_AT_ONCE)

        async def delete(path: str) -> None:
            async with turns:
                try:
                    await obstore.delete_async(self._store, path)
                except FileNotFoundError:
                    pass
                except GenericError as error:
                    # A server that looks before it removes says so of what another removed in between.
                    if _NO_SUCH_KEY not in str(error):
                        raise

        # One by one: of several in one request, some servers take one that is not there for an error.
        await asyncio.gather(*(delete(path) for path in paths))

    async def delete_below(self, prefix: str, *, until: float = math.inf) -> bool:
        """Delete all objects below `prefix` and, where the storage is a folder, unfinished ones and the folder.

        Returns whether nothing was left at the time `until`, by the monotonic clock. Raises OSError, and what the
        bucket's client raises.
        """
        if self._folder is not None:
            return await asyncio.to_thread(_remove_tree, self._folder / prefix, until)
        async for batch in self._batches(prefix, ""):
            if time.monotonic() > until:
                return False
            await self.delete(*(stat.path for stat in batch))
        return True

    async def remove_empty(self, prefix: str, *, up_to: str) -> None:
        """Remove a folder and those above it, below `up_to`, as far as nothing is in them. A bucket has none."""
        if self._folder is not None:
            await asyncio.to_thread(_remove_empty, self._folder / prefix, self._folder / up_to)

    async def every(self, prefix: str, *, after: str = "") -> list[Stat]:
        """All objects below `prefix` whose path sorts behind `after`, in no order."""
        return [stat async for batch in self._batches(prefix, after) for stat in batch]

    async def folders(self, prefix: str) -> list[str]:
        """The folders right below `prefix`, each as a path from the root."""
        found = await obstore.list_with_delimiter_async(self._store, prefix)
        return list(found["common_prefixes"])

    async def list(self, prefix: str, *, after: str, limit: int) -> list[Stat]:
        """The first `limit` objects below `prefix` whose path sorts behind `after`, by path."""
        # A LocalStore lists in the folder's order, so every page looks at all; memory stays that of a page.
        found: list[Stat] = []
        async for batch in self._batches(prefix, after):
            found = heapq.nsmallest(limit, [*found, *batch], key=lambda stat: stat.path)
        return found

    def check_room(self, size: int) -> None:
        """Raise StorageFullError where `size` bytes of uploads would eat into the reserve. A bucket is not asked."""
        self._check_space(size + RESERVE_BYTES)

    async def _batches(self, prefix: str, after: str) -> AsyncIterator[Sequence[Stat]]:
        # Names up to the offset cost a LocalStore no look at the file, and a bucket nothing at all.
        async for batch in obstore.list(self._store, prefix.rstrip("/") or None, offset=after or None):
            yield [_stat(meta) for meta in batch]

    def _check_space(self, size: int) -> None:
        if self._folder is not None:
            volume = os.statvfs(self._folder)
            if size > volume.f_bavail * volume.f_frsize:
                raise StorageFullError(f"{size} bytes do not fit on the store's volume")


def _stat(meta: Mapping[str, Any]) -> Stat:
    return Stat(meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"])


def _remove_tree(folder: Path, until: float) -> bool:
    """Whether it is gone. What is being written into it meanwhile is no error, and stays."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            if time.monotonic() > until:
                return False
            Path(parent, name).unlink(missing_ok=True)
        _remove_empty(Path(parent), Path(parent).parent)
    return not folder.exists()


def _remove_empty(folder: Path, up_to: Path) -> None:
    try:
        while folder != up_to:
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
            folder = folder.parent
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise


def _write_probe(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"x")


async def _checked(body: AsyncIterator[bytes], sha256: str | None) -> AsyncIterator[bytes]:
    """`body` in chunks of about CHUNK_BYTES, hashed, where a hash is announced, while the last chunk is written."""
    hasher = hashlib.sha256()
    async for chunk in _gathered(body):
        hashing = asyncio.to_thread(hasher.update, chunk) if sha256 is not None else asyncio.sleep(0)
        task = asyncio.ensure_future(hashing)
        yield chunk
        await task
    if sha256 is not None and hasher.hexdigest() != sha256:
        raise DigestMismatchError(f"the SHA-256 of what arrived is not {sha256}: send it again")


async def _gathered(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _translated(error: GenericError) -> Exception:
    # obstore gives an I/O error as text only.
    if os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error):
        return StorageFullError("no space is left on the store's volume")
    return error
