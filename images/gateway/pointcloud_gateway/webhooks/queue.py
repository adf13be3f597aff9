"""The queue of messages in the archive's database: each is put in once, and one replica at a time has it in hand."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, literal, select, update

from pointcloud_gateway.database import Database, storable, upsert
from pointcloud_gateway.models import ERROR_LENGTH, URL_LENGTH, ArchiveInfo, Delivery, Job
from pointcloud_gateway.webhooks.messages import Message

LEASE: Final = timedelta(seconds=60)
"""After which an attempt whose outcome nobody noted is taken for lost; an attempt itself is much shorter."""


class Status(StrEnum):
    """Of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Claim:
    """A message in hand: an attempt is counted before it is made."""

    id: str
    namespace: str
    url: str
    body: str
    attempts: int
    """This one included."""


class DeliveryQueue:
    """Every method raises ArchiveUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, uid: str, messages: Iterable[Message], *, now: datetime) -> bool:
        """Put in the messages of a recorded job that are not in yet; tells whether there were any.

        An archive is told of ends that it may have forgotten, when it is made anew: what ended before the archive
        began stays out.
        """
        began_at = select(ArchiveInfo.began_at).scalar_subquery()
        added = False
        async with self._database.writing() as connection:
            for message in messages:
                row = _row(message, now)
                values = [literal(value, Delivery.__table__.c[key].type) for key, value in row.items()]
                known = select(Job.uid, Job.namespace, *values).where(Job.uid == uid, began_at <= message.completed_at)
                insert = upsert(connection, Delivery).from_select(["job_uid", "namespace", *row], known)
                result = await connection.execute(insert.on_conflict_do_nothing().returning(Delivery.id))
                added |= result.first() is not None
        return added

    async def claim(self, limit: int, *, now: datetime) -> list[Claim]:
        """Take messages that are due, the longest due first; nobody else gets them before LEASE is over."""
        due = (
            select(Delivery.id)
            .where(Delivery.status == Status.PENDING, Delivery.next_attempt_at <= now)
            .order_by(Delivery.next_attempt_at)
            .limit(limit)
            .with_for_update(skip_locked=True)  # SQLite has one writer anyway
        )
        statement = (
            update(Delivery)
            .where(Delivery.id.in_(due))
            .values(attempts=Delivery.attempts + 1, next_attempt_at=now + LEASE)
            .returning(Delivery.id, Delivery.namespace, Delivery.url, Delivery.body, Delivery.attempts)
        )
        async with self._database.writing() as connection:
            return [Claim(*row) for row in await connection.execute(statement)]

    async def delivered(self, claim: Claim, status: int, *, now: datetime) -> None:
        """Note that a message has arrived, by however late an attempt."""
        values = {"last_status": status, "last_error": None, "next_attempt_at": None, "delivered_at": now}
        await self._note(claim, status=Status.DELIVERED, **values)

    async def failed(self, claim: Claim, status: int | None, error: str, *, again_at: datetime | None) -> None:
        """Note that an attempt was in vain, and when the next one is; None to give up.

        An attempt that took longer than its lease has nothing more to say: another one is under way or over.
        """
        values = {"last_status": status, "last_error": storable(error, ERROR_LENGTH), "next_attempt_at": again_at}
        outcome = Status.FAILED if again_at is None else Status.PENDING
        await self._note(claim, Delivery.attempts == claim.attempts, status=outcome, **values)

    async def _note(self, claim: Claim, *conditions: ColumnElement[bool], **values: Any) -> None:
        waiting = (Delivery.id == claim.id, Delivery.status == Status.PENDING)
        async with self._database.writing() as connection:
            await connection.execute(update(Delivery).where(*waiting, *conditions).values(values))


def _row(message: Message, now: datetime) -> dict[str, Any]:
    return {
        "id": message.id,
        "url": storable(message.url, URL_LENGTH),
        "event": message.event,
        "body": message.body,
        "status": Status.PENDING.value,
        "attempts": 0,
        "created_at": now,
        "next_attempt_at": now,
    }
