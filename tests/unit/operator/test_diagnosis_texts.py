"""The very words of Kubernetes 1.35.4, and what users are told instead.

What the control plane says was recorded from it (tests/integration/operator/test_refusals.py has it say most of that
again). What a kubelet says is spelt as its source builds it; the file is named with the words.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from pointcloud_api.names import StageName
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.observed import EventView, Fact, PodView
from tests.unit.operator.builders import NOW, bare_job, text

Json = dict[str, Any]
STAGE = StageName.RECONSTRUCT
IMAGE = "example.com/pointcloud/colmap:1"
NODE = "worker-3"


def pod(spec: Json | None = None, **status: Any) -> PodView:
    """A pod of the stage as it is on a node, with a claim and what it asks for."""
    container = {
        "name": "stage",
        "image": IMAGE,
        "resources": {"requests": {"memory": "8Gi", "cpu": "2", "nvidia.com/gpu": "1"}, "limits": {"memory": "8Gi"}},
    }
    volumes = [
        {"name": "scratch", "emptyDir": {"sizeLimit": "20Gi"}},
        {"name": "source", "persistentVolumeClaim": {"claimName": "photos", "readOnly": True}},
    ]
    return PodView.of(
        {
            "metadata": {"name": "ruin-abcde", "uid": "pod-uid", "creationTimestamp": text(NOW)},
            "spec": {"containers": [container], "volumes": volumes, "nodeName": NODE, **(spec or {})},
            "status": {"phase": "Pending", **status},
        }
    )


def container(**state: Json) -> Json:
    return {"containerStatuses": [{"name": "stage", "state": state}]}


@dataclass(frozen=True)
class Told:
    """What is to be said of some words: the reason, and what message and remedy must hold."""

    words: str
    reason: str
    message: str
    remedy: str
    more: Json = field(default_factory=dict)

    def check(self, why: Remedied | None) -> None:
        assert why is not None
        assert why.reason == self.reason
        assert self.message in why.message
        assert self.remedy in why.remedy
        assert why.text.isprintable()
        assert not re.search(r"\{\w+}|\bNone\b|Fact\(|StageName", why.text), "no Python is shown to users"


REFUSALS = [
    Told(
        "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
        "QuotaExceeded",
        "ResourceQuota none leaves no room for the reconstruct stage: requested: pods=1, used: pods=0, limited: pods=0",
        "kubectl describe resourcequota none",
    ),
    Told(
        "exceeded quota: compute, requested: limits.memory=8Gi,requests.cpu=2, used: limits.memory=0,requests.cpu=0, "
        "limited: limits.memory=1Gi,requests.cpu=100m",
        "QuotaExceeded",
        "requested: limits.memory=8Gi,requests.cpu=2",
        "spec.stages.reconstruct.resources",
    ),
    Told(
        "failed quota: compute: must specify limits.memory for: stage; requests.cpu for: stage",
        "ResourcesUnspecified",
        "ResourceQuota compute asks for amounts that the reconstruct stage does not say: must specify limits.memory",
        "spec.stages.reconstruct.resources",
    ),
    Told(
        "maximum memory usage per Container is 1Gi, but limit is 8Gi",
        "LimitRangeViolated",
        "maximum memory usage per Container is 1Gi, but limit is 8Gi",
        "kubectl describe limitrange",
    ),
    Told(
        "[minimum cpu usage per Container is 4, but request is 2, maximum memory usage per Pod is 1Gi, but limit is "
        "8Gi]",
        "LimitRangeViolated",
        "minimum cpu usage per Container is 4, but request is 2",
        "spec.stages.reconstruct.resources",
    ),
    Told(  # plugin/pkg/admission/limitranger/admission.go
        "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        "LimitRangeViolated",
        "ratio per Container is 2",
        "spec.stages.reconstruct.resources",
    ),
    Told(
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "proxy" must set '
        'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "proxy" must set '
        'securityContext.capabilities.drop=["ALL"])',
        "PodSecurityViolated",
        '"restricted:latest": allowPrivilegeEscalation != false',
        "sidecar injector",
    ),
    Told(  # apiserver/pkg/admission/plugin/webhook/errors/statuserror.go
        'admission webhook "pods.policy.example.com" denied the request: images must come from our registry',
        "AdmissionDenied",
        "webhook pods.policy.example.com does not allow the reconstruct stage: images must come from our registry",
        "kubectl get validatingwebhookconfigurations",
    ),
    Told(
        'admission webhook "pods.policy.example.com" denied the request without explanation',
        "AdmissionDenied",
        "without explanation",
        "kubectl get validatingwebhookconfigurations",
    ),
    Told(
        "ValidatingAdmissionPolicy 'owners' with binding 'owners-all' denied request: pods need an owner label",
        "AdmissionDenied",
        "ValidatingAdmissionPolicy owners does not allow the reconstruct stage: pods need an owner label",
        "kubectl describe validatingadmissionpolicy owners",
    ),
    Told(
        "no PriorityClass with name high was found",
        "PriorityClassNotFound",
        "no PriorityClass high",
        "spec.stages.reconstruct.priorityClassName",
    ),
    Told(
        'error looking up service account photos/default: serviceaccount "default" not found',
        "ServiceAccountNotFound",
        "no ServiceAccount default",
        "kubectl create serviceaccount default",
    ),
    Told(
        'pod rejected: RuntimeClass "nvidia" not found',
        "RuntimeClassNotFound",
        "no RuntimeClass nvidia",
        "kubectl get mutatingwebhookconfigurations",
    ),
    Told(
        "unable to create new content in namespace photos because it is being terminated",
        "NamespaceTerminating",
        "namespace is being deleted",
        "another namespace",
    ),
    Told("of an unheard-of reason", "StageRefused", "of an unheard-of reason", "kubectl describe jobs"),
]


@pytest.mark.parametrize("told", REFUSALS, ids=lambda told: told.words[:40])
def test_a_refused_pod_is_explained(told: Told) -> None:
    """As the Job controller's Event has it."""
    message = f'Error creating: pods "ruin-reconstruct-0123456789-1-q675j" is forbidden: {told.words}'
    why = diagnosis.waiting(STAGE, [], [EventView("FailedCreate", message, NOW)])
    told.check(why)
    assert why is not None
    assert "q675j" not in why.text


