"""Pages of jobs, newest first: those of the cluster and those that only the archive has, as one list.

A page ends with a job and the next begins behind it (creation time, uid), so jobs that come and go meanwhile, or move
from the cluster into the archive, shift nothing.
"""

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pointcloud_api.resource import Phase
from pointcloud_gateway.api.lookup import Lookup
from pointcloud_gateway.api.schemas import StatusWord
from pointcloud_gateway.api.view import ParsedJob
from pointcloud_gateway.archive import Archive, cursor_text, read_cursor
from pointcloud_gateway.cache import CoalescingCache
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_kube.api import Json

_NAMESPACES_SECONDS: Final = 5.0
"""How long the archive's namespaces are believed."""
_ENDED_WELL: Final = frozenset({Phase.SUCCEEDED})


@dataclass(frozen=True)
class Filters:
    """Which jobs are wanted. What is empty or None tells none apart."""

    namespaces: frozenset[str]
    """Those that the caller may see."""
    statuses: frozenset[StatusWord] = frozenset()
    phases: frozenset[Phase] = frozenset()
    text: str = ""
    """Part of the name, in either case."""
    archived: bool | None = None
    """Only those that are, or only those that are not."""

    def take(self, job: ParsedJob) -> bool:
        """Whether a job is wanted."""
        return (
            job.id.namespace in self.namespaces
            and self.archived in {None, job.archived}
            and self.text.casefold() in job.id.name.casefold()
            and (not self.statuses or job.word in self.statuses)
            and (not self.phases or job.phase in self.phases)
        )

    def archived_phases(self) -> frozenset[Phase]:
        """What the archive is to be asked for: an archived job has completed or failed, and nothing else."""
        phases = self.phases or frozenset(Phase)
        if not self.statuses:
            return phases
        completed = phases & _ENDED_WELL if "completed" in self.statuses else frozenset()
        failed = phases - _ENDED_WELL if "failed" in self.statuses else frozenset()
        return completed | failed


class Listing:
    """Reads pages."""

    def __init__(self, jobs: JobDirectory, archive: Archive, lookup: Lookup) -> None:
        self._jobs = jobs
        self._archive = archive
        self._lookup = lookup
        self._archived_namespaces: CoalescingCache[None, frozenset[str]] = CoalescingCache(
            lambda _: archive.namespaces(), lifetime=lambda _: _NAMESPACES_SECONDS
        )

    def live_namespaces(self) -> set[str]:
        """Those with jobs of the cluster."""
        return {job["metadata"]["namespace"] for job in self._jobs.all()}

    async def namespaces(self) -> set[str]:
        """Those with jobs, archived ones too. Raises ArchiveUnavailableError."""
        return self.live_namespaces() | await self._archived_namespaces.get(None)

    async def page(self, filters: Filters, *, limit: int, after: str) -> tuple[list[ParsedJob], str | None]:
        """Up to `limit` jobs, and what to pass as `after` for the next ones.

        Raises ValueError for an `after` that no page gave, ArchiveUnavailableError.
        """
        bound = read_cursor(after) if after else None
        live = self._live(filters, limit + 1, bound)
        present = {job.uid for job in live}
        archived = [job for job in await self._archived(filters, limit + 1, after) if job.uid not in present]
        both = sorted([*live, *archived], key=_key, reverse=True)
        page = both[:limit]
        return page, cursor_text(*_key(page[-1])) if len(both) > limit else None

    def _live(self, filters: Filters, limit: int, bound: tuple[datetime, str] | None) -> list[ParsedJob]:
        if filters.archived:
            return []
        return heapq.nlargest(limit, self._wanted(filters, bound), key=_key)

    def _wanted(self, filters: Filters, bound: tuple[datetime, str] | None) -> Iterator[ParsedJob]:
        for resource in self._in(filters.namespaces):
            job = self._lookup.parsed(resource)
            if filters.take(job) and (bound is None or _key(job) < bound):
                yield job

    def _in(self, namespaces: Collection[str]) -> Iterator[Json]:
        return (job for job in self._jobs.all() if job["metadata"]["namespace"] in namespaces)

    async def _archived(self, filters: Filters, limit: int, after: str) -> list[ParsedJob]:
        phases = filters.archived_phases()
        if filters.archived is False or not phases or not filters.namespaces:
            return []
        found, _ = await self._archive.page(
            namespaces=filters.namespaces, phases=phases, text=filters.text, limit=limit, after=after
        )
        return [ParsedJob(each.resource, archived=True) for each in found]


def _key(job: ParsedJob) -> tuple[datetime, str]:
    return job.created_at, job.uid
