"""PointcloudJobs, Jobs and Pods as tests need them, in the API server's JSON."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pointcloud_api.names import ATTEMPT_LABEL, KEY_LABEL, STAGE_LABEL, StageName
from pointcloud_api.resource import ObjectMeta, PointcloudJob, PointcloudJobSpec
from pointcloud_api.stages import DOCUMENT_VARIABLE, STAGE_DOCUMENT, StageDocument, StageResult, Termination
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.observed import JobView, PodView

Json = dict[str, Any]

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
UID = "0b5e3f9e-7a51-4c61-9a4e-1f8a3b1d2c10"

CONFIG = InstallConfig.model_validate(
    {
        "externalUrl": "https://pointclouds.example.com",
        "storeUrl": "http://store.pointcloud-system.svc:8081",
        "defaultDevice": "gpu",
        "stages": {
            "ingest": {"image": "example.com/ingest:1"},
            "reconstruct": {
                "image": "example.com/colmap:1",
                "resources": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "8Gi"}},
                "nodeSelector": {"disk": "fast"},
                "gpu": {
                    "image": "example.com/colmap-cuda:1",
                    "nodeSelector": {"nvidia.com/gpu.present": "true"},
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
                },
            },
            "convert": {"image": "example.com/potree:1"},
        },
    }
)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def pointcloud_job(spec: Json | None = None, *, generation: int = 1, uid: str = UID) -> PointcloudJob:
    return PointcloudJob(
        metadata=ObjectMeta(name="ruin", namespace="photos", uid=uid, generation=generation, creation_timestamp=NOW),
        spec=PointcloudJobSpec.model_validate({"source": {"urls": ["https://example.com/ruin.zip"]}, **(spec or {})}),
    )


def job_view(
    job: Json,
    *,
    uid: str = "job-uid",
    complete: bool = False,
    failed: str = "",
    deleting: bool = False,
    queued: bool = False,
    failures: int = 0,
    created: datetime = NOW,
) -> JobView:
    """A created Job as the API server tells of it."""
    conditions = []
    if complete:
        conditions.append({"type": "Complete", "status": "True"})
    if failed:
        conditions.append({"type": "Failed", "status": "True", "reason": failed, "message": f"Job: {failed}"})
    metadata = {**job["metadata"], "uid": uid, "creationTimestamp": text(created)}
    if deleting:
        metadata["deletionTimestamp"] = text(created)
    spec = {**job.get("spec", {}), **({"suspend": True} if queued else {})}
    status = {"conditions": conditions, **({"failed": failures} if failures else {})}
    return JobView.of({**job, "metadata": metadata, "spec": spec, "status": status})


def bare_job(stage: StageName = StageName.RECONSTRUCT, *, failed: str = "BackoffLimitExceeded") -> JobView:
    labels = {STAGE_LABEL: stage.value, KEY_LABEL: "0123456789", ATTEMPT_LABEL: "1"}
    return job_view({"metadata": {"name": f"ruin-{stage}-0123456789-1", "labels": labels}}, failed=failed)


def pod_view(
    *,
    phase: str = "Pending",
    state: Json | None = None,
    conditions: tuple[Json, ...] = (),
    uid: str = "pod-uid",
    **status: Any,
) -> PodView:
    limits = {"resources": {"limits": {"memory": "8Gi"}}}
    statuses = [{"name": "stage", "state": state}] if state else []
    return PodView.of(
        {
            "metadata": {"name": f"ruin-{uid}", "uid": uid, "creationTimestamp": text(NOW)},
            "spec": {"containers": [{"name": "stage", **limits}]},
            "status": {"phase": phase, "conditions": list(conditions), "containerStatuses": statuses, **status},
        }
    )


def running_pod(*, uid: str = "pod-uid") -> PodView:
    return pod_view(phase="Running", state={"running": {"startedAt": text(NOW)}}, uid=uid)


def ended_pod(
    *, exit_code: int, termination: Termination | None = None, reason: str = "", uid: str = "pod-uid", message: str = ""
) -> PodView:
    terminated = {
        "exitCode": exit_code,
        "reason": reason or ("Completed" if exit_code == 0 else "Error"),
        "message": termination.encode() if termination else message,
        "startedAt": text(NOW),
        "finishedAt": text(NOW + timedelta(seconds=1)),
    }
    return pod_view(phase="Failed" if exit_code else "Succeeded", state={"terminated": terminated}, uid=uid)


def result(stage: StageName, key: str, **figures: Any) -> StageResult:
    return StageResult.model_validate(
        {"stage": stage, "key": key, "podUid": "pod-uid", "artefacts": [], "figures": figures}
    )


def document(job: Json) -> StageDocument:
    """What the Job tells its stage."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    value = next(variable["value"] for variable in container["env"] if variable["name"] == DOCUMENT_VARIABLE)
    return STAGE_DOCUMENT.validate_json(value)
