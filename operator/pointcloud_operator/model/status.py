"""Builds the status of a PointcloudJob from the one before and what has become known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pointcloud_api.names import StageName
from pointcloud_api.resource import (
    Condition,
    ConditionType,
    ImagesStatus,
    PointcloudJob,
    PointcloudJobStatus,
    ProgressStatus,
)
from pointcloud_api.stages import Figures, StageResult

MAX_WARNINGS: Final = 16
MAX_WARNING: Final = 1024
MAX_PROGRESS_MESSAGE: Final = 1024
MAX_CONDITION_MESSAGE: Final = 4096
MAX_CONDITION_REASON: Final = 128


@dataclass(frozen=True)
class Verdict:
    """What the conditions say of a job."""

    kind: Literal["Reconciling", "AwaitingUpload", "Suspended", "Complete", "Failed"]
    reason: str
    message: str


@dataclass(frozen=True)
class Said:
    """What one condition says that is no verdict on the job."""

    reason: str
    message: str


def conditions(
    previous: Sequence[Condition], verdict: Verdict, *, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """All conditions. `lastTransitionTime` moves only when a condition's status does.

    Who awaits the user is neither Reconciling nor Stalled: kstatus then takes the resource for Current, so that what
    applies it (`helm --wait`, GitOps) does not wait for somebody's photos.
    """
    true_types = {
        "Reconciling": {ConditionType.RECONCILING},
        "AwaitingUpload": {ConditionType.AWAITING_UPLOAD},
        "Suspended": {ConditionType.SUSPENDED},
        "Complete": {ConditionType.COMPLETE},
        "Failed": {ConditionType.FAILED, ConditionType.STALLED},
    }[verdict.kind]
    before = {condition.type: condition for condition in previous}
    return tuple(
        _condition(kind, before.get(kind), verdict, is_true=kind in true_types, generation=generation, now=now)
        for kind in ConditionType
        if kind is not ConditionType.PARTIAL_RECONSTRUCTION
    )


def judged(status: PointcloudJobStatus, job: PointcloudJob, now: datetime) -> PointcloudJobStatus:
    """The status with the condition PartialReconstruction, once it is known how many photos are registered.

    It is no verdict on the job, and stands beside any: a cloud of few of the photos is published like any other.
    """
    kind = ConditionType.PARTIAL_RECONSTRUCTION
    others = tuple(condition for condition in status.conditions if condition.type != kind)
    images = status.images
    if images is None or images.registered is None or not images.usable:
        return status.model_copy(update={"conditions": others})
    least = job.spec.reconstruction.min_registered_percent
    partial = 100 * images.registered < least * images.usable
    share = f"{images.registered} of {images.usable} usable photos are registered"
    few = (
        f"{share}, fewer than spec.reconstruction.minRegisteredPercent ({least} %): status.warnings says which are not"
    )
    said = Said("FewRegistered", few) if partial else Said("EnoughRegistered", share)
    before = next((condition for condition in job.status.conditions if condition.type == kind), None)
    new = _condition(kind, before, said, is_true=partial, generation=job.metadata.generation, now=now)
    return status.model_copy(update={"conditions": (*others, new)})


def _condition(  # noqa: PLR0913 - the fields of one condition
    kind: ConditionType,
    before: Condition | None,
    said: Verdict | Said,
    *,
    is_true: bool,
    generation: int,
    now: datetime,
) -> Condition:
    status: Literal["True", "False"] = "True" if is_true else "False"
    moved = before is None or before.status != status
    return Condition(
        type=kind.value,
        status=status,
        observed_generation=generation,
        last_transition_time=now if moved or before is None else before.last_transition_time,
        reason=shortened(said.reason, MAX_CONDITION_REASON),
        message=shortened(said.message, MAX_CONDITION_MESSAGE) if is_true else "",
    )


def with_result(status: PointcloudJobStatus, result: StageResult) -> PointcloudJobStatus:
    """The status with a stage's figures and warnings taken in; the figures hold those of the stages before."""
    mine = tuple(shortened(f"{result.stage}: {w.message}", MAX_WARNING) for w in result.warnings)
    others = without_warnings(status, result.stage).warnings
    return status.model_copy(
        update={
            "images": _images(result.figures),
            "points": result.figures.points,
            "density": result.figures.density,
            "warnings": (*others, *mine)[:MAX_WARNINGS],
        }
    )


def without_warnings(status: PointcloudJobStatus, stage: StageName) -> PointcloudJobStatus:
    """The status without what an earlier run of a stage warned of."""
    kept = tuple(warning for warning in status.warnings if not warning.startswith(f"{stage}: "))
    return status if kept == status.warnings else status.model_copy(update={"warnings": kept})


def progress(percent: int, message: str) -> ProgressStatus:
    """Progress as the status shows it."""
    return ProgressStatus(percent=percent, display=f"{percent}%", message=shortened(message, MAX_PROGRESS_MESSAGE))


def shortened(text: str, limit: int) -> str:
    """The text, cut to a number of characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _images(figures: Figures) -> ImagesStatus | None:
    if figures.images_usable is None:
        return None
    registered = figures.images_registered
    return ImagesStatus(
        found=figures.images_found,
        usable=figures.images_usable,
        registered=registered,
        reused=figures.images_reused,
        display=str(figures.images_usable) if registered is None else f"{registered}/{figures.images_usable}",
    )
