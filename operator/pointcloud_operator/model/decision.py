"""What a decision consists of: what to fetch first, what to write, to delete and to create, and when to look again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

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
class FetchPods:
    """Read the pods of a Job that has failed; a decision without them is not to be carried out.

    Watches bring Jobs and pods in no common order, and which pod failed of what decides what becomes of the stage.
    """

    uid: str
    """Of the Job."""


@dataclass(frozen=True)
class TailLog:
    """Follow the log of a running pod from now on."""

    pod: str
    uid: str


Want = FetchResult | FetchWarnings | FetchPods | TailLog

ARTEFACTS_LEFT: Final = "ArtefactsLeft"
"""Reason of an Event that names folders of the store which nobody will remove."""


@dataclass(frozen=True)
class Note:
    """An Event to record on the PointcloudJob, before the status: what follows may fail, and is then decided again."""

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
class PodReference:
    """A pod on a node that does not answer, to be marked as failed and deleted without waiting for its node."""

    name: str
    uid: str


@dataclass(frozen=True)
class Decision:
    """What to do, in this order.

    Fetch what is wanted and decide again; record the notes; set the finalizer; write the status; delete; abandon;
    erase; create; remove the PointcloudJob.
    """

    status: PointcloudJobStatus
    create: dict[str, Any] | None = None
    delete: tuple[JobReference, ...] = ()
    abandon: tuple[PodReference, ...] = ()
    erase: tuple[str, ...] = ()
    """Folders of the store, without a slash at their end, to remove with all below them. What came of it is in the next
    decision's `Observed.erased` and `Observed.erase_refusal`."""
    finalizer: bool | None = None
    """Whether the PointcloudJob is to carry ARTEFACTS_FINALIZER; None: as it does."""
    remove: bool = False
    """Whether to delete the PointcloudJob itself, whose time is over."""
    notes: tuple[Note, ...] = ()
    wake_at: datetime | None = None
    wants: tuple[Want, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing that it rests on has still to be fetched, so that it can be carried out."""
        return not any(isinstance(want, FetchResult | FetchWarnings | FetchPods) for want in self.wants)
