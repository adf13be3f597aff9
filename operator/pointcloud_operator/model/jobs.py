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
    MANAGED_BY_LABEL,
    MANAGER,
    STAGE_LABEL,
    STORE_AUDIENCE,
    StageName,
    stage_job_name,
)
from pointcloud_api.resource import Device, PointcloudJob, StageOverrides
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
from pointcloud_operator.model.config import InstallConfig, ReconstructConfig, Resources, Variant
from pointcloud_operator.model.observed import CONTAINER
from pointcloud_operator.model.plan import PlannedStage

USER_ID: Final = 10001
"""The user and group that every stage image runs as."""
OUT_OF_MEMORY_EXIT_CODE: Final = 137
"""SIGKILL, which is how the kernel answers a container above its memory limit."""
GRACE_SECONDS: Final = 30
"""What spot nodes give, so a checkpoint has to fit into it anywhere."""
TOKEN_SECONDS: Final = 3600

_NOTHING_MORE = Variant(resources=Resources())


def stage_job(job: PointcloudJob, stage: PlannedStage, *, attempt: int, config: InstallConfig) -> dict[str, Any]:
    """The batch/v1 Job that runs one attempt of one stage of a PointcloudJob."""
    labels = {
        MANAGED_BY_LABEL: MANAGER,
        JOB_LABEL: job.metadata.name,
        STAGE_LABEL: stage.name.value,
        KEY_LABEL: stage.key,
        ATTEMPT_LABEL: str(attempt),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": stage_job_name(name=job.metadata.name, stage=stage.name, key=stage.key, attempt=attempt),
            "namespace": job.metadata.namespace,
            "labels": labels,
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
            "backoffLimit": config.retry_limit,
            "ttlSecondsAfterFinished": config.finished_job_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": _pod_failure_policy(),
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
                },
                "spec": _pod_spec(job, stage, attempt=attempt, config=config),
            },
        },
    }


def resolved_device(job: PointcloudJob, config: InstallConfig) -> Device:
    """What the reconstruct stage runs on: the spec's word, or the install's where the spec says auto."""
    device = job.spec.reconstruction.device
    return config.default_device if device is Device.AUTO else device


def _pod_failure_policy() -> dict[str, Any]:
    """The order counts: a pod that a drained node ends with one of our codes is ignored, not failed."""
    final = sorted({*FINAL_EXIT_CODES, ExitCode.NEEDS_MORE, OUT_OF_MEMORY_EXIT_CODE})
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [int(code) for code in final]},
            },
        ]
    }


def _pod_spec(job: PointcloudJob, stage: PlannedStage, *, attempt: int, config: InstallConfig) -> dict[str, Any]:
    settings, variant = config.stages.of(stage.name), _variant(job, stage.name, config)
    overrides = job.spec.stages.of(stage.name)
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
                "env": _environment(job, stage, attempt=attempt, config=config),
                "resources": _resources(settings.resources, variant.resources, overrides),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePolicy": "File",
                "volumeMounts": _mounts(stage),
            }
        ],
        "volumes": _volumes(stage, scratch_size=settings.scratch_size),
    }
    if selector := {**settings.node_selector, **variant.node_selector, **(overrides.node_selector or {})}:
        spec["nodeSelector"] = selector
    if tolerations := [*settings.tolerations, *variant.tolerations]:
        spec["tolerations"] = tolerations
    if config.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in config.image_pull_secrets]
    return spec


def _variant(job: PointcloudJob, stage: StageName, config: InstallConfig) -> Variant:
    settings = config.stages.of(stage)
    if isinstance(settings, ReconstructConfig) and resolved_device(job, config) is Device.GPU:
        return settings.gpu
    return _NOTHING_MORE


def _resources(default: Resources, variant: Resources, overrides: StageOverrides) -> dict[str, Any]:
    wished = overrides.resources
    merged = {
        "limits": {**default.limits, **variant.limits, **((wished and wished.limits) or {})},
        "requests": {**default.requests, **variant.requests, **((wished and wished.requests) or {})},
    }
    return {kind: dict(sorted(values.items())) for kind, values in merged.items() if values}


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
            return ReconstructDocument(**common, upstream=stage.upstream, device=resolved_device(job, config).value)
        case ConvertSettings():
            return ConvertDocument(**common, upstream=stage.upstream)
        case _:
            assert_never(stage.settings)


def _mounts(stage: PlannedStage) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "scratch", "mountPath": SCRATCH_FOLDER},
        {"name": "scratch", "mountPath": "/tmp", "subPath": ".tmp"},  # noqa: S108 - a volume of the pod's own
        {"name": "token", "mountPath": TOKEN_FILE.rpartition("/")[0], "readOnly": True},
    ]
    if _claim_of(stage):
        mounts.append({"name": "source", "mountPath": SOURCE_FOLDER, "readOnly": True})
    return mounts


def _volumes(stage: PlannedStage, *, scratch_size: int | str) -> list[dict[str, Any]]:
    token = {
        "audience": STORE_AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
        "path": TOKEN_FILE.rpartition("/")[2],
    }
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": scratch_size}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    if claim := _claim_of(stage):
        volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def _claim_of(stage: PlannedStage) -> str | None:
    return stage.settings.claim_name if isinstance(stage.settings, IngestSettings) else None
