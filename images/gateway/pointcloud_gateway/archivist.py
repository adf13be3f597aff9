"""Tells the archive what becomes of every PointcloudJob, for as long as the gateway runs.

Every replica does so, and none remembers anything: what is missing is made up for whenever one begins, and whenever
the database is back. A database that was lost is filled from the cluster in the same way. One database belongs to one
install: two would take each other's jobs for deleted.
"""

import asyncio
import contextlib
import logging
import random
import time
from typing import Final

from pointcloud_gateway.archive import Archive
from pointcloud_gateway.cluster import ClusterUnavailableError
from pointcloud_gateway.copies import StoreCopies
from pointcloud_gateway.database import ArchiveUnavailableError
from pointcloud_gateway.jobs import Change, JobDirectory
from pointcloud_gateway.objects import Objects
from pointcloud_gateway.pending import Pending, PendingChanges
from pointcloud_gateway.webhooks.webhooks import Webhooks

_log = logging.getLogger(__name__)

_MAX_BACKOFF_SECONDS: Final = 30.0


class Archivist:
    """Follows the directory of jobs."""

    def __init__(self, jobs: JobDirectory, archive: Archive, objects: Objects, webhooks: Webhooks) -> None:
        self._jobs = jobs
        self._archive = archive
        self._webhooks = webhooks
        self._copies = StoreCopies(archive, objects)
        self._pending = PendingChanges()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled; a database or cluster that is away is waited for."""
        unsubscribe = self._jobs.subscribe(self._changed)
        try:
            await self._jobs.synced.wait()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._copies.run())
                tasks.create_task(self._follow())
        finally:
            unsubscribe()

    def _changed(self, change: Change) -> None:
        self._pending.add(change)
        self._woken.set()

    async def _follow(self) -> None:
        backoff = 0.0
        while True:
            try:
                await self._catch_up()
                backoff = 0.0
                while True:
                    await self._write_due()
                    await self._wait()
            except (ArchiveUnavailableError, ClusterUnavailableError) as error:
                backoff = min(_MAX_BACKOFF_SECONDS, 2 * backoff or 0.5)
                _log.warning("the archive waits: %s", error)
                await asyncio.sleep(backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _catch_up(self) -> None:
        """Record every job that is there, and note which ones have gone unseen."""
        await self._copies.recall()
        for job in self._jobs.all():
            self._pending.add(Change(job, deleted=False))
        await self._write_due()
        for uid, job_id in (await self._archive.live()).items():
            # Another replica may have recorded what the watch has not told this one of: the API server knows.
            found = await self._jobs.find(job_id)
            if found is None or found["metadata"]["uid"] != uid:
                await self._archive.mark_deleted(uid)

    async def _write_due(self) -> None:
        for pending in self._pending.due(time.monotonic()):
            try:
                await self._write(pending)
            except (ArchiveUnavailableError, ClusterUnavailableError):
                raise
            except Exception:  # noqa: BLE001 - one job that cannot be recorded is no reason to record no other
                _log.exception("a PointcloudJob is not archived: %s", pending.change.id)
            self._pending.written(pending, time.monotonic())

    async def _write(self, pending: Pending) -> None:
        job, deleted = pending.change.job, pending.change.deleted
        await self._archive.record(job, deleted=deleted)
        for ended in pending.endings.values():
            await self._webhooks.enqueue(ended)
        self._copies.consider(job)
        if deleted:
            self._copies.dismiss(job["metadata"]["uid"])

    async def _wait(self) -> None:
        """Until there is something to write."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._pending.wait(time.monotonic()))
        self._woken.clear()
