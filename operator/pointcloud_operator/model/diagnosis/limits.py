"""Causes that are limits: memory, scratch, time, tries, disruptions, and what the install allows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.resource import Disruption
from pointcloud_api.stages import Reason
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied, sentence

DEADLINE: Final = Cause(
    reason="DeadlineExceeded",
    seen="`status.activeSeconds` has reached `spec.activeDeadlineSeconds` or the install's `activeDeadlineSeconds`",
    message="The job has been at work for {worked} and may be for {limit}; the {stage} stage was stopped",
    remedy="Set spec.activeDeadlineSeconds to more, or choose a lower spec.reconstruction.quality: what was finished "
    "is kept",
    again=Again.WHEN_CHANGED,
)
DISRUPTED: Final = Cause(
    reason="TooManyDisruptions",
    seen="more pods of one stage than the install's `disruptionLimit` were taken away (`status.stages[].disruptions`)",
    message="{count} pods of the {stage} stage were taken away before they could end: {kinds}",
    remedy="Let it run where pods stay, by spec.stages.{stage}.nodeSelector or spec.stages.{stage}.priorityClassName, "
    "or raise disruptionLimit in the install's values",
    again=Again.WHEN_CHANGED,
)
MEMORY_CAP: Final = Cause(
    reason=Reason.OUT_OF_MEMORY,
    seen="the kernel ended the program for memory (`OOMKilled`, or exit code 79) with as much as the install's "
    "`stages.<stage>.maxMemory`; with less, the next attempt gets twice as much",
    message="The {stage} stage ran out of memory with {tried}; the install gives it {cap} at most",
    remedy="Choose a lower spec.reconstruction.quality or give fewer or smaller photos, or set "
    "spec.stages.{stage}.resources.limits.memory to more than {cap}",
    again=Again.WHEN_CHANGED,
)
SCRATCH_CAP: Final = Cause(
    reason=Reason.OUT_OF_SCRATCH,
    seen="the stage's scratch volume was full with as much as the install's `stages.<stage>.maxScratchSize`; with "
    "less, the next attempt gets twice as much",
    message="The {stage} stage ran out of scratch space with {tried}; the install gives it {cap} at most",
    remedy="Choose a lower spec.reconstruction.quality or give fewer or smaller photos, or raise "
    "stages.{stage}.maxScratchSize in the install's values",
    again=Again.WHEN_CHANGED,
)
PRIORITY_CLASS: Final = Cause(
    reason="PriorityClassNotAllowed",
    seen="`spec.stages.<stage>.priorityClassName` is none of the install's `priorityClasses`",
    message="spec.stages.{stage}.priorityClassName is {name}, and the install allows {allowed}",
    remedy="Name an allowed class or none in spec.stages.{stage}.priorityClassName, or add {name} to priorityClasses "
    "in the install's values",
    again=Again.ONCE_CURED,
)
QUEUED: Final = Cause(
    reason="Queued",
    seen="Kueue holds the stage's Job suspended",
    message="The {stage} stage waits for quota in the queue {queue}",
    remedy="See where it stands with `kubectl get workloads`; its LocalQueue is named by spec.queueName",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (DEADLINE, DISRUPTED, MEMORY_CAP, SCRATCH_CAP, PRIORITY_CLASS, QUEUED)


def deadline_exceeded(stage: StageName, seconds: int, limit: int) -> Remedied:
    """The job has been at work for so many seconds, and for `limit` is allowed."""
    return DEADLINE.said(stage=stage, worked=_duration(seconds), limit=_duration(limit))


def too_many_disruptions(stage: StageName, disruptions: Sequence[Disruption]) -> Remedied:
    """More pods of the stage were taken away than the install bears."""
    counts = Counter(disruption.reason.value for disruption in disruptions)
    kinds = [f"{count} {reason}" for reason, count in counts.most_common()]
    return DISRUPTED.said(stage=stage, count=len(disruptions), kinds=_listed(kinds))


def out_of_memory(stage: StageName, tried: Sequence[str], cap: str, said: str = "") -> Remedied:
    """The stage ran out of memory with the last of these limits, above which the install does not go by itself.

    `said` is what the stage itself said of it, such as which photo is too large.
    """
    told = MEMORY_CAP.said(stage=stage, tried=_listed(tried) or "all that its node has", cap=cap)
    return replace(told, message=f"{sentence(told.message)} {said}") if said else told


def out_of_scratch(stage: StageName, tried: Sequence[str], cap: str) -> Remedied:
    """The stage ran out of scratch with the last of these sizes, above which the install does not go."""
    return SCRATCH_CAP.said(stage=stage, tried=_listed(tried) or "all that its node has", cap=cap)


def priority_class_not_allowed(stage: StageName, name: str, allowed: Sequence[str]) -> Remedied:
    """The spec names a PriorityClass that the install does not allow."""
    return PRIORITY_CLASS.said(stage=stage, name=name, allowed=_listed(allowed) or "none")


def queued(stage: StageName, queue_name: str) -> Remedied:
    """Kueue has not admitted the stage's Job yet."""
    return QUEUED.said(stage=stage, queue=queue_name)


def _listed(items: Sequence[str]) -> str:
    *first, last = items or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def _duration(seconds: int) -> str:
    """Such as 90 s, 12 min, 5 h 30 min: two units at most, as nobody sets a deadline more finely."""
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(part for count, part in ((hours, f"{hours} h"), (minutes, f"{minutes} min")) if count)
