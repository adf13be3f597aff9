"""The archive of jobs: every PointcloudJob that was seen, its uploads and its report, beyond the resource's own end.

The resource stays the truth while there is one. Any replica may record anything at any time: what is older never
replaces what is newer, and what is recorded twice is there once.
"""

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, and_, case, delete, func, literal, or_, select, true, update
from sqlalchemy.orm import aliased

from pointcloud_api.names import REQUESTED_BY_ANNOTATION
from pointcloud_api.resource import Phase
from pointcloud_api.stages import UploadedFile
from pointcloud_gateway import models
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.database import Database, storable, upsert
from pointcloud_gateway.job_ids import JobId
from pointcloud_kube.api import Json
from pointcloud_kube.reflector import version

_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""An annotation that repeats the spec."""
_MAX_INTEGER: Final = 2**63 - 1


@dataclass(frozen=True)
class ArchivedJob:
    """A PointcloudJob as it was last seen."""

    resource: Json
    """apiVersion, kind, metadata (name, namespace, uid, creationTimestamp, annotations, generation), spec, status."""
    owner: str | None
    deleted_at: datetime | None
    """None while the cluster has it, as far as the archive knows."""


@dataclass(frozen=True)
class ArchivedUpload:
    """A file that arrived for a job."""

    id: str
    name: str
    size: int
    """Bytes."""
    sent_by: str | None
    received_at: datetime


@dataclass(frozen=True)
class Delivery:
    """What became of one webhook message."""

    url: str
    event: str
    status: str
    """pending, delivered or failed."""
    attempts: int
    last_status: int | None
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None


class Archive:
    """Reads and writes the archive. Every method raises ArchiveUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, job: Json, *, deleted: bool = False) -> None:
        """Keep a resource as it is now, or, `deleted`, as it last was."""
        async with self._database.writing() as connection:
            insert = upsert(connection, models.Job).values(_row(job, deleted=deleted))
            held, new = models.Job, insert.excluded
            newer = new.resource_version > held.resource_version
            content = [name for name in _CONTENT if name not in {"uid", "deleted_at"}]
            changes = {name: case((newer, new[name]), else_=getattr(held, name)) for name in content}
            gone = and_(held.deleted_at.is_(None), new.deleted_at.is_not(None))
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[held.uid],
                    set_={**changes, "deleted_at": func.coalesce(held.deleted_at, new.deleted_at)},
                    where=and_(held.forgotten.is_(False), or_(newer, gone)),
                )
            )

    async def record_uploads(self, job: Json, files: Sequence[UploadedFile], user: User | None) -> None:
        """Keep who sent which files; None where only the store knows of them."""
        if not files:
            return
        await self.record(job)
        rows = [_upload_row(job, file, user) for file in files]
        async with self._database.writing() as connection:
            insert = upsert(connection, models.Upload)
            sender = func.coalesce(models.Upload.sent_by, insert.excluded.sent_by)
            statement = insert.on_conflict_do_update(index_elements=[models.Upload.id], set_={"sent_by": sender})
            await connection.execute(statement, rows)

    async def uploads(self, uid: str) -> list[ArchivedUpload]:
        """The files that arrived for a job, in the order of their arrival."""
        table = models.Upload
        columns = (table.id, table.name, table.size, table.sent_by, table.received_at)
        query = select(*columns).where(table.job_uid == uid).order_by(table.received_at, table.id)
        async with self._database.reading() as connection:
            return [ArchivedUpload(*row) for row in await connection.execute(query)]

    async def find(self, job_id: JobId) -> ArchivedJob | None:
        """The newest of that id that no user has deleted."""
        query = (
            select(*_SHOWN)
            .where(_called(job_id), models.Job.forgotten.is_(False))
            .order_by(models.Job.created_at.desc(), models.Job.uid.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else ArchivedJob(*row)

    async def page(
        self,
        *,
        namespaces: Collection[str],
        phases: Collection[str] = (),
        text: str = "",
        limit: int,
        after: str = "",
    ) -> tuple[list[ArchivedJob], str | None]:
        """Jobs whose resource is gone, newest first, and where to go on: the cursor to pass as `after`.

        Of several jobs of one id only the newest is there, the one that `find` finds.

        Args:
            namespaces: Of jobs that the caller may see.
            phases: Those wanted, by default all.
            text: Part of the name, in either case.
            limit: How many at most.
            after: A cursor, or empty for the first page. Raises ValueError for what is none.
        """
        table, later = models.Job, aliased(models.Job)
        superseded = (
            select(later.uid)
            .where(later.namespace == table.namespace, later.name == table.name, later.forgotten.is_(False))
            .where(_before(table, later.created_at, later.uid))
            .exists()
        )
        query = (
            select(*_SHOWN, table.created_at, table.uid)
            .where(table.namespace.in_(sorted(namespaces)), table.deleted_at.is_not(None), table.forgotten.is_(False))
            .where(~superseded)
            .where(table.phase.in_(sorted(phases)) if phases else true())
            .where(table.name.icontains(text, autoescape=True) if text else true())
            .where(_before(table, *read_cursor(after)) if after else true())
            .order_by(table.created_at.desc(), table.uid.desc())
            .limit(limit + 1)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
        shown = [ArchivedJob(*row[:-2]) for row in rows[:limit]]
        return shown, cursor_text(*rows[limit - 1][-2:]) if len(rows) > limit else None

    async def namespaces(self) -> frozenset[str]:
        """Those with jobs in the archive."""
        query = select(models.Job.namespace).where(models.Job.forgotten.is_(False)).distinct()
        async with self._database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def forget(self, job_id: JobId) -> bool:
        """Remove what is known of all jobs of that id; False when there is none. A late change brings none back.

        Of a job that the cluster still has, `record` it first: what has never been recorded cannot be forgotten.
        """
        table = models.Job
        nothing = {"forgotten": True, "resource": {}, "owner": None, "images": None, "points": None}
        statement = (
            update(table).where(_called(job_id), table.forgotten.is_(False)).values(nothing).returning(table.uid)
        )
        async with self._database.writing() as connection:
            uids = (await connection.execute(statement)).scalars().all()
            for part in (models.Report, models.Upload):
                await connection.execute(delete(part).where(part.job_uid.in_(uids)))
        return bool(uids)

    async def keep_report(self, uid: str, key: str, report: Json) -> None:
        """Keep what the reconstruct stage's run of that key tells of itself, of a job that is recorded."""
        table = models.Job
        async with self._database.writing() as connection:
            insert = upsert(connection, models.Report)
            known = select(table.uid, literal(key), literal(report, JSON)).where(
                table.uid == uid, table.forgotten.is_(False)
            )
            changes = {"key": insert.excluded.key, "report": insert.excluded.report}
            await connection.execute(
                insert.from_select(["job_uid", "key", "report"], known).on_conflict_do_update(
                    index_elements=[models.Report.job_uid], set_=changes
                )
            )

    async def report(self, uid: str) -> Json | None:
        """The report of a job, if there is one."""
        query = select(models.Report.report).where(models.Report.job_uid == uid)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).scalar()

    async def report_keys(self) -> dict[str, str]:
        """Of every job that the cluster has: the key of the run whose report is kept."""
        query = select(models.Report.job_uid, models.Report.key).join(models.Job).where(models.Job.deleted_at.is_(None))
        async with self._database.reading() as connection:
            return {row.job_uid: row.key for row in await connection.execute(query)}

    async def live(self) -> dict[str, JobId]:
        """By uid: the jobs that the cluster has, as far as the archive knows."""
        table = models.Job
        query = select(table.uid, table.namespace, table.name).where(table.deleted_at.is_(None))
        async with self._database.reading() as connection:
            return {uid: JobId(namespace, name) for uid, namespace, name in await connection.execute(query)}

    async def mark_deleted(self, uid: str) -> None:
        """Note that the cluster has a job no more, of which nobody knows when it went."""
        table = models.Job
        statement = (
            update(table).where(table.uid == uid, table.deleted_at.is_(None)).values(deleted_at=datetime.now(UTC))
        )
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def deliveries(self, uid: str) -> list[Delivery]:
        """The webhook messages of a job, newest first."""
        table = models.Delivery
        columns = [getattr(table, name) for name in Delivery.__dataclass_fields__]
        query = select(*columns).where(table.job_uid == uid).order_by(table.created_at.desc(), table.id)
        async with self._database.reading() as connection:
            return [Delivery(*row) for row in await connection.execute(query)]


_SHOWN: Final = (models.Job.resource, models.Job.owner, models.Job.deleted_at)
_KEPT: Final = ("name", "namespace", "uid", "creationTimestamp", "generation")
_CONTENT: Final = (
    *("uid", "namespace", "name", "owner", "resource_version", "resource", "phase", "images", "points"),
    *("created_at", "started_at", "completed_at", "deleted_at"),
)


def _called(job_id: JobId) -> ColumnElement[bool]:
    return and_(models.Job.namespace == job_id.namespace, models.Job.name == job_id.name)


def _before(table: type[models.Job], created_at: Any, uid: Any) -> ColumnElement[bool]:
    """Whether a row of `table` is older than what was created then; the uid decides between two of one second."""
    return or_(table.created_at < created_at, and_(table.created_at == created_at, table.uid < uid))


def cursor_text(created_at: datetime, uid: str) -> str:
    """Where a page goes on that ended with the job of that uid."""
    return base64.urlsafe_b64encode(json.dumps([created_at.isoformat(), uid]).encode()).decode()


def read_cursor(text: str) -> tuple[datetime, str]:
    """What `cursor_text` wrote. Raises ValueError."""
    try:
        created_at, uid = json.loads(base64.urlsafe_b64decode(text.encode()))
        return datetime.fromisoformat(created_at).astimezone(UTC), storable(uid, 64)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise ValueError("the cursor is none that this service gave: begin with the first page") from None


def _row(job: Json, *, deleted: bool) -> dict[str, Any]:
    """What the table keeps of a resource: `_CONTENT` and `forgotten`."""
    metadata, status = job["metadata"], job.get("status") or {}
    annotations = {key: text for key, text in (metadata.get("annotations") or {}).items() if key != _APPLIED}
    kept = {**{key: metadata[key] for key in _KEPT if key in metadata}, "annotations": annotations}
    owner = annotations.get(REQUESTED_BY_ANNOTATION)
    return {
        "uid": metadata["uid"],
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "owner": None if owner is None else storable(owner, models.NAME_LENGTH),
        "resource_version": version(job),
        "resource": {**{key: job.get(key) for key in ("apiVersion", "kind", "spec", "status")}, "metadata": kept},
        "phase": status.get("phase") or Phase.PENDING,
        "images": _integer((status.get("images") or {}).get("registered")),
        "points": _integer(status.get("points")),
        "created_at": _time(metadata["creationTimestamp"]),
        "started_at": _time(status.get("startTime")),
        "completed_at": _time(status.get("completionTime")),
        "deleted_at": (_time(metadata.get("deletionTimestamp")) or datetime.now(UTC)) if deleted else None,
        "forgotten": False,
    }


def _upload_row(job: Json, file: UploadedFile, user: User | None) -> dict[str, Any]:
    return {
        "id": file.id,
        "job_uid": job["metadata"]["uid"],
        "name": storable(file.name, models.NAME_LENGTH),
        "size": _integer(file.size),
        "sent_by": None if user is None else storable(user.name, models.NAME_LENGTH),
        "received_at": file.received_at,
    }


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _integer(value: int | None) -> int | None:
    return None if value is None else min(value, _MAX_INTEGER)
