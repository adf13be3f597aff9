"""What a real control plane has against a stage, by all its means, and what the user is told instead.

Every refusal is laid at once, each in a namespace of its own, because the operator waits some seconds before it asks
for the reason of a silence.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pytest

from pointcloud_api.names import StageName
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.observed import EventView
from tests.integration.conftest import Api, Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator
from tests.integration.operator.refusals import Lay, denying, lift, limit_range, nothing, policy, quota, webhook
from tests.integration.operator.test_lifecycle import condition, events, jobs
from tools.cluster.controlplane import ControlPlane

MAX_MESSAGE = 1024
"""Characters of status.progress.message."""


@dataclass(frozen=True)
class Case:
    """A refusal and what is said of it."""

    lay: Lay
    reason: str
    message: str
    remedy: str
    spec: Json = field(default_factory=dict)


def needing(**limits: str) -> Json:
    return {"stages": {"ingest": {"resources": {"limits": limits, "requests": {"cpu": "1"}}}}}


def from_claim(name: str) -> Json:
    return {"source": {"persistentVolumeClaim": {"claimName": name}}}


ON_MONDAY = "ingest stage: photos are not welcome on Mondays"
CASES = {
    "no pods allowed": Case(
        quota(pods="0"),
        "QuotaExceeded",
        "ResourceQuota tight leaves no room for the ingest stage: requested: pods=1, used: pods=0, limited: pods=0",
        "kubectl describe resourcequota tight",
    ),
    "too little memory allowed": Case(
        quota(limits__memory="1Gi"),
        "QuotaExceeded",
        "requested: limits.memory=4Gi, used: limits.memory=0, limited: limits.memory=1Gi",
        "spec.stages.ingest.resources",
        needing(memory="4Gi"),
    ),
    "amounts asked for": Case(
        quota(requests__memory="1Gi"),
        "ResourcesUnspecified",
        "must specify requests.memory for: stage",
        "spec.stages.ingest.resources",
    ),
    "no Jobs allowed": Case(
        quota(**{"count/jobs.batch": "0"}),
        "QuotaExceeded",
        "requested: count/jobs.batch=1, used: count/jobs.batch=0, limited: count/jobs.batch=0",
        "kubectl describe resourcequota tight",
    ),
    "out of range": Case(
        limit_range,
        "LimitRangeViolated",
        "maximum memory usage per Container is 1Gi, but limit is 4Gi",
        "spec.stages.ingest.resources",
        needing(memory="4Gi"),
    ),
    "pods against a policy": Case(
        policy("pods"), "AdmissionDenied", ON_MONDAY, "kubectl describe validatingadmissionpolicy test-"
    ),
    "Jobs against a policy": Case(
        policy("jobs"), "AdmissionDenied", ON_MONDAY, "kubectl describe validatingadmissionpolicy test-"
    ),
    "pods refused by a webhook": Case(
        webhook("pods", answers=True), "AdmissionDenied", ON_MONDAY, "validatingwebhookconfigurations"
    ),
    "Jobs refused by a webhook": Case(
        webhook("jobs", answers=True), "AdmissionDenied", ON_MONDAY, "validatingwebhookconfigurations"
    ),
    "pods without the webhook": Case(
        webhook("pods", answers=False),
        "AdmissionUnavailable",
        "The admission webhook weekdays.example.com, without which nothing may be created, does not answer",
        "failurePolicy",
    ),
    "Jobs without the webhook": Case(
        webhook("jobs", answers=False), "AdmissionUnavailable", "connection refused", "failurePolicy"
    ),
    "an impossible pod": Case(
        nothing,
        "StageInvalid",
        "must be less than or equal to memory limit",
        "spec.stages.ingest",
        {"stages": {"ingest": {"resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "2Gi"}}}}},
    ),
    "a class of priority that is not allowed": Case(
        nothing,
        "PriorityClassNotAllowed",
        "spec.stages.ingest.priorityClassName is urgent, and the install allows none",
        "priorityClasses",
        {"stages": {"ingest": {"priorityClassName": "urgent"}}},
    ),
    "no claim": Case(
        nothing,
        "Unschedulable",
        "The PersistentVolumeClaim photos, which is to hold the photos, does not exist",
        "spec.source.persistentVolumeClaim.claimName",
        from_claim("photos"),
    ),
    "no such node": Case(
        nothing,
        "Unschedulable",
        "without the labels disk=fast",
        "spec.stages.ingest.nodeSelector",
        {"stages": {"ingest": {"nodeSelector": {"disk": "fast"}}}},
    ),
    "too large for any node": Case(
        nothing,
        "Unschedulable",
        "1 with too little memory left (1Ti wanted)",
        "spec.stages.ingest.resources.requests",
        {"stages": {"ingest": {"resources": {"requests": {"memory": "1Ti"}}}}},
    ),
}


@pytest.fixture(scope="module")
def laid(
    control_plane: ControlPlane, api: Api, operator_process: Operator, kubelet: Kubelet
) -> Iterator[dict[str, Namespace]]:
    """All cases, each with a PointcloudJob in a namespace of its own."""
    operator_process.ensure()
    del kubelet  # its node has to be there
    found: dict[str, Namespace] = {}
    with denying(control_plane.pki) as denier:
        try:
            for name, case in CASES.items():
                namespace = found[name] = Namespace(api, f"test-{uuid.uuid4().hex[:8]}")
                api.post("/api/v1/namespaces", {"metadata": {"name": namespace.name}})
                until(partial(api.get, namespace.path("/api/v1", "serviceaccounts", "default")), "its service account")
                case.lay(namespace, denier)
                namespace.submit("ruin", **case.spec)
            yield found
        finally:
            for namespace in found.values():
                lift(namespace)
                api.delete(f"/api/v1/namespaces/{namespace.name}")


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_told_with_its_reason_and_what_to_do(laid: dict[str, Namespace], name: str) -> None:
    namespace, case = laid[name], CASES[name]

    def told() -> Json | None:
        status = namespace.job("ruin").get("status", {})
        said = [c for c in status.get("conditions", []) if c["type"] == "Reconciling" and c["reason"] == case.reason]
        return {**said[0], "shown": status["progress"]["message"]} if said else None

    said = until(told, f"the reason {case.reason}")
    assert case.message in said["message"]
    assert case.remedy in said["message"]
    assert said["shown"] == said["message"]
    assert "ruin-ingest-" not in said["message"], "each try has another pod: with its name, each would be news"
    assert said["message"].isprintable()
    assert len(said["message"]) <= MAX_MESSAGE
    warned = until(lambda: [e for e in events(namespace, "ruin") if e["reason"] == case.reason], "the Event")
    assert (len(warned), warned[0]["type"], warned[0]["message"]) == (1, "Warning", said["message"])


def test_a_stage_goes_on_once_what_refused_it_is_gone(laid: dict[str, Namespace], kubelet: Kubelet) -> None:
    namespace = laid["no Jobs allowed"]
    until(lambda: condition(namespace.job("ruin"), "Reconciling")["reason"] == "QuotaExceeded", "the reason")
    namespace.api.delete(namespace.path("/api/v1", "resourcequotas", "tight"))
    kubelet.bound(namespace, "ruin", StageName.INGEST)


def test_a_job_that_waits_is_made_anew_when_it_is_deleted(laid: dict[str, Namespace]) -> None:
    """As remedies advise where a value of the install was wrong."""
    namespace = laid["no such node"]
    (before,) = until(lambda: jobs(namespace), "its Job")
    namespace.api.delete(namespace.path("/apis/batch/v1", "jobs", before["metadata"]["name"]) + _IN_BACKGROUND)
    made = until(lambda: [j for j in jobs(namespace) if j["metadata"]["uid"] != before["metadata"]["uid"]], "another")
    assert made[0]["metadata"]["name"] == before["metadata"]["name"]


def test_stage_pods_keep_to_the_restricted_level_and_what_breaks_it_is_told(
    operator: Operator, namespace: Namespace, kubelet: Kubelet
) -> None:
    """A sidecar injector may add what is not allowed; the words are what the API server then says."""
    del operator
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace.api.patch(f"/api/v1/namespaces/{namespace.name}", {"metadata": {"labels": label}})
    namespace.submit("ruin")
    kubelet.bound(namespace, "ruin", StageName.INGEST)
    sidecar = {
        "name": "proxy",
        "image": "example.com/proxy",
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
    }
    injected = {"metadata": {"name": "injected"}, "spec": {"containers": [sidecar]}}
    answer = namespace.api.http.post(namespace.path("/api/v1", "pods"), json=injected).json()
    event = EventView("FailedCreate", f"Error creating: {answer['message']}", datetime.now(UTC))
    why = diagnosis.waiting(StageName.INGEST, [], [event])
    assert why is not None
    assert why.reason == "PodSecurityViolated"
    assert 'breaks the namespace\'s Pod Security level: "restricted:latest": allowPrivilegeEscalation' in why.message


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"priorityClassName": "urgent"}, "PriorityClassNotFound"),
        ({"serviceAccountName": "nobody"}, "ServiceAccountNotFound"),
        ({"runtimeClassName": "nvidia"}, "RuntimeClassNotFound"),
    ],
)
def test_what_a_pod_names_and_the_cluster_has_not_is_told(namespace: Namespace, template: Json, reason: str) -> None:
    """The operator's pods name such things where the install or a webhook says so; the words are the API server's."""
    pod = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "example.com/x"}], **template}}
    answer = namespace.api.http.post(namespace.path("/api/v1", "pods"), json=pod).json()
    event = EventView("FailedCreate", f"Error creating: {answer['message']}", datetime.now(UTC))
    why = diagnosis.waiting(StageName.INGEST, [], [event])
    assert why is not None
    assert why.reason == reason


_IN_BACKGROUND = "?propagationPolicy=Background"
