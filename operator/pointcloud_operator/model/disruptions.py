"""Pods that were taken away before they could end by themselves: which, by whom, and whether that is still borne.

Kubernetes says it by the condition DisruptionTarget while the pod is there. A pod may also be gone between two looks at
the cluster; then the record's word that it ran, and a newer pod in its place, tell.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from pointcloud_api.resource import Disruption, DisruptionReason, StagePod, StageStatus
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import Note, PodReference
from pointcloud_operator.model.observed import JobView, Observed, PodView

NODE_SILENT: Final = "NodeSilent"
"""Reason of the condition DisruptionTarget that this operator gives a pod whose node does not answer."""
_REASONS: Final = {
    "PreemptionByScheduler": DisruptionReason.PREEMPTED,
    "EvictionByEvictionAPI": DisruptionReason.EVICTED,
    "TerminationByKubelet": DisruptionReason.EVICTED,
    "DeletionByTaintManager": DisruptionReason.NODE_LOST,
    "DeletionByPodGC": DisruptionReason.NODE_LOST,
    NODE_SILENT: DisruptionReason.NODE_LOST,
}
"""By the reason of the condition DisruptionTarget. Others count as Evicted."""
_SAID: Final = {
    DisruptionReason.PREEMPTED: "has to make room for others",
    DisruptionReason.EVICTED: "is evicted from its node",
    DisruptionReason.NODE_LOST: "is lost with its node",
    DisruptionReason.POD_DELETED: "is gone without having ended",
}


def new_disruptions(
    record: StageStatus, child: JobView, pods: Sequence[PodView], config: InstallConfig, now: datetime
) -> tuple[Disruption, ...]:
    """Those of a Job's pods that were taken away and are not on record yet."""
    known = {disruption.pod_uid for disruption in record.disruptions}
    found = [
        Disruption(pod=pod.name, pod_uid=pod.uid, reason=reason, time=now)
        for pod in pods
        if (reason := _reason(pod, child, config, now)) and pod.uid not in known
    ]
    if (pod := record.pod) and pod.uid not in known and _vanished(pod, child, pods):
        found.append(Disruption(pod=pod.name, pod_uid=pod.uid, reason=DisruptionReason.POD_DELETED, time=now))
    # One more than is borne is enough to fail, and the most that the status has room for.
    return tuple(found[: max(config.disruption_limit + 1 - len(record.disruptions), 0)])


def disrupted(record: StageStatus, new: Sequence[Disruption]) -> StageStatus:
    """The record with those disruptions."""
    return record.model_copy(update={"disruptions": (*record.disruptions, *new)})


def notes_of(
    record: StageStatus, new: Sequence[Disruption], pods: Sequence[PodView], config: InstallConfig
) -> list[Note]:
    """The Events that say of each new disruption what it was, the how manieth, and how many are borne."""
    by_uid = {pod.uid: pod.disruption for pod in pods}
    notes = []
    for number, disruption in enumerate(new, start=len(record.disruptions) + 1):
        fact = by_uid.get(disruption.pod_uid)
        detail = f" ({fact.message})" if fact and fact.message else ""
        message = (
            f"Pod {disruption.pod} of the {record.name} stage {_SAID[disruption.reason]}{detail}: "
            f"disruption {number}, and {config.disruption_limit} are borne"
        )
        notes.append(Note("Warning", disruption.reason, message))
    return notes


def silent(observed: Observed, config: InstallConfig, now: datetime) -> tuple[PodReference, ...]:
    """Pods that were to have ended long ago: their node does not answer, and nobody else will replace them."""
    return tuple(PodReference(pod.name, pod.uid) for pod in _pods(observed) if _is_silent(pod, config, now))


def silent_at(observed: Observed, config: InstallConfig, now: datetime) -> datetime | None:
    """When the next pod is to be taken for gone."""
    grace = timedelta(seconds=config.force_delete_seconds)
    times = (pod.deletion + grace for pod in _pods(observed) if pod.deletion and not pod.ended)
    return min((time for time in times if time > now), default=None)


def _pods(observed: Observed) -> Iterator[PodView]:
    return (pod for several in observed.pods.values() for pod in several)


def _is_silent(pod: PodView, config: InstallConfig, now: datetime) -> bool:
    grace = timedelta(seconds=config.force_delete_seconds)
    return pod.deletion is not None and not pod.ended and now >= pod.deletion + grace


def _reason(pod: PodView, child: JobView, config: InstallConfig, now: datetime) -> DisruptionReason | None:
    if pod.phase == "Succeeded":
        return None
    if pod.disruption:
        return _REASONS.get(pod.disruption.reason, DisruptionReason.EVICTED)
    if _is_silent(pod, config, now):
        return DisruptionReason.NODE_LOST
    return DisruptionReason.PREEMPTED if child.queued and pod.deletion else None


def _vanished(pod: StagePod, child: JobView, pods: Sequence[PodView]) -> bool:
    """Whether a pod that ran is gone and not counted as a failure.

    Only a pod that came after it proves that it is gone: a view that is out of date may not show it yet.
    """
    if any(each.uid == pod.uid for each in pods):
        return False
    replaced = any(each.created >= pod.created for each in pods)
    return replaced and child.failures <= pod.failures
