"""Tells the operator that files have arrived: a record in the store, then a new revision in the PointcloudJob's spec.

Many files posted one by one would be as many revisions. So what arrives while one revision is being written waits and
goes together into the next: the more come at once, the fewer there are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pointcloud_api.resource import UploadSource
from pointcloud_api.stages import UploadedFile
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.cluster import Cluster, JobConflictError, JobMissingError, JobRefusedError
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory, id_of
from pointcloud_gateway.problems import JobNotFound, Problem
from pointcloud_gateway.uploads.layout import Layout
from pointcloud_gateway.uploads.records import Records
from pointcloud_kube.api import Json

_TRIES: Final = 20
"""Each is lost only to somebody else's change of the resource: another replica's, or the operator's of its status."""
_log = logging.getLogger(__name__)

OnReceived = Callable[[Json, Sequence[UploadedFile], User], Awaitable[None]]


@dataclass
class _Batch:
    """What goes into one record."""

    arrivals: list[tuple[tuple[UploadedFile, ...], User]] = field(default_factory=list)
    done: asyncio.Future[Json] = field(default_factory=asyncio.Future)

    @property
    def files(self) -> list[UploadedFile]:
        return [file for files, _ in self.arrivals for file in files]


class Processing:
    """Records arrivals.

    Args:
        records: In the store.
        cluster: To write the spec.
        jobs: Shown what was written, so that this process answers with it at once.
        default_namespace: Of ids that name none.
        on_received: Told afterwards; when it fails, that is logged and nothing else.
    """

    def __init__(
        self,
        records: Records,
        cluster: Cluster,
        jobs: JobDirectory,
        *,
        default_namespace: str,
        on_received: OnReceived | None = None,
    ) -> None:
        self._records = records
        self._cluster = cluster
        self._jobs = jobs
        self._default_namespace = default_namespace
        self._on_received = on_received
        self._waiting: dict[str, _Batch] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def received(self, job: Json, files: Sequence[UploadedFile], user: User) -> Json:
        """Let a job's next run take in files whose parts are stored; the job as it then is.

        Raises JobNotFound, Problem and ClusterUnavailableError; then none of the files is recorded.
        """
        uid = job["metadata"]["uid"]
        batch = self._waiting.setdefault(uid, _Batch())
        batch.arrivals.append((tuple(files), user))
        if uid not in self._writers:
            self._writers[uid] = asyncio.create_task(self._write(uid, id_of(job)))
        return await asyncio.shield(batch.done)  # who leaves takes nothing back

    async def current(self, job: Json) -> Json:
        """A job as it is by now. Raises JobNotFound and ClusterUnavailableError."""
        current = await self._jobs.find(id_of(job))
        if current is None or current["metadata"]["uid"] != job["metadata"]["uid"]:
            raise self._missing(id_of(job))
        return current

    async def _write(self, uid: str, job_id: JobId) -> None:
        """Write one batch after the other until none waits."""
        try:
            while (batch := self._waiting.pop(uid, None)) is not None:
                try:
                    job = await self._commit(uid, job_id, batch.files)
                except Exception as error:  # noqa: BLE001 - each of those who wait gets it
                    batch.done.set_exception(error)
                    batch.done.exception()  # all may have left
                else:
                    batch.done.set_result(job)
                    self._tell(job, batch)
        finally:
            del self._writers[uid]

    async def _commit(self, uid: str, job_id: JobId, files: Sequence[UploadedFile]) -> Json:
        job = await self._jobs.find(job_id)
        for _ in range(_TRIES):
            if job is None or job["metadata"]["uid"] != uid:
                raise self._missing(job_id)
            try:
                return await self._try(job, files)
            except JobConflictError:
                job = await self._cluster.job(job_id)
            except JobMissingError as error:
                raise self._missing(job_id) from error
            except JobRefusedError as error:
                raise Problem(422, f"The cluster refuses the change of the PointcloudJob: {error}") from error
        detail = "The PointcloudJob is being changed again and again by others; try again."
        raise Problem(503, detail, headers={"Retry-After": "5"})

    async def _try(self, job: Json, files: Sequence[UploadedFile]) -> Json:
        """The record goes first: a revision that the spec names is whole in the store."""
        number = await self._records.next_revision(job)
        record = await self._records.write(Layout.of(job), number, files)
        upload = UploadSource(revision=number, received_at=datetime.now(UTC)).model_dump(mode="json")
        metadata = job["metadata"]
        try:
            changed = await self._cluster.patch_job(
                id_of(job),
                {"spec": {"source": {"upload": upload}}},
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except Exception:
            await self._records.withdraw(record)
            raise
        self._jobs.observe(changed)
        return changed

    def _tell(self, job: Json, batch: _Batch) -> None:
        """Nobody waits for it: a database that hangs holds up no upload."""
        for files, user in batch.arrivals if self._on_received else ():
            telling = asyncio.create_task(self._tell_one(job, files, user))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _tell_one(self, job: Json, files: Sequence[UploadedFile], user: User) -> None:
        assert self._on_received is not None  # noqa: S101 - for mypy
        try:
            await self._on_received(job, files, user)
        except Exception:  # noqa: BLE001 - whatever it is, the arrival stands
            _log.exception("an arrival for %s was recorded, and who is told of arrivals failed", id_of(job))

    def _missing(self, job_id: JobId) -> JobNotFound:
        return JobNotFound(job_id.text(default_namespace=self._default_namespace))