@pytest.mark.parametrize("told", REFUSALS, ids=lambda told: told.words[:40])
def test_a_refused_job_is_explained_alike(told: Told) -> None:
    name = "ruin-reconstruct-0123456789-1"
    answer = f'the Job {name} cannot be created: jobs.batch "{name}" is forbidden: {told.words}'
    told.check(diagnosis.refused(STAGE, Fact("JobRefused", answer)))


UNREACHABLE = (
    'Internal error occurred: failed calling webhook "pods.policy.example.com": failed to call webhook: Post '
    '"https://127.0.0.1:1/validate?timeout=2s": dial tcp 127.0.0.1:1: connect: connection refused'
)


@pytest.mark.parametrize(
    "told",
    [
        Told(UNREACHABLE, "AdmissionUnavailable", "connect: connection refused", "failurePolicy to Ignore"),
        Told(
            'jobs.batch is forbidden: User "system:serviceaccount:pointcloud-system:pointcloud-operator" cannot create '
            'resource "jobs" in API group "batch" in the namespace "photos"',
            "OperatorNotPermitted",
            'cannot create resource "jobs"',
            "helm upgrade",
        ),
        Told(
            'Job.batch "ruin-reconstruct-0123456789-1" is invalid: spec.template.spec.containers[0].resources.requests:'
            ' Invalid value: "8Gi": must be less than or equal to memory limit of 1Gi',
            "StageInvalid",
            "must be less than or equal to memory limit of 1Gi",
            "spec.stages.reconstruct",
        ),
        Told('namespaces "photos" not found', "NamespaceTerminating", "being deleted", "another namespace"),
    ],
    ids=lambda told: told.reason,
)
def test_what_is_said_of_a_job_alone_is_explained(told: Told) -> None:
    told.check(diagnosis.refused(STAGE, Fact("JobRefused", f"the Job ruin-1 cannot be created: {told.words}")))


