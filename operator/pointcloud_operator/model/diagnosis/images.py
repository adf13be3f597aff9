"""Causes that are images: a registry that has them not, or not for us, or is not to be reached."""

import re
from typing import Final

from pointcloud_operator.model.diagnosis.cause import Again, Cause
from pointcloud_operator.model.observed import Fact

_PULL: Final = "ImagePullBackOff"
_PULLED: Final = "`ErrImagePull` or `ImagePullBackOff` of the container"
IMAGE_MISSING: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “not found” or “manifest unknown”",
    message="The registry has no image {image} for the {stage} stage: {detail}",
    remedy="Push the image, or correct image.repository, image.tag or image.refs in the install's values and have the "
    "Job made anew: `kubectl delete job {job}`",
    again=Again.ONCE_CURED,
)
IMAGE_DENIED: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “unauthorized”, “denied”, “forbidden” or “authorization failed”",
    message="The registry does not give the image {image} of the {stage} stage to this cluster: {detail}",
    remedy="Create a Secret with the registry's credentials in this namespace (`kubectl create secret "
    "docker-registry`), name it in image.pullSecrets of the install's values, and have the Job made anew: `kubectl "
    "delete job {job}`",
    again=Again.ONCE_CURED,
)
IMAGE_RATIONED: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “toomanyrequests” or “429”",
    message="The registry gives the image {image} of the {stage} stage to nobody for now, as too many ask: {detail}",
    remedy="Wait, or pull with credentials by image.pullSecrets or from a mirror by image.repository in the install's "
    "values",
    again=Again.BY_ITSELF,
)
IMAGE_PLATFORM: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “no match for platform”",
    message="There is no image {image} for the processors of the {stage} stage's node: {detail}",
    remedy="Keep the stage on nodes that it is made for: spec.stages.{stage}.nodeSelector, such as "
    "kubernetes.io/arch: amd64",
    again=Again.ONCE_CURED,
)
IMAGE_NO_SPACE: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “no space left on device”",
    message="The disk of the {stage} stage's node has no room for the image {image}: {detail}",
    remedy="Free some of the node's disk or enlarge it: `kubectl describe node {node}`",
    again=Again.ONCE_CURED,
)
REGISTRY_AWAY: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, with “dial tcp”, “i/o timeout”, “no such host”, “x509” or the like; or `RegistryUnavailable`",
    message="The node cannot reach the registry of the image {image} of the {stage} stage: {detail}",
    remedy="Check the node's network, DNS and proxy, and the registry's certificate; image.repository in the install's "
    "values names the registry",
    again=Again.ONCE_CURED,
)
IMAGE_OTHERWISE: Final = Cause(
    reason=_PULL,
    seen=f"{_PULLED}, otherwise",
    message="The image {image} of the {stage} stage cannot be pulled: {detail}",
    remedy="Check image.repository, image.tag and image.pullSecrets in the install's values",
    again=Again.ONCE_CURED,
)
IMAGE_NAME: Final = Cause(
    reason="InvalidImageName",
    seen="`InvalidImageName` of the container",
    message="The image of the {stage} stage has a name that cannot be one, {image}: {detail}",
    remedy="Correct image.repository, image.tag or image.refs in the install's values, and have the Job made anew: "
    "`kubectl delete job {job}`",
    again=Again.ONCE_CURED,
)
IMAGE_NEVER: Final = Cause(
    reason="ErrImageNeverPull",
    seen="`ErrImageNeverPull` of the container",
    message="The image {image} of the {stage} stage is not on its node, and is never to be pulled",
    remedy="Load it onto the node {node}, or set image.pullPolicy in the install's values to IfNotPresent and have the "
    "Job made anew: `kubectl delete job {job}`",
    again=Again.ONCE_CURED,
)
IMAGE_SIGNATURE: Final = Cause(
    reason="SignatureValidationFailed",
    seen="`SignatureValidationFailed` of the container",
    message="The node does not accept the signature of the image {image} of the {stage} stage: {detail}",
    remedy="Sign the image, correct the node's policy, or name an image that is signed in image.refs of the install's "
    "values",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (
    IMAGE_MISSING,
    IMAGE_DENIED,
    IMAGE_RATIONED,
    IMAGE_PLATFORM,
    IMAGE_NO_SPACE,
    REGISTRY_AWAY,
    IMAGE_OTHERWISE,
    IMAGE_NAME,
    IMAGE_NEVER,
    IMAGE_SIGNATURE,
)
_BY_REASON: Final = {
    "RegistryUnavailable": REGISTRY_AWAY,
    "InvalidImageName": IMAGE_NAME,
    "ErrImageNeverPull": IMAGE_NEVER,
    "SignatureValidationFailed": IMAGE_SIGNATURE,
}
_PULLS: Final = (
    (re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE), IMAGE_RATIONED),
    (re.compile(r"no match for platform|no matching manifest", re.IGNORECASE), IMAGE_PLATFORM),
    (re.compile(r"no space left on device", re.IGNORECASE), IMAGE_NO_SPACE),
    (
        re.compile(r"unauthori[sz]ed|denied|forbidden|authorization failed|authentication required", re.IGNORECASE),
        IMAGE_DENIED,
    ),
    (
        re.compile(
            r"dial tcp|i/o timeout|no such host|x509|tls:|connection re(fused|set)|deadline exceeded|EOF$|proxyconnect"
            r"|registry is unavailable|50[0234] ",
            re.IGNORECASE,
        ),
        REGISTRY_AWAY,
    ),
    (re.compile(r"not found|manifest unknown|name unknown", re.IGNORECASE), IMAGE_MISSING),
)
_BACK_OFF: Final = re.compile(r'^Back-off pulling image "[^"]*"(: [A-Za-z]+: )?')
"""What the kubelet puts before the error while it waits: without it, one fault reads the same from try to try."""


def image_cause(told: Fact) -> Cause | None:
    """The cause for which a container waits, if that is its image."""
    if told.reason in {"ErrImagePull", _PULL}:
        return next((cause for pattern, cause in _PULLS if pattern.search(told.message)), IMAGE_OTHERWISE)
    return _BY_REASON.get(told.reason)


def without_back_off(message: str) -> str:
    """What the kubelet says of an image, the same while it pulls as while it waits to pull again."""
    return _BACK_OFF.sub("", message)
