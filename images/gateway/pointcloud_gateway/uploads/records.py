"""The records of what has arrived for a job, and their sums."""

import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pointcloud_api.stages import UploadedFile, UploadRecord
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.uploads.layout import Layout, revision_of
from pointcloud_kube.api import Json

_REMEMBERED: Final = 1024
"""Jobs whose sums are kept, since a record never changes."""


@dataclass(frozen=True)
class Totals:
    """How much has arrived."""

    revision: int = 0
    """Of the last record counted."""
    files: int = 0
    size: int = 0
    """Bytes."""

    def plus(self, revision: int, records: Iterable[UploadRecord]) -> "Totals":
        """With the records of later revisions up to `revision`."""
        files = [file for record in records for file in record.files]
        return Totals(revision, self.files + len(files), self.size + sum(file.size for file in files))


class Records:
    """Reads and writes records. Those of revisions that the job has not reached do not count."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._totals: OrderedDict[str, Totals] = OrderedDict()

    async def write(self, layout: Layout, revision: int, files: Sequence[UploadedFile]) -> str:
        """Store a record and return its path. Raises StorageFullError."""
        path = layout.new_record(revision)
        record = UploadRecord(revision=revision, files=tuple(files))
        await self._objects.put(path, record.model_dump_json().encode())
        return path

    async def next_revision(self, job: Json) -> int:
        """One more than the spec counts, and than any record names: a spec that was changed to another source and
        back counts from 1 again, and a process may have died before it raised the revision.
        """
        layout, count = Layout.of(job), revision(job)
        later = await self._objects.every(layout.records, after=layout.records_up_to(count))
        return max([count, *(revision_of(stat.path) for stat in later)]) + 1

    async def withdraw(self, path: str) -> None:
        """Remove a record whose revision the job did not take."""
        await self._objects.delete(path)

    async def files(self, job: Json, *, after: int = 0) -> list[UploadedFile]:
        """The files of a job that came with a revision later than `after`, in the order of their arrival, each once."""
        by_id: dict[str, UploadedFile] = {}
        for record in await self._between(Layout.of(job), after, revision(job)):
            for file in record.files:
                by_id.setdefault(file.id, file)
        return list(by_id.values())

    async def mentioned(self, layout: Layout) -> set[str]:
        """The ids of all files that any record names, whether the job has reached its revision or not."""
        return {file.id for record in await self._between(layout, 0, sys.maxsize) for file in record.files}

    async def totals(self, job: Json) -> Totals:
        """How much has arrived for a job: only records that this process has not counted yet are read."""
        layout, wanted = Layout.of(job), revision(job)
        known = self._totals.get(layout.prefix, Totals())
        if known.revision < wanted:
            known = known.plus(wanted, await self._between(layout, known.revision, wanted))
            self._totals[layout.prefix] = known
            self._totals.move_to_end(layout.prefix)
            if len(self._totals) > _REMEMBERED:
                self._totals.popitem(last=False)
        return known

    async def _between(self, layout: Layout, after: int, last: int) -> list[UploadRecord]:
        found = await self._objects.every(layout.records, after=layout.records_up_to(after))
        paths = sorted(stat.path for stat in found if revision_of(stat.path) <= last)
        return [UploadRecord.model_validate_json(body) for body in await self._objects.read_each(paths)]


def revision(job: Json) -> int:
    """How often something has arrived for a job, as its spec counts."""
    upload = job["spec"]["source"].get("upload") or {}
    count: int = upload.get("revision", 0)
    return count