def test_a_webhook_that_pods_cannot_do_without_is_named() -> None:
    why = diagnosis.waiting(STAGE, [], [EventView("FailedCreate", f"Error creating: {UNREACHABLE}", NOW)])
    assert why is not None
    assert why.reason == "AdmissionUnavailable"
    assert "webhook pods.policy.example.com," in why.message


_PREEMPTION = (
    " no new claims to deallocate, preemption: 0/4 nodes are available: 1 No preemption victims found for incoming "
    "pod, 3 Preemption is not helpful for scheduling."
)
SCHEDULING = [
    Told(
        "0/4 nodes are available: 1 Insufficient memory, 1 Too many pods, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable." + _PREEMPTION,
        "Unschedulable",
        "No node (of 4) has room for the reconstruct stage: 1 with too little memory left (8Gi wanted), 1 full of "
        "pods, 1 with a taint that it does not tolerate, 1 cordoned; the scheduler says “0/4 nodes are available: 1 "
        "Insufficient memory",
        "spec.stages.reconstruct.resources.requests",
    ),
    Told(
        "0/4 nodes are available: 1 Too many pods, 1 node(s) were unschedulable, 2 Insufficient nvidia.com/gpu."
        + _PREEMPTION,
        "Unschedulable",
        "has a free GPU for the reconstruct stage: 1 full of pods, 1 cordoned, 2 with too little nvidia.com/gpu left",
        "spec.reconstruction.device: cpu",
    ),
    Told(
        "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector." + _PREEMPTION,
        "Unschedulable",
        "has a free GPU for the reconstruct stage: 4 without the labels nvidia.com/gpu.present=true",
        "spec.reconstruction.device: cpu",
        more={"nodeSelector": {"nvidia.com/gpu.present": "true"}},
    ),
    Told(
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 node(s) didn't match Pod's node "
        "affinity/selector." + _PREEMPTION,
        "Unschedulable",
        "has the labels that the reconstruct stage asks for: 1 with a taint that it does not tolerate, 3 without the "
        "labels disk=fast",
        "spec.stages.reconstruct.nodeSelector",
        more={"nodeSelector": {"disk": "fast"}, "containers": [{"name": "stage"}]},
    ),
    Told(  # as schedulers before 1.35 name the taints
        "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: ml}, 1 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }, 1 node(s) had untolerated taint "
        "{node.kubernetes.io/disk-pressure: }. preemption: 0/3 nodes are available: 3 Preemption is not helpful for "
        "scheduling.",
        "Unschedulable",
        "takes the reconstruct stage: 1 with the taint dedicated: ml, 1 set aside for the control plane, 1 short of "
        "disk;",
        "stages.reconstruct.tolerations",
    ),
    Told(
        "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable." + _PREEMPTION,
        "Unschedulable",
        "takes more pods, so the reconstruct stage waits: 1 full of pods, 1 cordoned",
        "kubectl uncordon",
    ),
    Told(
        "no nodes available to schedule pods",
        "Unschedulable",
        "The cluster has no node on which the reconstruct stage could run",
        "Add a node",
    ),
    Told(
        '0/4 nodes are available: persistentvolumeclaim "photos" not found. not found',
        "Unschedulable",
        "The PersistentVolumeClaim photos, which is to hold the photos, does not exist",
        "spec.source.persistentVolumeClaim.claimName",
    ),
    Told(
        "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        "Unschedulable",
        "The PersistentVolumeClaim photos, which holds the photos, has no volume that can be mounted",
        "kubectl describe pvc photos",
    ),
    Told(  # pkg/scheduler/framework/plugins/volumebinding/binder.go, nodevolumelimits/csi.go
        "0/3 nodes are available: 1 node(s) exceed max volume count, 2 node(s) had volume node affinity conflict."
        + _PREEMPTION,
        "Unschedulable",
        "1 with as many volumes as fit, 2 out of the volume's reach",
        "kubectl describe pvc photos",
    ),
    Told(
        "running PreBind plugin failed", "Unschedulable", "running PreBind plugin failed", "kubectl describe pod ruin"
    ),
]


