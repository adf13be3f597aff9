"""Cuts what arrives into parts and stores them, holding one in memory at a time."""

import asyncio
import hashlib
import time
from typing import Final

from pointcloud_gateway.objects import Objects
from pointcloud_gateway.uploads.chain import Part

PART_BYTES: Final = 4 << 20
_LONG: Final = 64 << 10
"""From how many bytes on hashing leaves the event loop: a thread's turn costs about as much."""


class PartWriter:
    """Stores an upload's bytes from an offset on.

    Args:
        objects: The store.
        folder: Of the parts.
        offset: Where the bytes begin.
        hold_seconds: After which a part is stored however small, so that of a slow sender's work little can be lost.
        part_bytes: The most that a part holds.
    """

    def __init__(
        self, objects: Objects, folder: str, *, offset: int, hold_seconds: float, part_bytes: int = PART_BYTES
    ) -> None:
        self._objects = objects
        self._folder = folder
        self._hold_seconds = hold_seconds
        self._part_bytes = part_bytes
        self._buffer = bytearray()
        self._begun = time.monotonic()
        self._stored = offset
        self.parts: list[Part] = []
        """What has been stored, in order."""

    @property
    def end(self) -> int:
        """Behind the last byte given, stored or not."""
        return self._stored + len(self._buffer)

    async def add(self, piece: bytes) -> None:
        """Take bytes in. Raises StorageFullError."""
        rest = memoryview(piece)
        while rest:
            taken = rest[: self._part_bytes - len(self._buffer)]
            if not self._buffer:
                self._begun = time.monotonic()
            self._buffer += taken
            rest = rest[len(taken) :]
            if len(self._buffer) == self._part_bytes or time.monotonic() - self._begun > self._hold_seconds:
                await self.flush()

    async def flush(self) -> None:
        """Store what is held, if anything is. Raises StorageFullError."""
        body, self._buffer = self._buffer, bytearray()
        if not body:
            return
        self._objects.check_room(len(body))
        part = Part(self._stored, len(body), await _sha256(body))
        await self._objects.put(f"{self._folder}/{part.name}", body)
        self._stored = part.end
        self.parts.append(part)


async def _sha256(body: bytearray) -> str:
    if len(body) < _LONG:
        return hashlib.sha256(body).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, body)).hexdigest()
