"""What the archive is yet to be told: of each job the newest state, and not at every step of its progress."""

from dataclasses import dataclass
from typing import Final

from pointcloud_gateway.jobs import Change
from pointcloud_gateway.webhooks.messages import ending_of
from pointcloud_kube.api import Json

INTERVAL_SECONDS: Final = 1.0
"""Between two writes of one job, unless its phase changes or it is gone."""


@dataclass(frozen=True)
class Pending:
    """What is to be recorded of one job."""

    change: Change
    """The newest."""
    endings: dict[str, Json]
    """Ends of runs not yet told, by `ending_of`: a run that follows at once overwrites them in the resource."""


class PendingChanges:
    """Merges changes, and says which are due. A change stays until it is noted as written.

    Times are seconds of any clock that never goes back.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._written: dict[str, tuple[float, str | None]] = {}
        """When, and in which phase, the jobs that are there were written last."""

    def add(self, change: Change) -> None:
        """Take a change in; a job that is gone stays gone."""
        uid = change.job["metadata"]["uid"]
        held = self._pending.get(uid)
        endings = {} if held is None else dict(held.endings)
        if (ending := ending_of(change.job)) is not None:
            endings[ending] = change.job
        newest = held.change if held is not None and held.change.deleted else change
        self._pending[uid] = Pending(newest, endings)

    def due(self, now: float) -> list[Pending]:
        """What is to be written now."""
        return [pending for pending in self._pending.values() if self._due_at(pending, now) <= now]

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None when nothing is pending."""
        return min((max(0.0, self._due_at(each, now) - now) for each in self._pending.values()), default=None)

    def written(self, pending: Pending, now: float) -> None:
        """Note that what `due` gave is in the archive."""
        uid = pending.change.job["metadata"]["uid"]
        if pending.change.deleted:
            self._written.pop(uid, None)
        else:
            self._written[uid] = (now, _phase(pending.change.job))
        held = self._pending[uid]
        if held is pending:
            del self._pending[uid]
        else:
            told = held.endings.keys() - pending.endings.keys()
            self._pending[uid] = Pending(held.change, {ending: held.endings[ending] for ending in told})

    def _due_at(self, pending: Pending, now: float) -> float:
        uid = pending.change.job["metadata"]["uid"]
        at, phase = self._written.get(uid, (now - INTERVAL_SECONDS, None))
        urgent = pending.change.deleted or bool(pending.endings) or phase != _phase(pending.change.job)
        return now if urgent else at + INTERVAL_SECONDS


def _phase(job: Json) -> str | None:
    phase: str | None = (job.get("status") or {}).get("phase")
    return phase
