"""From a planned stage to the Job that runs it. Equal inputs give an equal Job, so that it can be created again.

What users may not choose (image, service account, security context, volumes) is fixed here; what they may (resources,
node selector) is laid over the install's defaults, field by field.
"""

import json
from typing import Any, Final, assert_never

from pointcloud_api.names import (
    API_VERSION,
    ATTEMPT_LABEL,
    JOB_LABEL,
    KEY_LABEL,
    KIND,
    KUEUE_QUEUE_LABEL,
    MANAGED_BY_LABEL,
    MANAGER,
    STAGE_LABEL,
    STORE_AUDIENCE,
)
from pointcloud_api.resource import PointcloudJob, Quantity, StageStatus
from pointcloud_api.stages import (
    DOCUMENT_VARIABLE,
    FINAL_EXIT_CODES,
    POD_UID_VARIABLE,
    SCRATCH_FOLDER,
    SOURCE_FOLDER,
    TOKEN_FILE,
    URLS_VARIABLE,
    ConvertDocument,
    ConvertSettings,
    ExitCode,
    IngestDocument,
    IngestSettings,
    ReconstructDocument,
    ReconstructSettings,
    StageDocument,
)
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.observed import CONTAINER, KILLED_EXIT_CODE, SCRATCH_VOLUME
from pointcloud_operator.model.plan import PlannedStage
from pointcloud_operator.model.resources import given
from pointcloud_operator.model.variant import resolved_device, variant_of

USER_ID: Final = 10001
"""The user and group that every stage image runs as."""
GRACE_SECONDS: Final = 30
"""What spot nodes give, so a checkpoint has to fit into it anywhere."""
TOKEN_SECONDS: Final = 3600


def stage_job(
    job: PointcloudJob, stage: PlannedStage, record: StageStatus, *, retries: int, config: InstallConfig
) -> dict[str, Any]:
    """The batch/v1 Job that runs one attempt of one stage of a PointcloudJob.

    Args:
        job: The PointcloudJob.
        stage: The stage, as the spec asks for it.
        record: What is recorded of it: the attempt to make, and those before it.
        retries: How many failed tries may be tried again.
        config: The install's settings.
    """
    labels = {
        MANAGED_BY_LABEL: MANAGER,
        JOB_LABEL: job.metadata.name,
        STAGE_LABEL: stage.name.value,
        KEY_LABEL: stage.key,
        ATTEMPT_LABEL: str(record.attempt),
    }
    queue = {KUEUE_QUEUE_LABEL: job.spec.queue_name} if job.spec.queue_name else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": record.job,
            "namespace": job.metadata.namespace,
            "labels": {**labels, **queue},
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": KIND,
                    "name": job.metadata.name,
                    "uid": job.metadata.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": retries,
            "ttlSecondsAfterFinished": config.finished_job_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _pod_failure_policy(),
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod_spec(job, stage, record, config=config),
            },
        },
    }


def _pod_failure_policy() -> dict[str, Any]:
    """The order counts: a pod that a drained node ends with one of our codes is ignored, not failed.

    SIGKILL ends the Job, because the same amount of memory would be too little again; where it was not for memory but
    by a node that went down, `attempt.verdict` makes another.
    """
    final = sorted({*FINAL_EXIT_CODES, ExitCode.NEEDS_MORE, KILLED_EXIT_CODE})
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [int(code) for code in final]},
            },
        ]
    }


def _pod_spec(job: PointcloudJob, stage: PlannedStage, record: StageStatus, *, config: InstallConfig) -> dict[str, Any]:
    settings, variant = config.stages.of(stage.name), variant_of(job, stage.name, config)
    overrides = job.spec.stages.of(stage.name)
    has = given(job, stage.name, config, record.earlier_attempts)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": variant.image or settings.image,
                "imagePullPolicy": config.image_pull_policy,
                "env": _environment(job, stage, attempt=record.attempt, config=config),
                "resources": has.resources,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": _mounts(stage),
            }
        ],
        "tolerations": [*settings.tolerations, *variant.tolerations, *_patience(config)],
        "volumes": _volumes(stage, scratch_size=has.scratch_size),
    }
    if selector := {**settings.node_selector, **variant.node_selector, **(overrides.node_selector or {})}:
        spec["nodeSelector"] = selector
    if priority_class := overrides.priority_class_name or settings.priority_class_name:
        spec["priorityClassName"] = priority_class
    if config.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in config.image_pull_secrets]
    return spec


def _patience(config: InstallConfig) -> list[dict[str, Any]]:
    """Tolerations that say for how long a pod may stay on a node that is silent."""
    return [
        {
            "key": f"node.kubernetes.io/{taint}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": config.unreachable_node_seconds,
        }
        for taint in ("not-ready", "unreachable")
    ]


def _environment(
    job: PointcloudJob, stage: PlannedStage, *, attempt: int, config: InstallConfig
) -> list[dict[str, Any]]:
    document = _document(job, stage, attempt=attempt, config=config)
    variables = [{"name": DOCUMENT_VARIABLE, "value": document.model_dump_json(exclude_none=True)}]
    if isinstance(document, IngestDocument):
        variables.append({"name": URLS_VARIABLE, "value": json.dumps(job.spec.source.urls or ())})
    return [
        *variables,
        {"name": POD_UID_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "HOME", "value": "/tmp"},  # noqa: S108 - a volume of the pod's own
        {"name": "TMPDIR", "value": "/tmp"},  # noqa: S108 - the same
    ]


def _document(job: PointcloudJob, stage: PlannedStage, *, attempt: int, config: InstallConfig) -> StageDocument:
    common: dict[str, Any] = {
        "namespace": job.metadata.namespace,
        "name": job.metadata.name,
        "uid": job.metadata.uid,
        "key": stage.key,
        "attempt": attempt,
        "store_url": config.store_url,
        "settings": stage.settings,
    }
    match stage.settings:
        case IngestSettings():
            return IngestDocument(**common, limits=config.ingest_limits)
        case ReconstructSettings():
            return ReconstructDocument(
                **common,
                upstream=stage.upstream,
                previous_key=None if stage.previous_key == stage.key else stage.previous_key,
                device=resolved_device(job, config).value,
            )
        case ConvertSettings():
            page = f"{config.external_url}/potree/{job.metadata.namespace}/{job.metadata.name}/{stage.key}/"
            return ConvertDocument(**common, upstream=stage.upstream, address=page)
        case _:
            assert_never(stage.settings)


def _mounts(stage: PlannedStage) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": SCRATCH_VOLUME, "mountPath": SCRATCH_FOLDER},
        {"name": SCRATCH_VOLUME, "mountPath": "/tmp", "subPath": ".tmp"},  # noqa: S108 - a volume of the pod's own
        {"name": "token", "mountPath": TOKEN_FILE.rpartition("/")[0], "readOnly": True},
    ]
    if _claim_of(stage):
        mounts.append({"name": "source", "mountPath": SOURCE_FOLDER, "readOnly": True})
    return mounts


def _volumes(stage: PlannedStage, *, scratch_size: Quantity) -> list[dict[str, Any]]:
    token = {
        "audience": STORE_AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
        "path": TOKEN_FILE.rpartition("/")[2],
    }
    volumes: list[dict[str, Any]] = [
        {"name": SCRATCH_VOLUME, "emptyDir": {"sizeLimit": scratch_size}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    if claim := _claim_of(stage):
        volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def _claim_of(stage: PlannedStage) -> str | None:
    return stage.settings.claim_name if isinstance(stage.settings, IngestSettings) else None
