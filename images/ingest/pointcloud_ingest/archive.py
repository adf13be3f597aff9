"""Unpacks archives of strangers.

Nothing is ever written where an archive says: members go to numbered files, and their names are only looked at. An
archive that names a place outside itself, a link or a device is refused whole, since no one packs photos so. Bytes
are counted as they come out, not as headers promise.
"""

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Protocol, cast

from pointcloud_api.stages import Reason
from pointcloud_ingest.arrivals import Arrival, is_clutter
from pointcloud_ingest.budget import Budget, limit_exceeded
from pointcloud_ingest.kinds import Kind, head_of
from pointcloud_stage import StageFailure

CHUNK: Final = 1 << 18
RATIO_FREE_BYTES: Final = 1 << 20
"""Unpacked bytes for which no ratio is asked: tar pads small files with zeros, which pack well."""

_DAMAGE: Final = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OSError,
    OverflowError,
)  # fmt: skip
"""What Python's readers raise for bytes that are not what they should be; bz2 and gzip raise a bare OSError."""


class BadArchive(StageFailure):
    """An archive that cannot be used; the stage fails by it when nothing else can be."""

    def __init__(self, reason: Reason, archive: Arrival, what: str, remedy: str) -> None:
        super().__init__(reason, f"The archive {archive.described} {what}.", remedy)
        self.what = what
        """What is wrong, in words that follow its name."""


def unpack(archive: Arrival, *, to: Path, budget: Budget) -> list[Arrival]:
    """Unpacks the regular files of a zip or tar into the folder `to`, in the archive's order.

    Raises BadArchive: UNSAFE_ARCHIVE or BAD_ARCHIVE; StageFailure(LIMIT_EXCEEDED).
    """
    meter = _Meter(archive, budget)
    members = _zip_members if archive.kind is Kind.ZIP else _tar_members
    arrivals: list[Arrival] = []
    try:
        for name, stream in members(archive, meter):
            budget.take_file()
            file = to / f"{len(arrivals):06}"
            with file.open("wb") as out:
                while chunk := stream.read(CHUNK):
                    budget.take_bytes(len(chunk))
                    out.write(chunk)
            arrivals.append(Arrival(name, file))
    except NotImplementedError as error:
        raise _bad(archive, f"is packed in a way that is not supported: {error}") from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the archive's
        raise _bad(archive, f"is damaged or cut off: {error}") from None
    return arrivals


class Readable(Protocol):
    """The one thing that is done with a member."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at the end."""


class _Meter:
    """Counts what one archive unpacks to, against what it weighs."""

    def __init__(self, archive: Arrival, budget: Budget) -> None:
        self._archive = archive
        self._limits = budget.limits
        self._allowed = RATIO_FREE_BYTES + archive.file.stat().st_size * self._limits.max_archive_ratio
        self._unpacked = 0

    def count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self._allowed:
            what = f"{self._archive.described} unpacks to more than that many times its size"
            raise limit_exceeded(self._limits, "max_archive_ratio", what)


class _Metered:
    """A stream of unpacked bytes, counted as they come, skipped members and headers included."""

    def __init__(self, stream: Readable, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        self._meter.count(len(chunk))
        return chunk


def _zip_members(archive: Arrival, meter: _Meter) -> Iterator[tuple[str, Readable]]:
    with zipfile.ZipFile(archive.file) as packed:
        for info in packed.infolist():
            name = info.filename.replace("\\", "/")
            mode = info.external_attr >> 16
            _check_place(archive, name)
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _unsafe(archive, f"{name[:200]!r} is a link or a device")
            if info.is_dir() or is_clutter(name):
                continue
            if info.flag_bits & 1:
                raise _bad(archive, "is encrypted", "Pack the photos without a password.")
            with packed.open(info) as stream:
                yield name, _Metered(stream, meter)


def _tar_members(archive: Arrival, meter: _Meter) -> Iterator[tuple[str, Readable]]:
    with (
        _opened(archive.file) as raw,
        tarfile.open(fileobj=cast("IO[bytes]", _Metered(raw, meter)), mode="r|") as packed,
    ):
        for info in packed:
            name = info.name.replace("\\", "/")
            _check_place(archive, name)
            if info.isdir() or (is_clutter(name) and info.isreg()):
                continue
            stream = packed.extractfile(info) if info.isreg() and not info.issparse() else None
            if stream is None:
                raise _unsafe(archive, f"{name[:200]!r} is a link, a device or a sparse file")
            with stream:
                yield name, stream


def _opened(file: Path) -> IO[bytes]:
    """The tar within, by the first bytes of what it is packed with."""
    head = head_of(file)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(file))
    if head.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.open(file))
    if head.startswith(b"\xfd7zXZ"):
        return cast("IO[bytes]", lzma.open(file))
    return file.open("rb")


def _check_place(archive: Arrival, name: str) -> None:
    if name.startswith("/") or ".." in name.split("/") or name[1:3] == ":/":
        raise _unsafe(archive, f"{name[:200]!r} lies outside it")


def _unsafe(archive: Arrival, what: str) -> BadArchive:
    return BadArchive(
        Reason.UNSAFE_ARCHIVE,
        archive,
        f"is refused, because its member {what}",
        "Pack the photos themselves, by relative paths below one folder, without links.",
    )


def _bad(
    archive: Arrival, what: str, remedy: str = "Pack it anew as zip, tar, tar.gz, tar.bz2 or tar.xz."
) -> BadArchive:
    return BadArchive(Reason.BAD_ARCHIVE, archive, what, remedy)
