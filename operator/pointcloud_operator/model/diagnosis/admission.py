"""Causes that are refusals: what the API server, or whom it asks, has against a stage's Job or its pods."""

import re
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import MAX_HEARD, MAX_NAME, plain

_PREFIXES: Final = re.compile(
    r"^(Error creating: )?(the Job \S+ cannot be created: )?(\w+(\.\w+)? \"[^\"]*\" is (forbidden|invalid): )?"
)
"""What stands before the reason: the name of a pod that changes with each try, which would make each try news."""

QUOTA: Final = Cause(
    reason="QuotaExceeded",
    seen="“exceeded quota” in a refusal of the Job or in a `FailedCreate` Event of it",
    message="The namespace's ResourceQuota {name} leaves no room for the {stage} stage: {detail}",
    remedy="Wait until other jobs have ended, set spec.stages.{stage}.resources to less, or raise the quota: "
    "`kubectl describe resourcequota {name}`",
    again=Again.ONCE_CURED,
)
QUOTA_UNSPECIFIED: Final = Cause(
    reason="ResourcesUnspecified",
    seen="“failed quota” and “must specify” in a `FailedCreate` Event of the Job",
    message="The namespace's ResourceQuota {name} asks for amounts that the {stage} stage does not say: {detail}",
    remedy="Set them in spec.stages.{stage}.resources, or in stages.{stage}.resources in the install's values",
    again=Again.ONCE_CURED,
)
LIMIT_RANGE: Final = Cause(
    reason="LimitRangeViolated",
    seen="“minimum … usage per”, “maximum … usage per” or “max limit to request ratio” in a `FailedCreate` Event",
    message="The {stage} stage asks for amounts that the namespace's LimitRange does not allow: {detail}",
    remedy="Set spec.stages.{stage}.resources to what it allows, or have it changed: `kubectl describe limitrange`",
    again=Again.ONCE_CURED,
)
POD_SECURITY: Final = Cause(
    reason="PodSecurityViolated",
    seen="“violates PodSecurity” in a `FailedCreate` Event of the Job",
    message="The pod of the {stage} stage breaks the namespace's Pod Security level: {detail}",
    remedy="Stage pods keep to the level restricted, so see what adds to them, such as a sidecar injector "
    "(`kubectl get mutatingwebhookconfigurations`), or lower the namespace's label pod-security.kubernetes.io/enforce",
    again=Again.ONCE_CURED,
)
WEBHOOK: Final = Cause(
    reason="AdmissionDenied",
    seen="“admission webhook … denied the request” in a refusal of the Job or in a `FailedCreate` Event",
    message="The admission webhook {name} does not allow the {stage} stage: {detail}",
    remedy="Change what it objects to in spec.stages.{stage}, or ask who runs it for an exception: "
    "`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
    again=Again.ONCE_CURED,
)
POLICY: Final = Cause(
    reason="AdmissionDenied",
    seen="“ValidatingAdmissionPolicy … denied request” in a refusal of the Job or in a `FailedCreate` Event",
    message="The ValidatingAdmissionPolicy {name} does not allow the {stage} stage: {detail}",
    remedy="Change what it objects to in spec.stages.{stage}, or ask for an exception: "
    "`kubectl describe validatingadmissionpolicy {name}`",
    again=Again.ONCE_CURED,
)
WEBHOOK_AWAY: Final = Cause(
    reason="AdmissionUnavailable",
    seen="“failed calling webhook” in a refusal of the Job or in a `FailedCreate` Event",
    message="The admission webhook {name}, without which nothing may be created, does not answer: {detail}",
    remedy="Bring its service back, or set its failurePolicy to Ignore: "
    "`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
    again=Again.ONCE_CURED,
)
PRIORITY_CLASS_MISSING: Final = Cause(
    reason="PriorityClassNotFound",
    seen="“no PriorityClass with name … was found” in a `FailedCreate` Event of the Job",
    message="The cluster has no PriorityClass {name}, which the {stage} stage is to have",
    remedy="Create it, or name another one (`kubectl get priorityclasses`) in "
    "spec.stages.{stage}.priorityClassName or stages.{stage}.priorityClassName of the install's values",
    again=Again.ONCE_CURED,
)
RUNTIME_CLASS_MISSING: Final = Cause(
    reason="RuntimeClassNotFound",
    seen="“RuntimeClass … not found” in a `FailedCreate` Event of the Job",
    message="The cluster has no RuntimeClass {name}, which something gives to the pod of the {stage} stage",
    remedy="Create it, or see which admission webhook sets it: `kubectl get mutatingwebhookconfigurations`",
    again=Again.ONCE_CURED,
)
SERVICE_ACCOUNT_MISSING: Final = Cause(
    reason="ServiceAccountNotFound",
    seen="“error looking up service account” in a `FailedCreate` Event of the Job",
    message="The namespace has no ServiceAccount {name}, which pods run as",
    remedy="Create it: `kubectl create serviceaccount {name}`",
    again=Again.ONCE_CURED,
)
NAMESPACE_GOING: Final = Cause(
    reason="NamespaceTerminating",
    seen="“because it is being terminated” in a refusal of the Job or in a `FailedCreate` Event",
    message="The namespace is being deleted, so the {stage} stage cannot run in it",
    remedy="Create the PointcloudJob in another namespace",
    again=Again.NEW_JOB,
)
NOT_PERMITTED: Final = Cause(
    reason="OperatorNotPermitted",
    seen="“cannot create resource” in a refusal of the Job",
    message="The operator may not create the Job of the {stage} stage: {detail}",
    remedy="Give its service account back the ClusterRole of the chart with `helm upgrade`",
    again=Again.ONCE_CURED,
)
INVALID: Final = Cause(
    reason="StageInvalid",
    seen="“is invalid” in a refusal of the Job",
    message="The Job of the {stage} stage cannot be made as the spec and the install's values would have it: {detail}",
    remedy="Correct spec.stages.{stage}, or stages.{stage} in the install's values",
    again=Again.ONCE_CURED,
)
REFUSED: Final = Cause(
    reason="StageRefused",
    seen="any other refusal of the Job, and any other `FailedCreate` Event of it",
    message="The API server refuses the {stage} stage: {detail}",
    remedy="Change what it objects to: `kubectl describe jobs -l pointcloud.stitchsketch.io/stage={stage}` shows all "
    "that was tried",
    again=Again.ONCE_CURED,
)
_PATTERNS: Final[tuple[tuple[re.Pattern[str], Cause], ...]] = (
    (re.compile(r"exceeded quota: (?P<name>[^,\s]+), (?P<detail>.*)"), QUOTA),
    (re.compile(r"failed quota: (?P<name>[^:\s]+): (?P<detail>must specify .*)"), QUOTA_UNSPECIFIED),
    (re.compile(r"^(?P<detail>.*(?:(?:min|max)imum \S+ usage per|max limit to request ratio per) .*)"), LIMIT_RANGE),
    (re.compile(r"violates PodSecurity (?P<detail>.*)"), POD_SECURITY),
    (re.compile(r"admission webhook \"(?P<name>[^\"]*)\" denied the request:? ?(?P<detail>.*)"), WEBHOOK),
    (
        re.compile(
            r"ValidatingAdmissionPolicy '(?P<name>[^']*)'(?: with binding '[^']*')? denied request: (?P<detail>.*)"
        ),
        POLICY,
    ),
    (re.compile(r"failed calling webhook \"(?P<name>[^\"]*)\"[:;] (?P<detail>.*)"), WEBHOOK_AWAY),
    (re.compile(r"no PriorityClass with name (?P<name>\S+) was found"), PRIORITY_CLASS_MISSING),
    (re.compile(r"RuntimeClass \"(?P<name>[^\"]*)\" not found"), RUNTIME_CLASS_MISSING),
    (re.compile(r"error looking up service account [^/\s]+/(?P<name>[^:\s]+)"), SERVICE_ACCOUNT_MISSING),
    (re.compile(r"because it is being terminated|^namespaces \"[^\"]*\" not found"), NAMESPACE_GOING),
    (re.compile(r"^(?P<detail>.*cannot create resource .*)"), NOT_PERMITTED),
)
CAUSES: Final = (
    QUOTA,
    QUOTA_UNSPECIFIED,
    LIMIT_RANGE,
    POD_SECURITY,
    WEBHOOK,
    POLICY,
    WEBHOOK_AWAY,
    PRIORITY_CLASS_MISSING,
    RUNTIME_CLASS_MISSING,
    SERVICE_ACCOUNT_MISSING,
    NAMESPACE_GOING,
    NOT_PERMITTED,
    INVALID,
    REFUSED,
)


def refusal(stage: StageName, answer: str) -> Remedied:
    """Why a Job or its pod may not be created, from what the API server answered."""
    told = " ".join(answer[:MAX_HEARD].split())
    bare = _PREFIXES.sub("", told)
    for pattern, cause in _PATTERNS:
        if found := pattern.search(bare):
            named = {**dict.fromkeys(("name", "detail"), ""), **found.groupdict(default="")}
            detail = plain(named["detail"]) or "no reason given"
            return cause.said(stage=stage, name=plain(named["name"], MAX_NAME), detail=detail)
    cause = INVALID if " is invalid: " in told else REFUSED
    return cause.said(stage=stage, detail=plain(bare) or "no reason given")
