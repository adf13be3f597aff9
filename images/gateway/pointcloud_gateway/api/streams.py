"""What happens to jobs, handed to each open stream: a slow reader costs no more than the newest state of each job."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

from pointcloud_gateway.api.errors import unavailable
from pointcloud_gateway.api.lookup import Lookup
from pointcloud_gateway.api.schemas import DeletedJob
from pointcloud_gateway.api.view import ParsedJob
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import Change, JobDirectory
from pointcloud_kube.api import Json

HEARTBEAT_SECONDS: Final = 15.0
"""Below the silence after which proxies commonly end a connection."""
MAX_STREAMS: Final = 2000
"""Of this process; each costs about 100 kB of memory while its reader keeps up."""


class News:
    """What a job is like since a change; written out once, however many read it."""

    def __init__(self, parsed: ParsedJob, lookup: Lookup, *, version: str, position: str, deleted: bool) -> None:
        self._parsed = parsed
        self._lookup = lookup
        self.version = version
        """The resource's own version."""
        self.position = position
        """Where in the sequence of all changes this is."""
        self.deleted = deleted

    @property
    def id(self) -> JobId:
        """Whose news it is."""
        return self._parsed.id

    @property
    def last(self) -> bool:
        """Whether nothing follows until somebody changes the job."""
        return self.deleted or self._parsed.settled

    def event(self, event_id: str | None) -> bytes:
        """As server-sent event, of that id if there is one."""
        return self._event + (b"\n" if event_id is None else f"id: {event_id}\n\n".encode())

    @cached_property
    def _event(self) -> bytes:
        if self.deleted:
            job_id = self.id.text(default_namespace=self._lookup.links.default_namespace)
            return f"event: deleted\ndata: {DeletedJob(id=job_id).model_dump_json()}\n".encode()
        return f"event: job\ndata: {self._lookup.view(self._parsed).model_dump_json()}\n".encode()


class Reader:
    """What one stream has yet to tell, the newest of each job, in the order of the changes."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._pending: dict[JobId, News] = {}
        self._wake = asyncio.Event()

    def put(self, news: News) -> None:
        """Tell of a change, which takes the place of what was not yet told of the same job."""
        self._pending.pop(news.id, None)
        self._pending[news.id] = news
        self._wake.set()

    def wake(self) -> None:
        """Let `news` look whether the process stops."""
        self._wake.set()

    async def news(self) -> AsyncIterator[News | None]:
        """What there is to tell, as it comes, and None whenever nothing was for HEARTBEAT_SECONDS; ends when the
        process does.
        """
        while not self._stopping.is_set():
            if self._pending:
                yield self._pending.pop(next(iter(self._pending)))
            elif not await self._woken():
                yield None

    async def _woken(self) -> bool:
        self._wake.clear()
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                return await self._wake.wait()
        except TimeoutError:
            return False


class Streams:
    """All open streams of this process.

    Args:
        jobs: Whose changes to hand out.
        lookup: Reads resources.
        stopping: Set when the process is to end, and streams with it.
    """

    def __init__(self, jobs: JobDirectory, lookup: Lookup, stopping: asyncio.Event) -> None:
        self._jobs = jobs
        self._lookup = lookup
        self.stopping = stopping
        self._of_all: set[Reader] = set()
        self._of_one: dict[JobId, set[Reader]] = {}
        self._open = 0

    async def run(self) -> None:
        """Hand changes out until the process stops, then end all streams."""
        unsubscribe = self._jobs.subscribe(self._changed)
        try:
            await self.stopping.wait()
        finally:
            unsubscribe()
            for reader in self._readers():
                reader.wake()

    @contextmanager
    def open(self, job_id: JobId | None = None) -> Iterator[Reader]:
        """A reader of one job's changes, or of all. Raises Problem (503) when there are too many."""
        self.check_room()
        reader = Reader(self.stopping)
        group = self._of_all if job_id is None else self._of_one.setdefault(job_id, set())
        group.add(reader)
        self._open += 1
        try:
            yield reader
        finally:
            self._open -= 1
            group.discard(reader)
            if job_id is not None and not group and self._of_one.get(job_id) is group:
                del self._of_one[job_id]

    def check_room(self) -> None:
        """Raise Problem (503) when there are too many streams."""
        if self._open >= MAX_STREAMS:
            raise unavailable("Too many streams are open here. Try again, or ask GET /jobs now and then.")

    def now(self, job_id: JobId) -> News | None:
        """How a job is now, as far as the watch has told."""
        resource = self._jobs.get(job_id)
        return None if resource is None else self.news(resource)

    def everything(self) -> list[News]:
        """How all jobs are now."""
        return [self.news(resource) for resource in self._jobs.all()]

    def news(self, resource: Json, *, deleted: bool = False) -> News:
        """How a job of the cluster is now, or was when it was deleted."""
        version: str = resource["metadata"]["resourceVersion"]
        parsed = self._lookup.parsed(resource)
        return News(parsed, self._lookup, version=version, position=self._jobs.position, deleted=deleted)

    def _changed(self, change: Change) -> None:
        readers = [*self._of_one.get(change.id, ()), *self._of_all]
        if readers:
            news = self.news(change.job, deleted=change.deleted)
            for reader in readers:
                reader.put(news)

    def _readers(self) -> set[Reader]:
        return self._of_all.union(*self._of_one.values())
