"""What is to become of an attempt whose Job is there: it goes on, another takes its place, or the stage has failed."""

from collections.abc import Sequence
from dataclasses import dataclass

from pointcloud_api.names import StageName
from pointcloud_api.resource import PointcloudJob, StageStatus
from pointcloud_api.stages import Reason
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.budget import failed_tries
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import Note
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.observed import KILLED_EXIT_CODE, JobView, PodView
from pointcloud_operator.model.records import SPEC_CHANGED
from pointcloud_operator.model.shortage import Raise, answer, shortage

_RETRY_LIMIT_REACHED = "BackoffLimitExceeded"
"""Reason of the Job's Failed condition."""


@dataclass(frozen=True)
class GivenUp:
    """The attempt is to be given up for another."""

    reason: str
    note: Note | None = None
    """What an Event says of it."""
    memory: str | None = None
    """What memory it had, if that was too little."""
    scratch_size: str | None = None
    """The same of its scratch."""


def verdict(  # noqa: PLR0913 - an attempt, and what it is judged by
    job: PointcloudJob,
    record: StageStatus,
    child: JobView,
    pods: Sequence[PodView],
    *,
    retries: int,
    config: InstallConfig,
) -> GivenUp | Remedied | None:
    """What is to become of an attempt whose Job is not complete; None: it goes on.

    Args:
        job: The PointcloudJob.
        record: What is recorded of the stage.
        child: The attempt's Job.
        pods: Its pods, oldest first.
        retries: How many failed tries of it may be tried again.
        config: The install's settings.
    """
    name = record.name
    last = next((pod for pod in reversed(pods) if pod.ended), None)
    if last and (reason := shortage(last)):  # a newer pod that has as little will only get as far
        match answer(reason, last, job, record, config):
            case Raise() as more:
                return _with_more(record, more)
            case Remedied() as why:
                return why
    if child.failed or _has_had_its_tries(child, pods, retries):
        return _again(name, child, pods, retries) or diagnosis.failure(name, child, pods)
    if len(record.disruptions) > config.disruption_limit:
        return diagnosis.too_many_disruptions(name, record.disruptions)
    return None


def _again(stage: StageName, child: JobView, pods: Sequence[PodView], retries: int) -> GivenUp | None:
    """Another attempt after one whose Job has failed and would not try again itself, if another try may do."""
    if _may_try_more(child, pods, retries):
        return GivenUp(SPEC_CHANGED)
    killed = bool(pods) and pods[-1].exit_code == KILLED_EXIT_CODE and not pods[-1].disruption
    if not killed or failed_tries(child, pods) > retries:
        return None
    why = diagnosis.failure(stage, child, pods)
    return GivenUp(why.reason, Note("Warning", why.reason, why.trying_again))


# A Job holds to the retry limit that was in force when it was made. The spec may have changed since.


def _has_had_its_tries(child: JobView, pods: Sequence[PodView], retries: int) -> bool:
    failed = bool(pods) and pods[-1].phase == "Failed" and pods[-1].disruption is None
    return failed and child.retry_limit > retries and failed_tries(child, pods) > retries


def _may_try_more(child: JobView, pods: Sequence[PodView], retries: int) -> bool:
    held = child.failed is not None and child.failed.reason == _RETRY_LIMIT_REACHED
    return held and child.retry_limit < retries and failed_tries(child, pods) <= retries


def disallowed(job: PointcloudJob, stage: StageName, config: InstallConfig) -> Remedied | None:
    """Why the spec's PriorityClass keeps the stage's Job from being made, None where it does not."""
    name = job.spec.stages.of(stage).priority_class_name
    if name is None or name in config.priority_classes:
        return None
    return diagnosis.priority_class_not_allowed(stage, name, config.priority_classes)


def _with_more(record: StageStatus, more: Raise) -> GivenUp:
    has = f"with {more.had}: its next attempt has {more.has}"
    if more.reason is Reason.OUT_OF_MEMORY:
        note = Note("Warning", "MemoryRaised", f"The {record.name} stage ran out of memory {has}")
        return GivenUp(more.reason, note, memory=more.had)
    note = Note("Warning", "ScratchRaised", f"The {record.name} stage ran out of scratch space {has}")
    return GivenUp(more.reason, note, scratch_size=more.had)
