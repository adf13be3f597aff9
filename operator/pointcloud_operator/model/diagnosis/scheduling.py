"""Causes that are the scheduler's: which resource, taint, label or volume a stage's pod finds on no node.

The scheduler counts nodes by what is wrong with them: "0/3 nodes are available: 1 Insufficient memory, 2 node(s) were
unschedulable. preemption: …". We say it of a stage, with the amounts and labels it asks for, and keep the original.
"""

import re
from collections.abc import Mapping
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import MAX_NAME, plain
from pointcloud_operator.model.observed import PodView

REASON: Final = "Unschedulable"
GPU: Final = "nvidia.com/gpu"

_SAYS: Final = "; the scheduler says “{detail}”"
CLAIM_MISSING: Final = Cause(
    reason=REASON,
    seen="“persistentvolumeclaim … not found” in the pod's condition `PodScheduled`",
    message="The PersistentVolumeClaim {claim}, which is to hold the photos, does not exist in the namespace",
    remedy="Create that PersistentVolumeClaim, or name another one in spec.source.persistentVolumeClaim.claimName",
    again=Again.ONCE_CURED,
)
CLAIM_UNBOUND: Final = Cause(
    reason=REASON,
    seen="“unbound immediate PersistentVolumeClaims”, or another word of the claim, in `PodScheduled`",
    message="The PersistentVolumeClaim {claim}, which holds the photos, has no volume that can be mounted" + _SAYS,
    remedy="See why with `kubectl describe pvc {claim}`: mostly no volume fits its storageClassName, accessModes or "
    "size",
    again=Again.ONCE_CURED,
)
VOLUME_ELSEWHERE: Final = Cause(
    reason=REASON,
    seen="“volume node affinity conflict”, “volume zone”, “max volume count” or “persistent volumes to bind” in "
    "`PodScheduled`",
    message="No node (of {nodes}) that reaches the volume of the claim {claim} takes the {stage} stage: {short}"
    + _SAYS,
    remedy="Make room on the nodes that its volume can reach: `kubectl describe pvc {claim}` names the volume, "
    "`kubectl describe pv` the nodes",
    again=Again.ONCE_CURED,
)
NO_GPU: Final = Cause(
    reason=REASON,
    seen="“Insufficient nvidia.com/gpu” in `PodScheduled`, or no node with the labels of a GPU node",
    message="No node (of {nodes}) has a free GPU for the {stage} stage: {short}" + _SAYS,
    remedy="Add a node with a free GPU, or set spec.reconstruction.device: cpu",
    again=Again.ONCE_CURED,
)
TOO_LITTLE: Final = Cause(
    reason=REASON,
    seen="“Insufficient” and a resource in `PodScheduled`",
    message="No node (of {nodes}) has room for the {stage} stage: {short}" + _SAYS,
    remedy="Add a node that fits, wait until others have ended, or set spec.stages.{stage}.resources.requests to less",
    again=Again.ONCE_CURED,
)
NO_SUCH_NODE: Final = Cause(
    reason=REASON,
    seen="“didn't match Pod's node affinity/selector” in `PodScheduled`",
    message="No node (of {nodes}) has the labels that the {stage} stage asks for: {short}" + _SAYS,
    remedy="Label a node (`kubectl get nodes --show-labels`), or change spec.stages.{stage}.nodeSelector or "
    "stages.{stage}.nodeSelector in the install's values",
    again=Again.ONCE_CURED,
)
TAINTED: Final = Cause(
    reason=REASON,
    seen="“untolerated taint” in `PodScheduled`",
    message="No node (of {nodes}) takes the {stage} stage: {short}" + _SAYS,
    remedy="Add a node without the taint (`kubectl describe nodes` shows them), or tolerate it by "
    "stages.{stage}.tolerations in the install's values and have the Job made anew: `kubectl delete job {job}`",
    again=Again.ONCE_CURED,
)
NODES_CLOSED: Final = Cause(
    reason=REASON,
    seen="“were unschedulable” or “Too many pods” in `PodScheduled`",
    message="No node (of {nodes}) takes more pods, so the {stage} stage waits: {short}" + _SAYS,
    remedy="Add a node, or open one again: `kubectl get nodes`, `kubectl uncordon`",
    again=Again.ONCE_CURED,
)
NO_NODES: Final = Cause(
    reason=REASON,
    seen="“no nodes available” in `PodScheduled`",
    message="The cluster has no node on which the {stage} stage could run",
    remedy="Add a node; `kubectl get nodes` shows those that there are",
    again=Again.ONCE_CURED,
)
GATED: Final = Cause(
    reason="SchedulingGated",
    seen="the pod's condition `PodScheduled` has the reason `SchedulingGated`",
    message="The pod of the {stage} stage is held back by schedulingGates that somebody has set on it",
    remedy="See who sets them, such as a queue's controller or an admission webhook: `kubectl get pod {pod} -o yaml`",
    again=Again.ONCE_CURED,
)
SCHEDULER_ERROR: Final = Cause(
    reason=REASON,
    seen="anything else in `PodScheduled`",
    message="The scheduler finds no node for the {stage} stage: {detail}",
    remedy="See `kubectl describe pod {pod}`, add a node that fits, or change spec.stages.{stage}",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (
    CLAIM_MISSING,
    CLAIM_UNBOUND,
    VOLUME_ELSEWHERE,
    NO_GPU,
    TOO_LITTLE,
    NO_SUCH_NODE,
    TAINTED,
    NODES_CLOSED,
    NO_NODES,
    GATED,
    SCHEDULER_ERROR,
)

_COUNTED: Final = re.compile(r"(\d+) ((?:node\(s\)|Insufficient|Too many) ?.+?)(?=, \d+ |$)")
_TAINT: Final = re.compile(r"untolerated taint \{(?P<taint>[^}]*)\}")
_TAINTS: Final = {
    "node.kubernetes.io/not-ready": "not ready",
    "node.kubernetes.io/unreachable": "out of reach",
    "node.kubernetes.io/unschedulable": "cordoned",
    "node.kubernetes.io/memory-pressure": "short of memory",
    "node.kubernetes.io/disk-pressure": "short of disk",
    "node.kubernetes.io/pid-pressure": "short of process ids",
    "node.kubernetes.io/network-unavailable": "without a network",
    "node-role.kubernetes.io/control-plane": "set aside for the control plane",
}
_PHRASES: Final = (
    ("untolerated taint", "with a taint that it does not tolerate"),
    ("taints that the pod didn't tolerate", "with a taint that it does not tolerate"),
    ("node affinity/selector", "without the labels {labels}"),
    ("were unschedulable", "cordoned"),
    ("Too many pods", "full of pods"),
    ("volume node affinity conflict", "out of the volume's reach"),
    ("no available volume zone", "in another zone than the volume"),
    ("exceed max volume count", "with as many volumes as fit"),
    ("persistent volumes to bind", "without a volume to bind"),
    ("enough free storage", "without storage for the volume"),
)
"""What the scheduler says of a node, and what we say."""


def unschedulable(stage: StageName, pod: PodView) -> Remedied:
    """Why a pod is on no node. The pod's condition `PodScheduled` is false."""
    told = pod.unschedulable
    if told is None:
        raise ValueError(f"the pod {pod.name} is not unschedulable")
    if told.reason == GATED.reason:
        return GATED.said(stage=stage, pod=pod.name)
    figures = {
        "stage": stage,
        "pod": pod.name,
        "job": pod.name.rpartition("-")[0],
        "claim": pod.claim or "<claim>",
        "detail": plain(told.message),
    }
    nodes = re.match(r"0/(?P<count>\d+) nodes are available: (?P<rest>.*)", told.message)
    if nodes is None:
        return (NO_NODES if told.message.startswith("no nodes available") else SCHEDULER_ERROR).said(**figures)
    wrong = nodes["rest"].partition(". ")[0].rstrip(".")
    if claim := re.search(r"persistentvolumeclaim \"(?P<name>[^\"]*)\" not found", wrong):
        return CLAIM_MISSING.said(**{**figures, "claim": claim["name"]})
    if "persistentvolumeclaim" in wrong.lower():
        return CLAIM_UNBOUND.said(**figures)
    short = ", ".join(f"{count} {_phrase(what, pod)}" for count, what in _COUNTED.findall(wrong)) or wrong
    return _cause(wrong, pod).said(**figures, nodes=nodes["count"], short=plain(short))


def _cause(wrong: str, pod: PodView) -> Cause:
    """The cause that keeps the pod from the nodes that come nearest to taking it."""
    no_label = "node affinity/selector" in wrong
    if f"Insufficient {GPU}" in wrong or (no_label and GPU in pod.requests and "Insufficient" not in wrong):
        return NO_GPU
    if "Insufficient" in wrong:
        return TOO_LITTLE
    if any(word in wrong for word in ("volume", "storage", "pvc")):
        return VOLUME_ELSEWHERE
    if no_label:
        return NO_SUCH_NODE
    return TAINTED if "taint" in wrong else NODES_CLOSED


def _phrase(what: str, pod: PodView) -> str:
    if what.startswith("Insufficient "):
        resource = what.removeprefix("Insufficient ")
        wanted = pod.requests.get(resource)
        return f"with too little {resource} left" + (f" ({wanted} wanted)" if wanted else "")
    if taint := _TAINT.search(what):
        key = re.split(r"[:=]", taint["taint"])[0].strip()
        return _TAINTS.get(key) or f"with the taint {plain(taint['taint'], MAX_NAME).rstrip(': ')}"
    phrase = next((said for word, said in _PHRASES if word in what), what.removeprefix("node(s) "))
    return phrase.replace("{labels}", _labels(pod.node_selector) or "that it asks for")


def _labels(selector: Mapping[str, str]) -> str:
    return plain(", ".join(f"{key}={value}" for key, value in sorted(selector.items())), 2 * MAX_NAME)
