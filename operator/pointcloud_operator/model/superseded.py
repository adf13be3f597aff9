"""What was made under settings that the spec has left: kept for going back to it, and removed some time after others.

The status lists every key that was begun and is no stage's any more. An entry's `remove_at` is the intent to remove:
from then on the removal may be under way, seen or unseen, so nothing takes what lies there, and the same wish is worked
on under another key (`plan.renewals`). Before, going back to the settings takes the key off the list again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pointcloud_api.names import stage_prefix
from pointcloud_api.resource import ObjectMeta, PointcloudJobStatus, StageStatus, SupersededStage
from pointcloud_operator.model.decision import ARTEFACTS_LEFT, Note
from pointcloud_operator.model.observed import Observed

MAX_SUPERSEDED: Final = 64
"""As many entries as a status may have."""
ERASED_SOON: Final = timedelta(seconds=1)
"""When to look whether something has been removed."""
ERASE_INTERVAL: Final = timedelta(seconds=30)
"""How often a store that does not remove something is asked again."""


def left(entries: Sequence[SupersededStage], now: datetime) -> dict[str, bool]:
    """The keys that the spec has left, and whether what was made under them may be taken."""
    return {entry.key: not _over(entry, now) for entry in entries}


def superseded(
    before: PointcloudJobStatus, stages: Sequence[StageStatus], *, wished: Collection[str]
) -> tuple[SupersededStage, ...]:
    """The list for a status that has become of another, the longest-standing entries first.

    Args:
        before: The status before.
        stages: The stages as they are now.
        wished: The keys that the spec asks for, begun or not: none of these is to be removed.
    """
    begun = {stage.key for stage in stages if stage.job}
    listed = {entry.key for entry in before.superseded}
    new = (
        SupersededStage(name=stage.name, key=stage.key)
        for stage in before.stages
        if stage.job and stage.key not in listed
    )
    return tuple(
        entry.model_copy(update={"remove_at": None}) if entry.key in wished else entry
        for entry in (*before.superseded, *new)
        if entry.key not in begun
    )


def scheduled(entries: Sequence[SupersededStage], remove_at: datetime) -> tuple[SupersededStage, ...]:
    """The list once others are published: whatever has no time yet goes at that one."""
    return tuple(entry if entry.remove_at else entry.model_copy(update={"remove_at": remove_at}) for entry in entries)


def bounded(
    metadata: ObjectMeta, entries: tuple[SupersededStage, ...]
) -> tuple[tuple[SupersededStage, ...], tuple[Note, ...]]:
    """As much of the list as a status may hold, and what is to be said of the rest, which nobody will remove."""
    excess = len(entries) - MAX_SUPERSEDED
    if excess <= 0:
        return entries, ()
    folders = ", ".join(_folder(metadata, entry) for entry in entries[:excess])
    said = f"More than {MAX_SUPERSEDED} earlier results wait to be removed, so these are left in the store: {folders}"
    return entries[excess:], (Note("Warning", ARTEFACTS_LEFT, said),)


@dataclass(frozen=True)
class Removal:
    """What to remove of what was published before, and when to look again."""

    kept: tuple[SupersededStage, ...]
    """The list, without what is gone."""
    erase: tuple[str, ...]
    """Folders of the store."""
    wake_at: datetime | None


def removal(metadata: ObjectMeta, status: PointcloudJobStatus, observed: Observed, now: datetime) -> Removal:
    """What to remove for a PointcloudJob whose newest settings are published."""
    current = {stage.key for stage in status.stages} | {status.published}
    entries = [entry for entry in status.superseded if entry.key not in current]
    folders = {entry.key: _folder(metadata, entry) for entry in entries if _over(entry, now)}
    kept = tuple(entry for entry in entries if folders.get(entry.key) not in observed.erased)
    erase = tuple(folders[entry.key] for entry in kept if entry.key in folders)
    times = [entry.remove_at for entry in kept if entry.remove_at and entry.key not in folders]
    if erase:
        times.append(now + (ERASE_INTERVAL if observed.erase_refusal else ERASED_SOON))
    return Removal(kept, erase, min(times, default=None))


def _over(entry: SupersededStage, now: datetime) -> bool:
    return entry.remove_at is not None and now >= entry.remove_at


def _folder(metadata: ObjectMeta, entry: SupersededStage) -> str:
    return stage_prefix(
        stage=entry.name, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid, key=entry.key
    )
