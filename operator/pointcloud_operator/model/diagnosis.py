"""Why a stage waits or has failed, in words for the user: what is wrong, and what to do next.

The best source comes first: what the stage itself said, then what Kubernetes says of its container, its pod, its Job.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.stages import Reason, StageError
from pointcloud_operator.model.observed import EventView, Fact, JobView, PodView

STAGE_CRASHED: Final = "StageCrashed"
RESULT_MISSING: Final = "ResultMissing"

_SIGNALS: Final = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV"}


@dataclass(frozen=True)
class Remedied:
    """What keeps a stage from its end, and what to do about it."""

    reason: str
    message: str
    remedy: str

    @property
    def text(self) -> str:
        """Message and remedy as one text."""
        return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in (self.message, self.remedy))


def failure(stage: StageName, job: JobView, pods: Sequence[PodView]) -> Remedied:
    """Why a stage's Job failed."""
    ended = sorted((pod for pod in pods if pod.finished_at), key=lambda pod: (pod.finished_at, pod.name))
    evicted = next((pod for pod in reversed(pods) if pod.status.reason == "Evicted"), None)
    if ended and (error := ended[-1].termination.error):
        return _said(error)
    if evicted and not (ended and ended[-1].exit_reason == "OOMKilled"):
        return _evicted(stage, evicted)
    if ended:
        return _ended(stage, ended[-1])
    if pods and pods[-1].status.message:
        return Remedied(
            reason=pods[-1].status.reason or STAGE_CRASHED,
            message=f"the pod of the {stage} stage failed: {pods[-1].status.message}",
            remedy=f"see `kubectl describe pod {pods[-1].name}`",
        )
    return Remedied(
        reason=(job.failed and job.failed.reason) or STAGE_CRASHED,
        message=f"the Job of the {stage} stage failed: {(job.failed and job.failed.message) or 'its pods are gone'}",
        remedy=f"see `kubectl describe job {job.name}`, then change the spec or create the PointcloudJob anew",
    )


def result_missing(stage: StageName, job: JobView) -> Remedied:
    """A Job is complete, and neither its pod nor the store has its result."""
    return Remedied(
        reason=RESULT_MISSING,
        message=f"the Job {job.name} of the {stage} stage is complete, but its result is not in the store",
        remedy="check that the store's volume was not replaced, then create the PointcloudJob anew",
    )


def waiting(stage: StageName, pods: Sequence[PodView], warnings: Sequence[EventView]) -> Remedied | None:
    """Why a stage does not run yet, None when nothing says that it will not soon.

    Args:
        stage: The stage that waits.
        pods: Its Job's pods, oldest first.
        warnings: Warning Events about the Job, or about its newest pod.
    """
    pod = next((pod for pod in reversed(pods) if pod.phase == "Pending"), None)
    if pod and pod.unschedulable:
        return _unschedulable(stage, pod.unschedulable)
    if pod and pod.waiting and pod.waiting.reason not in {"ContainerCreating", "PodInitializing"}:
        return _container_waits(stage, pod, pod.waiting)
    if warnings:
        latest = max(warnings, key=lambda event: event.at)
        return _warned(stage, latest)
    return None


def _said(error: StageError) -> Remedied:
    return Remedied(reason=error.reason, message=error.message, remedy=error.remedy)


def _ended(stage: StageName, pod: PodView) -> Remedied:
    if pod.exit_reason == "OOMKilled":
        limit = f"its limit of {pod.memory_limit}" if pod.memory_limit else "the node has"
        return Remedied(
            reason=Reason.OUT_OF_MEMORY,
            message=f"the {stage} stage was stopped because it needed more memory than {limit}",
            remedy=f"set spec.stages.{stage}.resources.limits.memory to more, or choose a lower "
            "spec.reconstruction.quality",
        )
    code = pod.exit_code or 0
    how = f"was ended by {_SIGNALS[code]}" if code in _SIGNALS else f"ended with status {code}"
    start_error = pod.exit_reason in {"StartError", "ContainerCannotRun"}
    return Remedied(
        reason=STAGE_CRASHED,
        message=f"the program of the {stage} stage could not be started"
        if start_error
        else f"the program of the {stage} stage {how} before it could say why",
        remedy=f"read its log with `kubectl logs {pod.name}`, and report it as a defect if the photos are sound",
    )


def _evicted(stage: StageName, pod: PodView) -> Remedied:
    detail = pod.status.message.strip()
    if re.search(r"ephemeral|emptyDir", detail):
        return Remedied(
            reason=Reason.OUT_OF_SCRATCH,
            message=f"the {stage} stage was stopped because it needed more scratch space than it has: {detail}",
            remedy=f"raise scratchSize of the {stage} stage in the install's values, or use fewer or smaller photos",
        )
    return Remedied(
        reason="Evicted",
        message=f"the pod of the {stage} stage was evicted from its node: {detail}",
        remedy=f"set spec.stages.{stage}.resources.requests to what the stage needs, then create the job anew",
    )


def _unschedulable(stage: StageName, fact: Fact) -> Remedied:
    if "nvidia.com/gpu" in fact.message:
        remedy = "Add a node with a free GPU, or set spec.reconstruction.device: cpu"
    elif "persistentvolumeclaim" in fact.message:
        remedy = "Create that PersistentVolumeClaim in the PointcloudJob's namespace, or name another one"
    else:
        remedy = f"Add a node that fits, or lower spec.stages.{stage}.resources"
    return Remedied(reason=fact.reason, message=fact.message, remedy=remedy)


def _container_waits(stage: StageName, pod: PodView, fact: Fact) -> Remedied:
    about_image = "Image" in fact.reason
    return Remedied(
        reason=fact.reason,
        message=f"the container of the {stage} stage cannot start ({fact.reason}): {fact.message or 'no detail given'}",
        remedy="Check the image and imagePullSecrets in the install's values"
        if about_image
        else f"See `kubectl describe pod {pod.name}`",
    )


def _warned(stage: StageName, event: EventView) -> Remedied:
    remedies = {
        "FailedCreate": "Raise the namespace's ResourceQuota, or change what refuses the pod",
        "FailedMount": "Check the PersistentVolumeClaim that spec.source names",
        "FailedAttachVolume": "Check the PersistentVolumeClaim that spec.source names",
    }
    return Remedied(
        reason=event.reason,
        message=f"the pod of the {stage} stage cannot start: {event.message}",
        remedy=remedies.get(event.reason, "See `kubectl get events` in the PointcloudJob's namespace"),
    )
