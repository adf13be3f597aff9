"""The archive's tables. What is here and what the migrations make is the same (`tests/integration/gateway`).

Columns that hold what a stranger wrote are as wide as the archive lets them be: it cuts what is longer, because an
upload or a job is never lost over the length of a name.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Dialect, ForeignKey, Index, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

NAME_LENGTH: Final = 1024
"""Of users and of uploaded files, in characters."""
URL_LENGTH: Final = 2048
"""As the resource has it."""
ERROR_LENGTH: Final = 500


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no time zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of the database."""
        del dialect
        return value if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can name it too.

    Documents are JSON and, on PostgreSQL, not JSONB: nothing asks for what is in them, and JSONB refuses characters
    (U+0000, halves of surrogate pairs) that a PointcloudJob's annotations may hold.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any]]] = {datetime: Moment(), dict[str, Any]: JSON()}


class ArchiveInfo(Base):
    """What is known of the archive itself: one row, made with the first schema."""

    __tablename__ = "archive_info"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    began_at: Mapped[datetime]
    """Nobody is told of what ended earlier: an archive made anew would tell everybody again."""


class Job(Base):
    """A PointcloudJob that was seen."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "namespace", "name", "created_at"), Index(None, "created_at", "uid"))

    uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(63))
    owner: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """Who asked the gateway for it; None where it was made by other means."""
    resource_version: Mapped[int] = mapped_column(BigInteger)
    resource: Mapped[dict[str, Any]]
    """As it was at that version; empty once forgotten."""
    phase: Mapped[str] = mapped_column(String(32))
    images: Mapped[int | None] = mapped_column(BigInteger)
    """Photos whose camera was placed."""
    points: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    """Since when the cluster has it no more."""
    forgotten: Mapped[bool]
    """A user has deleted it: the row stays without content, so that nothing late brings it back."""


class Report(Base):
    """What the reconstruct stage tells of itself: the latest of each job."""

    __tablename__ = "reports"

    job_uid: Mapped[str] = mapped_column(ForeignKey(Job.uid, ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    """Of the stage's run that wrote it."""
    report: Mapped[dict[str, Any]]


class Upload(Base):
    """A file that arrived through the gateway."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    job_uid: Mapped[str] = mapped_column(ForeignKey(Job.uid, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """As the sender calls it."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    sent_by: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    """None where only the store knows of it."""
    received_at: Mapped[datetime]


class Delivery(Base):
    """A webhook's message to one address: the queue, and the log of what became of it."""

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "status", "next_attempt_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The message's id: the same for whoever comes upon the same end of the same run."""
    job_uid: Mapped[str] = mapped_column(ForeignKey(Job.uid, ondelete="CASCADE"), index=True)
    namespace: Mapped[str] = mapped_column(String(63))
    """Whose secret signs."""
    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    event: Mapped[str] = mapped_column(String(32))
    body: Mapped[str] = mapped_column(Text)
    """What is sent, the same at every attempt."""
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    """Begun so far."""
    last_status: Mapped[int | None]
    """Of HTTP."""
    last_error: Mapped[str | None] = mapped_column(String(ERROR_LENGTH))
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    """While an attempt is under way: when it is taken for lost."""
    delivered_at: Mapped[datetime | None]
