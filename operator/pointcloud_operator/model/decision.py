"""What a decision consists of: what to fetch first, what to write, to delete and to create, and when to look again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pointcloud_api.resource import PointcloudJobStatus


@dataclass(frozen=True)
class FetchResult:
    """Ask the store for a stage's result; a decision without the answer is not to be carried out."""

    path: str


@dataclass(frozen=True)
class FetchWarnings:
    """Read the warning Events about a Job or Pod; a decision without them is not to be carried out."""

    uid: str


@dataclass(frozen=True)
class TailLog:
    """Follow the log of a running pod from now on."""

    pod: str
    uid: str


Want = FetchResult | FetchWarnings | TailLog


@dataclass(frozen=True)
class Note:
    """An Event to record on the PointcloudJob once the status is written."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class JobReference:
    """A Job to delete."""

    name: str
    uid: str | None
    """None for one that was not seen: it is to be looked up, and deleted if it is this PointcloudJob's."""


@dataclass(frozen=True)
class Decision:
    """What to do, in this order: fetch what is wanted and decide again; write; delete; create; record the notes."""

    status: PointcloudJobStatus
    create: dict[str, Any] | None = None
    delete: tuple[JobReference, ...] = ()
    notes: tuple[Note, ...] = ()
    wake_at: datetime | None = None
    wants: tuple[Want, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing that it rests on has still to be fetched, so that it can be carried out."""
        return not any(isinstance(want, FetchResult | FetchWarnings) for want in self.wants)
