"""Causes that lie with the node: a pod that it evicted, refused, lost or ended for others."""

import re
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.stages import Reason
from pointcloud_operator.model.diagnosis import told
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import MAX_NAME, plain
from pointcloud_operator.model.observed import PodView

EPHEMERAL: Final = Cause(
    reason=Reason.OUT_OF_SCRATCH,
    seen="the pod was evicted for more ephemeral storage than its limit of it",
    message="The {stage} stage was stopped because it needed more than its limit of ephemeral-storage: {detail}",
    remedy="Set spec.stages.{stage}.resources.limits.ephemeral-storage to more than the stage's scratchSize, or leave "
    "it out",
    again=Again.WHEN_CHANGED,
)
EVICTED: Final = Cause(
    reason="Evicted",
    seen="the pod's reason is `Evicted`",
    message="The node {node} evicted the pod of the {stage} stage: {detail}",
    remedy="Set spec.stages.{stage}.resources.requests to what the stage needs, so that it gets a node with enough",
    again=Again.BY_ITSELF,
)
NODE_LOST: Final = Cause(
    reason="NodeLost",
    seen="the pod's reason is `NodeLost`, or its DisruptionTarget says that its node is gone",
    message="The node {node} of the {stage} stage is gone or does not answer: {detail}",
    remedy="Nothing to do: the stage goes on on another node. `kubectl describe node {node}` tells what happened",
    again=Again.BY_ITSELF,
)
NODE_SHUTDOWN: Final = Cause(
    reason="Evicted",
    seen="the pod's reason is `Terminated` or `NodeShutdown`",
    message="The node {node} of the {stage} stage is shutting down: {detail}",
    remedy="Nothing to do: the stage goes on on another node. spec.stages.{stage}.nodeSelector keeps it off nodes that "
    "come and go",
    again=Again.BY_ITSELF,
)
PREEMPTED: Final = Cause(
    reason="Preempted",
    seen="the pod's reason is `Preempting`, or its DisruptionTarget says so",
    message="The pod of the {stage} stage had to make room on the node {node} for another: {detail}",
    remedy="Nothing to do: the stage goes on in another pod. spec.stages.{stage}.priorityClassName gives it a higher "
    "priority",
    again=Again.BY_ITSELF,
)
NODE_REFUSED: Final = Cause(
    reason="NodeRefused",
    seen="the pod's reason is `OutOfcpu`, `OutOfmemory` and the like, `NodeAffinity`, `UnexpectedAdmissionError` or "
    "`TopologyAffinityError`",
    message="The node {node} refused the pod of the {stage} stage ({why}): {detail}",
    remedy="Nothing to do at first; when it happens again, look at that node, such as its device plugin, with "
    "`kubectl describe node {node}`, and keep pods off it with `kubectl cordon {node}`",
    again=Again.RETRIED,
)
POD_FAILED: Final = Cause(
    reason="PodFailed",
    seen="any other reason of a failed pod without a container",
    message="The pod of the {stage} stage failed ({why}): {detail}",
    remedy="See `kubectl describe pod {pod}`",
    again=Again.RETRIED,
)
CAUSES: Final = (
    EPHEMERAL,
    EVICTED,
    NODE_LOST,
    NODE_SHUTDOWN,
    PREEMPTED,
    NODE_REFUSED,
    POD_FAILED,
)
_BY_POD: Final = {
    "Evicted": EVICTED,
    "NodeLost": NODE_LOST,
    "Terminated": NODE_SHUTDOWN,
    "NodeShutdown": NODE_SHUTDOWN,
    "Preempting": PREEMPTED,
    "NodeAffinity": NODE_REFUSED,
    "UnexpectedAdmissionError": NODE_REFUSED,
    "TopologyAffinityError": NODE_REFUSED,
    "TaintToleration": NODE_REFUSED,
}
_SCRATCH_FULL: Final = "Usage of EmptyDir volume"
_EPHEMERAL_FULL: Final = re.compile(
    r"Pod ephemeral local storage usage exceeds|exceeded its local ephemeral storage limit"
)


def pod_failed(stage: StageName, pod: PodView) -> Remedied:
    """Why a pod failed, as its own reason and message tell."""
    reason, detail = pod.status.reason, pod.status.message
    return _cause(reason, detail).said(
        stage=stage,
        pod=pod.name,
        node=pod.node or "<node>",
        why=plain(reason, MAX_NAME) or "no reason is given",
        detail=plain(detail) or "no detail is given",
        limit=f"its {pod.scratch_size}" if pod.scratch_size else "it has",
    )


def _cause(reason: str, detail: str) -> Cause:
    if reason == EVICTED.reason and detail.startswith(_SCRATCH_FULL):
        return told.OUT_OF_SCRATCH
    if reason == EVICTED.reason and _EPHEMERAL_FULL.search(detail):
        return EPHEMERAL
    return NODE_REFUSED if reason.startswith("OutOf") else _BY_POD.get(reason, POD_FAILED)