@pytest.mark.parametrize("told", SCHEDULING, ids=lambda told: told.words[:60])
def test_the_schedulers_counts_become_what_is_short(told: Told) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told.words}
    waits = pod({"nodeName": "", **told.more}, conditions=[condition])
    told.check(diagnosis.waiting(STAGE, [waits], ()))


def test_a_pod_behind_a_gate_is_explained() -> None:
    """pkg/registry/core/pod/strategy.go."""
    gated = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
    }
    why = diagnosis.waiting(STAGE, [pod(conditions=[gated])], ())
    assert why is not None
    assert (why.reason, "schedulingGates" in why.message) == ("SchedulingGated", True)


_UNPACK = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
_CHECK = "image.pullSecrets"
WAITING = [
    # containerd's words, as the kubelet passes them on (pkg/kubelet/images/image_manager.go).
    Told(
        f"rpc error: code = NotFound desc = {_UNPACK}{IMAGE}: not found",
        "ImagePullBackOff",
        f"The registry has no image {IMAGE} for the reconstruct stage",
        "image.tag",
    ),
    Told(
        f"{_UNPACK}pull access denied, repository does not exist or may require authorization: server message: "
        "insufficient_scope: authorization failed",
        "ImagePullBackOff",
        "does not give the image",
        _CHECK,
    ),
    Told(
        f"{_UNPACK}unexpected status from HEAD request to https://example.com/v2/: 401 Unauthorized",
        "ImagePullBackOff",
        "does not give the image",
        _CHECK,
    ),
    Told(
        f"{_UNPACK}unexpected status code: 429 Too Many Requests - Server message: toomanyrequests: You have reached "
        "your pull rate limit.",
        "ImagePullBackOff",
        "too many ask",
        "from a mirror",
    ),
    Told(
        f'{_UNPACK}failed to do request: Head "https://example.com/v2/": dial tcp: lookup example.com on 10.0.0.10:53: '
        "no such host",
        "ImagePullBackOff",
        "cannot reach the registry",
        "image.repository",
    ),
    Told(
        f'{_UNPACK}failed to do request: Head "https://example.com/v2/": tls: failed to verify certificate: x509: '
        "certificate signed by unknown authority",
        "ImagePullBackOff",
        "cannot reach the registry",
        "certificate",
    ),
    Told(
        f'failed to pull and unpack image "{IMAGE}": no match for platform in manifest: not found',
        "ImagePullBackOff",
        "for the processors of",
        "spec.stages.reconstruct.nodeSelector",
    ),
    Told(
        f'failed to pull and unpack image "{IMAGE}": failed to copy: write /var/lib/containerd/x: no space left on '
        "device",
        "ImagePullBackOff",
        "no room for the image",
        f"kubectl describe node {NODE}",
    ),
    Told("something else", "ImagePullBackOff", f"{IMAGE} of the reconstruct stage cannot be pulled: something", _CHECK),
]


@pytest.mark.parametrize("told", WAITING, ids=lambda told: told.message[:40])
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_cannot_be_pulled_is_explained(told: Told, reason: str) -> None:
    words = told.words if reason == "ErrImagePull" else f'Back-off pulling image "{IMAGE}": ErrImagePull: {told.words}'
    told.check(diagnosis.waiting(STAGE, [pod(**container(waiting={"reason": reason, "message": words}))], ()))


