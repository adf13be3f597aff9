"""Why a stage's Job failed: which of its pods speaks, and what is said when none is left."""

from collections.abc import Sequence
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis import exits, taken, told
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied, sentence
from pointcloud_operator.model.diagnosis.quoting import plain
from pointcloud_operator.model.observed import JobView, PodView

TRIES_USED_UP: Final = Cause(
    reason="BackoffLimitExceeded",
    seen="the Job's condition Failed has the reason `BackoffLimitExceeded`, and its pods are gone",
    message="The {stage} stage failed as often as the retry limit allows, and its pods, which could say why, are gone",
    remedy="Read log.txt in the stage's folders of the store; raise spec.retryLimit, or change the spec to try again",
    again=Again.WHEN_CHANGED,
)
FINAL_FAILURE: Final = Cause(
    reason="PodFailurePolicy",
    seen="the Job's condition Failed has the reason `PodFailurePolicy`, and its pods are gone",
    message="The {stage} stage failed in a way that another try would not cure, and its pods are gone: {detail}",
    remedy="Read log.txt in the stage's folder of the store, correct the spec's source or settings, and try again by "
    "a new value of spec.rerun",
    again=Again.WHEN_CHANGED,
)
JOB_FAILED: Final = Cause(
    reason="JobFailed",
    seen="the Job has failed for any other reason, and its pods are gone",
    message="The Job of the {stage} stage failed: {detail}",
    remedy="See `kubectl describe job {job}`, then try again by a new value of spec.rerun",
    again=Again.WHEN_CHANGED,
)
CAUSES: Final = (*exits.CAUSES, *taken.CAUSES, TRIES_USED_UP, FINAL_FAILURE, JOB_FAILED)
_BY_JOB: Final = {cause.reason: cause for cause in (TRIES_USED_UP, FINAL_FAILURE)}


def failure(stage: StageName, job: JobView, pods: Sequence[PodView]) -> Remedied:
    """Why a stage's Job failed, or its last try.

    Args:
        stage: The stage.
        job: Its Job.
        pods: The Job's pods, oldest first.
    """
    why = _why(stage, job, pods)
    if job.failed and job.failures > 1:
        message = f"{sentence(why.message)} That was the last of {job.failures} tries"
        return Remedied(reason=why.reason, message=message, remedy=why.remedy)
    return why


def _why(stage: StageName, job: JobView, pods: Sequence[PodView]) -> Remedied:
    failed = [pod for pod in pods if pod.phase == "Failed" or pod.exit_code]
    if not failed:
        return _job_failed(stage, job)
    last = max(failed, key=lambda pod: (pod.disruption is None, pod.finished_at or pod.created, pod.name))
    if last.termination.error:
        return told.said(stage, last.termination.error)
    if last.exit_reason == "OOMKilled" and last.exit_code:
        limit = f"its limit of {last.memory_limit}" if last.memory_limit else "its node has"
        return told.OUT_OF_MEMORY.said(stage=stage, limit=limit)
    if last.status.reason or (last.status.message and not last.exit_code):
        return taken.pod_failed(stage, last)
    return exits.exited(stage, last, last.exit_code) if last.exit_code else _job_failed(stage, job)


def _job_failed(stage: StageName, job: JobView) -> Remedied:
    if job.failed is None:
        return JOB_FAILED.said(stage=stage, job=job.name, detail="its pods are gone")
    cause = _BY_JOB.get(job.failed.reason, JOB_FAILED)
    return cause.said(stage=stage, job=job.name, detail=plain(job.failed.message) or plain(job.failed.reason))
