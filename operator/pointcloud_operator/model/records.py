"""How the record of a stage changes when a pod of it runs, and when an attempt is given up and another is to come."""

from collections.abc import Sequence
from typing import Final

from pointcloud_api.names import stage_job_name
from pointcloud_api.resource import AttemptStatus, Phase, StagePod, StageStatus
from pointcloud_api.stages import Reason
from pointcloud_operator.model.plan import PlannedStage

MAX_EARLIER_ATTEMPTS: Final = 16

SUSPENDED: Final = "Suspended"
"""Reason of an attempt that was given up: the user has stopped the work."""
SPEC_CHANGED: Final = "SpecChanged"
"""The same: the spec has changed, which may be the cure of what the attempt failed of or waited for."""


def planned(stage: PlannedStage) -> StageStatus:
    """The record of a stage whose turn has not come: it remembers whose work may be taken over."""
    return StageStatus(
        name=stage.name,
        key=stage.key,
        settings=stage.recorded_settings(),
        job="",
        previous_key=stage.previous_key,
    )


def intended(record: StageStatus, attempt: int, *, name: str) -> StageStatus:
    """The record with the intent to make an attempt's Job, for the PointcloudJob of that name."""
    return record.model_copy(
        update={
            "phase": Phase.PENDING,
            "attempt": attempt,
            "job": stage_job_name(name=name, stage=record.name, key=record.key, attempt=attempt),
            "pod": None,
            "start_time": None,
            "completion_time": None,
        }
    )


def given_up(
    record: StageStatus, reason: str, *, name: str, memory: str | None = None, scratch_size: str | None = None
) -> StageStatus:
    """The record with its attempt given up and the next one intended.

    Args:
        record: The stage's.
        reason: Why the attempt is given up.
        name: The PointcloudJob's.
        memory: What memory it had, if that was too little.
        scratch_size: What scratch it had, if that was too little.
    """
    entry = AttemptStatus(attempt=record.attempt, reason=reason, memory=memory, scratch_size=scratch_size)
    next_one = intended(record, record.attempt + 1, name=name)
    return next_one.model_copy(update={"earlier_attempts": _bounded((*record.earlier_attempts, entry))})


def suspended(record: StageStatus, *, name: str) -> StageStatus:
    """The record with its attempt given up and the next one intended, once the work goes on."""
    return given_up(record, SUSPENDED, name=name).model_copy(update={"phase": Phase.SUSPENDED})


def renewed_record(record: StageStatus, stage: PlannedStage, *, name: str) -> StageStatus:
    """The record of a stage whose artefacts are gone, under its new key and with the intent to run it again."""
    anew = given_up(record, Reason.UPSTREAM_MISSING, name=name)
    kept = {"retries": anew.retries, "disruptions": anew.disruptions, "earlier_attempts": anew.earlier_attempts}
    return intended(planned(stage).model_copy(update=kept), anew.attempt, name=name)


def renewals_of(record: StageStatus) -> int:
    """How often the stage was run again because its artefacts, or those before it, were gone."""
    return sum(1 for attempt in record.earlier_attempts if attempt.reason == Reason.UPSTREAM_MISSING)


def charged(record: StageStatus, tries: int) -> StageStatus:
    """The record with failed tries of an attempt that ends."""
    return record.model_copy(update={"retries": record.retries + tries})


def run_by(record: StageStatus, pod: StagePod) -> StageStatus:
    """The record once that pod runs; a view that is out of date may show an older one."""
    known = record.pod
    older = known is not None and (known.uid == pod.uid or known.created > pod.created)
    return record if older else record.model_copy(update={"pod": pod})


def _bounded(attempts: Sequence[AttemptStatus]) -> tuple[AttemptStatus, ...]:
    """The newest attempts, and before them those that tell how much is too little: later ones have more by them."""
    excess = len(attempts) - MAX_EARLIER_ATTEMPTS
    idle = [each for each in attempts if each.memory is None and each.scratch_size is None]
    dropped = idle[: max(excess, 0)]
    return tuple(each for each in attempts if each not in dropped)