@pytest.mark.parametrize(
    "told",
    [
        # pkg/kubelet/images/image_manager.go
        Told(
            "image pull failed for example.com/x because the registry is unavailable: dial tcp: i/o timeout",
            "ImagePullBackOff",
            "cannot reach the registry",
            "image.repository",
            {"waiting": "RegistryUnavailable"},
        ),
        Told(
            "image pull failed for example.com/x because the signature validation failed: no signature",
            "SignatureValidationFailed",
            "does not accept the signature",
            "image.refs",
            {"waiting": "SignatureValidationFailed"},
        ),
        Told(
            'Failed to apply default image tag "c:::1": couldn\'t parse image name "c:::1": invalid reference format',
            "InvalidImageName",
            "invalid reference format",
            "image.refs",
            {"waiting": "InvalidImageName"},
        ),
        Told(
            f'Container image "{IMAGE}" is not present with pull policy of Never',
            "ErrImageNeverPull",
            f"{IMAGE} of the reconstruct stage is not on its node",
            "image.pullPolicy",
            {"waiting": "ErrImageNeverPull"},
        ),
        # pkg/kubelet/kubelet_pods.go, pkg/kubelet/kuberuntime/security_context_others.go
        Told(
            'secret "credentials" not found',
            "CreateContainerConfigError",
            'not there: secret "credentials" not found',
            "kubectl get pod ruin-abcde -o yaml",
            {"waiting": "CreateContainerConfigError"},
        ),
        Told(
            "couldn't find key password in Secret photos/credentials",
            "CreateContainerConfigError",
            "Secret or ConfigMap that is not there",
            "namespace",
            {"waiting": "CreateContainerConfigError"},
        ),
        Told(
            'container has runAsNonRoot and image will run as root (pod: "ruin-abcde_photos(pod-uid)", container: '
            "stage)",
            "CreateContainerConfigError",
            "would run as root",
            "user 10001",
            {"waiting": "CreateContainerConfigError"},
        ),
        Told(
            "failed to prepare subPath for volumeMount",
            "CreateContainerConfigError",
            "cannot be configured: failed to prepare subPath",
            "kubectl describe pod ruin-abcde",
            {"waiting": "CreateContainerConfigError"},
        ),
        # pkg/kubelet/kuberuntime/kuberuntime_container.go, containerd's words
        Told(
            "failed to reserve container name",
            "CreateContainerError",
            f"container runtime of the node {NODE} cannot make",
            f"kubectl cordon {NODE}",
            {"waiting": "CreateContainerError"},
        ),
        Told(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
            "failed: unable to start container process: error during container init: nvidia-container-cli: "
            "initialization error: nvml error: driver not loaded: unknown",
            "CreateContainerError",
            "driver not loaded",
            "kubectl describe pod ruin-abcde",
            {"waiting": "RunContainerError"},
        ),
        Told("why not", "ContainerWaiting", "NewInKubernetes: why not", "describe pod", {"waiting": "NewInKubernetes"}),
        # pkg/kubelet/events/event.go, pkg/volume/util/operationexecutor, pkg/controller/volume/attachdetach
        Told(
            'MountVolume.SetUp failed for volume "photos-pv" : mount failed: exit status 32 Mounting command: mount '
            "Output: mount.nfs: access denied by server while mounting nfs.example.com:/photos",
            "FailedMount",
            "PersistentVolumeClaim photos cannot be mounted for the reconstruct stage",
            "kubectl describe pvc photos",
            {"event": "FailedMount"},
        ),
        Told(
            "Unable to attach or mount volumes: unmounted volumes=[source], unattached volumes=[], failed to process "
            "volumes=[]: timed out waiting for the condition",
            "FailedMount",
            "PersistentVolumeClaim photos cannot be mounted",
            "kubectl describe pvc photos",
            {"event": "FailedMount"},
        ),
        Told(
            'MountVolume.SetUp failed for volume "token" : failed to fetch token: Post "https://10.0.0.1/api": context '
            "deadline exceeded",
            "FailedMount",
            "no token for the store",
            f"kubelet of the node {NODE}",
            {"event": "FailedMount"},
        ),
        Told(
            'MountVolume.SetUp failed for volume "vault" : secret "vault-ca" not found',
            "FailedMount",
            'secret "vault-ca" not found',
            "admission webhook",
            {"event": "FailedMount"},
        ),
        Told(
            'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) copier',
            "FailedAttachVolume",
            "already used by pod(s) copier",
            "ReadOnlyMany",
            {"event": "FailedAttachVolume"},
        ),
        Told(
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox: "
            'plugin type="bridge" failed (add): no IP addresses available in range set',
            "FailedCreatePodSandBox",
            "no IP addresses available",
            "network plugin",
            {"event": "FailedCreatePodSandBox"},
        ),
        Told(
            "network is not ready: container runtime network not ready: NetworkReady=false",
            "FailedCreatePodSandBox",
            "network is not ready",
            "network plugin",
            {"event": "NetworkNotReady"},
        ),
        Told("who knows", "PodWaiting", "NewInKubernetes: who knows", "describe pod", {"event": "NewInKubernetes"}),
    ],
    ids=lambda told: told.words[:50],
)
def test_what_a_node_says_of_a_pod_that_it_does_not_run_is_explained(told: Told) -> None:
    if reason := told.more.get("waiting"):
        told.check(diagnosis.waiting(STAGE, [pod(**container(waiting={"reason": reason, "message": told.words}))], ()))
    else:
        told.check(diagnosis.waiting(STAGE, [pod()], [EventView(told.more["event"], told.words, NOW)]))


