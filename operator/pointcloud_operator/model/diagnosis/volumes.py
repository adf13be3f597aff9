"""Causes that are volumes: the user's claim, the pod's own token and scratch, and those that others have added."""

import re
from typing import Final

from pointcloud_operator.model.diagnosis.cause import Again, Cause
from pointcloud_operator.model.observed import SCRATCH_VOLUME

MOUNT_CLAIM: Final = Cause(
    reason="FailedMount",
    seen="`FailedMount` or `FailedMapVolume`, Events of a pod that mounts a claim",
    message="The photos in the PersistentVolumeClaim {claim} cannot be mounted for the {stage} stage: {detail}",
    remedy="Check the claim and its volume: `kubectl describe pvc {claim}`, and the storage behind it",
    again=Again.ONCE_CURED,
)
MOUNT_TOKEN: Final = Cause(
    reason="FailedMount",
    seen="`FailedMount`, an Event of the pod, of its volume `token`",
    message="The pod of the {stage} stage gets no token for the store: {detail}",
    remedy="Check the kubelet of the node {node} and its connection to the API server: `kubectl describe node {node}`",
    again=Again.ONCE_CURED,
)
MOUNT_OTHERWISE: Final = Cause(
    reason="FailedMount",
    seen="`FailedMount` or `FailedMapVolume`, Events of the pod, otherwise",
    message="A volume of the {stage} stage's pod cannot be mounted: {detail}",
    remedy="Check the disk of the node {node}, and the volumes that an admission webhook may have added: "
    "`kubectl describe pod {pod}`",
    again=Again.ONCE_CURED,
)
ATTACH: Final = Cause(
    reason="FailedAttachVolume",
    seen="`FailedAttachVolume`, an Event of the pod",
    message="The volume of the claim {claim} cannot be attached to the {stage} stage's node: {detail}",
    remedy="End the pods that hold it on another node (`kubectl describe pvc {claim}` names them), or give the claim "
    "an accessMode for many nodes, such as ReadOnlyMany",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (
    MOUNT_CLAIM,
    MOUNT_TOKEN,
    MOUNT_OTHERWISE,
    ATTACH,
)
SUMMARY: Final = re.compile(r"^Unable to attach or mount volumes")
"""The kubelet's summary of mounts that take long, which says less than the errors of the mounts themselves."""


def mount_cause(message: str, claim: str) -> Cause:
    """Which volume it is. The kubelet calls a claim's volume by the name of its PersistentVolume, which can be any."""
    volumes = set(re.findall(r'volume "([^"]*)"', message)) or set(re.findall(r"unmounted volumes=\[([^]]*)", message))
    if volumes == {"token"}:
        return MOUNT_TOKEN
    ours = volumes & {"token", SCRATCH_VOLUME} or re.search(r'(secret|configmap) "', message)
    return MOUNT_OTHERWISE if ours or not claim else MOUNT_CLAIM
