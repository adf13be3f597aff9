"""Causes that keep a pod, which has its node, from starting: its image, its volumes, its container, its sandbox."""

import re
from collections.abc import Sequence
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis import images, volumes
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import MAX_NAME, plain
from pointcloud_operator.model.observed import EventView, Fact, PodView

CONFIG_OBJECT: Final = Cause(
    reason="CreateContainerConfigError",
    seen="`CreateContainerConfigError` of the container, with “not found” or “couldn't find key”",
    message="The container of the {stage} stage refers to a Secret or ConfigMap that is not there: {detail}",
    remedy="Create it in the PointcloudJob's namespace, or see which admission webhook refers to it: stages refer to "
    "none themselves (`kubectl get pod {pod} -o yaml`)",
    again=Again.ONCE_CURED,
)
CONFIG_USER: Final = Cause(
    reason="CreateContainerConfigError",
    seen="`CreateContainerConfigError` of the container, with “runAsNonRoot”",
    message="The container of the {stage} stage would run as root, which is not allowed: {detail}",
    remedy="See which admission webhook changes the pod's securityContext: `kubectl get pod {pod} -o yaml`; stages run "
    "as user 10001",
    again=Again.ONCE_CURED,
)
CONFIG_OTHERWISE: Final = Cause(
    reason="CreateContainerConfigError",
    seen="`CreateContainerConfigError` of the container, otherwise",
    message="The container of the {stage} stage cannot be configured: {detail}",
    remedy="See `kubectl describe pod {pod}`",
    again=Again.ONCE_CURED,
)
CONTAINER: Final = Cause(
    reason="CreateContainerError",
    seen="`CreateContainerError`, `RunContainerError`, `PreCreateHookError`, `PreStartHookError` or "
    "`ImageInspectError` of the container",
    message="The container runtime of the node {node} cannot make the container of the {stage} stage: {detail}",
    remedy="See `kubectl describe pod {pod}` and the log of the node's container runtime; "
    "`kubectl cordon {node}` keeps the next pods off that node",
    again=Again.ONCE_CURED,
)
CONTAINER_WAITS: Final = Cause(
    reason="ContainerWaiting",
    seen="any other reason for which the container waits",
    message="The container of the {stage} stage does not start, {why}: {detail}",
    remedy="See `kubectl describe pod {pod}`",
    again=Again.ONCE_CURED,
)
SANDBOX: Final = Cause(
    reason="FailedCreatePodSandBox",
    seen="`FailedCreatePodSandBox` or `NetworkNotReady`, Events of the pod",
    message="The node {node} cannot give the pod of the {stage} stage its network: {detail}",
    remedy="Check the node's network plugin: `kubectl describe node {node}`; `kubectl cordon {node}` keeps the next "
    "pods off that node",
    again=Again.ONCE_CURED,
)
DEVICES: Final = Cause(
    reason="FailedPrepareDynamicResources",
    seen="`FailedPrepareDynamicResources`, an Event of the pod",
    message="The node {node} cannot prepare a device for the {stage} stage: {detail}",
    remedy="Check the driver of the device on that node: `kubectl describe node {node}`, or set "
    "spec.reconstruction.device: cpu",
    again=Again.ONCE_CURED,
)
POD_WAITS: Final = Cause(
    reason="PodWaiting",
    seen="any other `Warning` Event of a pod that is pending",
    message="The pod of the {stage} stage does not start, {why}: {detail}",
    remedy="See `kubectl describe pod {pod}`",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (
    *images.CAUSES,
    CONFIG_OBJECT,
    CONFIG_USER,
    CONFIG_OTHERWISE,
    CONTAINER,
    CONTAINER_WAITS,
    SANDBOX,
    *volumes.CAUSES,
    DEVICES,
    POD_WAITS,
)

BEING_MADE: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Reasons for which every container waits at first."""

_BY_WAITING: Final = {
    "CreateContainerError": CONTAINER,
    "RunContainerError": CONTAINER,
    "PreCreateHookError": CONTAINER,
    "PreStartHookError": CONTAINER,
    "ImageInspectError": CONTAINER,
    "CreatePodSandboxError": SANDBOX,
    "ConfigPodSandboxError": SANDBOX,
}
_BY_EVENT: Final = {
    "FailedAttachVolume": volumes.ATTACH,
    "FailedCreatePodSandBox": SANDBOX,
    "NetworkNotReady": SANDBOX,
    "FailedPrepareDynamicResources": DEVICES,
}


def container_waits(stage: StageName, pod: PodView, told: Fact) -> Remedied:
    """Why a container does not start, as the kubelet tells by the reason for which it waits."""
    told = Fact(told.reason, images.without_back_off(told.message))
    if told.reason == CONFIG_OTHERWISE.reason:
        cause = _configuration(told.message)
    else:
        cause = images.image_cause(told) or _BY_WAITING.get(told.reason, CONTAINER_WAITS)
    return _said(cause, stage, pod, told)


def pod_warned(stage: StageName, pod: PodView, warnings: Sequence[EventView]) -> Remedied:
    """Why a pending pod does not start, from the latest warning Event that says something; there is at least one."""
    telling = [event for event in warnings if not volumes.SUMMARY.match(event.message)] or warnings
    latest = max(telling, key=lambda event: event.at)
    if latest.reason in {"FailedMount", "FailedMapVolume"}:
        cause = volumes.mount_cause(latest.message, pod.claim)
    else:
        cause = _BY_EVENT.get(latest.reason, POD_WAITS)
    return _said(cause, stage, pod, Fact(latest.reason, latest.message))


def _configuration(message: str) -> Cause:
    if "runAsNonRoot" in message:
        return CONFIG_USER
    return CONFIG_OBJECT if re.search(r"not found|couldn't find key", message) else CONFIG_OTHERWISE


def _said(cause: Cause, stage: StageName, pod: PodView, told: Fact) -> Remedied:
    return cause.said(
        stage=stage,
        pod=pod.name,
        job=pod.name.rpartition("-")[0],
        node=pod.node or "<node>",
        claim=pod.claim or "<claim>",
        image=plain(pod.image, 3 * MAX_NAME) or "of the container",
        why=plain(told.reason, MAX_NAME) or "for a reason that is not told",
        detail=plain(told.message) or "no detail is given",
    )