@pytest.mark.parametrize(
    "told",
    [
        # pkg/kubelet/eviction/helpers.go
        Told(
            'Usage of EmptyDir volume "scratch" exceeds the limit "20Gi". ',
            "OutOfScratch",
            "more scratch space than its 20Gi",
            "stages.reconstruct.scratchSize",
            {"reason": "Evicted"},
        ),
        Told(
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
            "OutOfScratch",
            "exceeds the total limit of containers 10Gi",
            "spec.stages.reconstruct.resources.limits.ephemeral-storage",
            {"reason": "Evicted"},
        ),
        Told(
            'Container stage exceeded its local ephemeral storage limit "10Gi". ',
            "OutOfScratch",
            "more than its limit of ephemeral-storage",
            "spec.stages.reconstruct.resources.limits.ephemeral-storage",
            {"reason": "Evicted"},
        ),
        Told(
            "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 900Mi. Container "
            "stage was using 30Gi, request is 1Gi, has larger consumption of ephemeral-storage. ",
            "Evicted",
            f"The node {NODE} evicted the pod of the reconstruct stage: The node was low on resource",
            "spec.stages.reconstruct.resources.requests",
            {"reason": "Evicted"},
        ),
        Told("The node had condition: [DiskPressure]. ", "Evicted", "DiskPressure", "requests", {"reason": "Evicted"}),
        # pkg/util/node/node.go
        Told(
            f"Node {NODE} which was running pod ruin-abcde is unresponsive",
            "NodeLost",
            "is unresponsive",
            "Nothing to do",
            {"reason": "NodeLost"},
        ),
        # pkg/kubelet/nodeshutdown/nodeshutdown_manager.go
        Told(
            "Pod was terminated in response to imminent node shutdown.",
            "Evicted",
            "is shutting down",
            "spec.stages.reconstruct.nodeSelector",
            {"reason": "Terminated"},
        ),
        Told(
            "Pod was rejected as the node is shutting down.",
            "Evicted",
            "is shutting down",
            "Nothing to do",
            {"reason": "NodeShutdown"},
        ),
        # pkg/kubelet/preemption/preemption.go
        Told(
            "Preempted in order to admit critical pod",
            "Preempted",
            "to admit critical pod",
            "priorityClassName",
            {"reason": "Preempting"},
        ),
        # pkg/kubelet/lifecycle/predicate.go
        Told(
            "Node didn't have enough resource: cpu, requested: 2000, used: 63500, capacity: 64000",
            "NodeRefused",
            "(OutOfcpu): Node didn't have enough resource: cpu",
            f"kubectl cordon {NODE}",
            {"reason": "OutOfcpu"},
        ),
        Told(
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
            "NodeRefused",
            "(NodeAffinity): Predicate NodeAffinity failed",
            f"kubectl describe node {NODE}",
            {"reason": "NodeAffinity"},
        ),
        # pkg/kubelet/cm/admission/errors.go, pkg/kubelet/cm/devicemanager/manager.go
        Told(
            "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, "
            "Available: 0, which is unexpected",
            "NodeRefused",
            "(UnexpectedAdmissionError): Allocate failed",
            "device plugin",
            {"reason": "UnexpectedAdmissionError"},
        ),
        Told("who knows", "PodFailed", "(NewInKubernetes): who knows", "describe pod", {"reason": "NewInKubernetes"}),
    ],
    ids=lambda told: told.words[:50],
)
def test_what_a_node_says_of_a_pod_that_it_has_ended_is_explained(told: Told) -> None:
    killed = {"exitCode": 137, "reason": "Error", "finishedAt": text(NOW)}
    for state in ({}, container(terminated=killed)):
        ended = pod(phase="Failed", message=told.words, **told.more, **state)
        told.check(diagnosis.failure(STAGE, bare_job(), [ended]))


