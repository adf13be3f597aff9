"""Why a stage's Job has no pod that runs: the scheduler's word, then the kubelet's, then what Events warn of."""

from collections.abc import Sequence

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis import admission, keeping
from pointcloud_operator.model.diagnosis.cause import Remedied
from pointcloud_operator.model.diagnosis.scheduling import unschedulable
from pointcloud_operator.model.diagnosis.starting import BEING_MADE, container_waits, pod_warned
from pointcloud_operator.model.observed import EventView, Fact, PodView


def waiting(stage: StageName, pods: Sequence[PodView], warnings: Sequence[EventView]) -> Remedied | None:
    """Why a stage does not run yet, None when nothing says that it will not soon.

    Args:
        stage: The stage that waits.
        pods: Its Job's pods, oldest first.
        warnings: Warning Events about the Job, or about its newest pod.
    """
    pod = next((pod for pod in reversed(pods) if pod.phase == "Pending"), None)
    if pod is None:
        refusals = [event for event in warnings if event.reason == "FailedCreate"]
        latest = max(refusals, key=lambda event: event.at, default=None)
        return admission.refusal(stage, latest.message) if latest else None
    if pod.unschedulable:
        return unschedulable(stage, pod)
    if pod.waiting and pod.waiting.reason not in BEING_MADE:
        return container_waits(stage, pod, pod.waiting)
    return pod_warned(stage, pod, warnings) if warnings else None


def refused(stage: StageName, why: Fact) -> Remedied:
    """Why the stage's Job could not be created, from what was noted when it was tried (`Observed.refusal`)."""
    if why.reason == keeping.JOB_TERMINATING.reason:
        return keeping.job_terminating(stage)
    if why.reason == keeping.JOB_NAME_TAKEN.reason:
        return keeping.job_name_taken(stage, why.message)
    return admission.refusal(stage, why.message)