@pytest.mark.parametrize(
    ("code", "reason", "message", "remedy"),
    [
        (1, "StageCrashed", "ended with status 1 before it could say why", "kubectl logs ruin-abcde"),
        (126, "StageNotStarted", f"could not be started from the image {IMAGE}", "image.repository"),
        (127, "StageNotStarted", "could not be started", "image.refs"),
        (132, "UnsupportedCpu", f"processor of the node {NODE} lacks an instruction", "spec.stages.reconstruct.node"),
        (134, "StageCrashed", "SIGABRT, which is how COLMAP ends", "spec.stages.reconstruct.resources.limits.memory"),
        (135, "StageCrashed", "SIGBUS", "stages.reconstruct.scratchSize"),
        (136, "StageCrashed", "SIGFPE: its program divided by zero", "report it"),
        (137, "StageKilled", "SIGKILL from outside", "spec.stages.reconstruct.resources.requests.memory"),
        (139, "StageCrashed", "SIGSEGV", "kubectl logs ruin-abcde"),
        (143, "Interrupted", "was told to end", "Nothing to do"),
        (141, "StageCrashed", "ended by SIGPIPE", "kubectl logs ruin-abcde"),
        (255, "StageCrashed", "ended by signal 127", "kubectl logs ruin-abcde"),
    ],
)
def test_an_exit_status_is_told_by_its_meaning(code: int, reason: str, message: str, remedy: str) -> None:
    terminated = {"exitCode": code, "reason": "Error", "finishedAt": text(NOW), "message": "the last line\n"}
    ended = pod(phase="Failed", **container(terminated=terminated))
    why = diagnosis.failure(STAGE, bare_job(), [ended])
    Told("", reason, message, remedy).check(why)
    assert "“the last line”" in why.message


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        # containerd's words of a container that it cannot start
        (
            "StartError",
            'failed to create containerd task: OCI runtime create failed: exec: "pointcloud-colmap": executable file '
            "not found in $PATH: unknown",
            Told("", "StageNotStarted", "executable file not found", "image.tag"),
        ),
        # pkg/kubelet/kubelet_pods.go
        (
            "ContainerStatusUnknown",
            "The container could not be located when the pod was terminated",
            Told("", "Interrupted", f"The node {NODE} lost track of the container", "Nothing to do"),
        ),
    ],
)
def test_a_container_that_did_not_run_or_was_lost_is_explained(reason: str, message: str, told: Told) -> None:
    terminated = {"exitCode": 128 if reason == "StartError" else 137, "reason": reason, "finishedAt": text(NOW)}
    ended = pod(phase="Failed", **container(terminated={**terminated, "message": message}))
    told.check(diagnosis.failure(STAGE, bare_job(), [ended]))


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [("BackoffLimitExceeded", "spec.retryLimit"), ("PodFailurePolicy", "spec.rerun"), ("Strange", "describe job")],
)
def test_a_failed_job_whose_pods_are_gone_is_explained(reason: str, remedy: str) -> None:
    why = diagnosis.failure(STAGE, bare_job(failed=reason), [])
    assert why.reason == ("JobFailed" if reason == "Strange" else reason)
    assert remedy in why.remedy
