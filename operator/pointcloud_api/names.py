"""Names that more than one program must agree on: the API group, labels, and the paths of artefacts in the store."""

from enum import StrEnum
from typing import Final

GROUP: Final = "stitchsketch.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PointcloudJob"
PLURAL: Final = "pointcloudjobs"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "pointcloud-operator"
JOB_LABEL: Final = f"pointcloud.{GROUP}/job"
STAGE_LABEL: Final = f"pointcloud.{GROUP}/stage"
KEY_LABEL: Final = f"pointcloud.{GROUP}/key"
ATTEMPT_LABEL: Final = f"pointcloud.{GROUP}/attempt"
REQUESTED_BY_ANNOTATION: Final = f"pointcloud.{GROUP}/requested-by"
"""On a PointcloudJob that the gateway made: the name of the user who asked for it."""

KUEUE_QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
"""Kueue's own: on a Job, the LocalQueue in which it waits for quota."""
ARTEFACTS_FINALIZER: Final = f"pointcloud.{GROUP}/artefacts"
"""On a PointcloudJob whose artefacts are to be removed with it, until they are."""

STORE_AUDIENCE: Final = "pointcloud-store"
"""Audience of the projected service-account tokens that the store service accepts, and nobody else does."""

GATEWAY_AUDIENCE: Final = "pointcloud-gateway"
"""Audience of tokens for the REST service alone: worthless at the API server."""

MAX_NAME_LENGTH: Final = 37
"""A Job is named `<name>-<stage>-<key>-<attempt>` and a Job's name fits a label of 63 characters:
37 + len("-reconstruct-") + 10 + len("-99")."""


class StageName(StrEnum):
    """The three stages, in the order in which they run."""

    INGEST = "ingest"
    RECONSTRUCT = "reconstruct"
    CONVERT = "convert"

    @property
    def root(self) -> str:
        """The store's root folder for what this stage makes."""
        return _ROOTS[self]


_ROOTS: Final = {
    StageName.INGEST: "raw",
    StageName.RECONSTRUCT: "processed",
    StageName.CONVERT: "potree",
}

RESULT_FILE: Final = "result.json"


def stage_job_name(*, name: str, stage: StageName, key: str, attempt: int) -> str:
    """The name of the Job that runs one attempt of one stage: equal inputs, equal name, so it is created once."""
    return f"{name}-{stage}-{key}-{attempt}"


def job_prefix(*, stage: StageName, namespace: str, name: str, uid: str) -> str:
    """The folder in the store of all that one stage of a PointcloudJob ever made; no leading or trailing slash."""
    return f"{stage.root}/{namespace}/{name}/{uid}"


def stage_prefix(*, stage: StageName, namespace: str, name: str, uid: str, key: str) -> str:
    """The folder in the store below which every pod of one stage key works; no leading or trailing slash."""
    return f"{job_prefix(stage=stage, namespace=namespace, name=name, uid=uid)}/{key}"


def result_path(prefix: str) -> str:
    """Where a stage's result lies: created once, never replaced, so it names the pod that won."""
    return f"{prefix}/{RESULT_FILE}"


def artefact_path(prefix: str, pod_uid: str, path: str) -> str:
    """Where one pod's file lies. Two pods of one key never share a folder, so neither can harm the other."""
    return f"{prefix}/{pod_uid}/{path}"


def uploads_prefix(*, namespace: str, name: str, uid: str) -> str:
    """The folder in the store for what arrives through the gateway; no leading or trailing slash.

    Below it lie `files/<upload id>/…`, the bytes, and `records/…`, which say what of them belongs to which revision
    (`stages.UploadRecord`); what lies in `open/…` has not been recorded yet. No stage's key is spelt "uploads", and no
    pod's uid "files", "records" or "open".
    """
    return f"{StageName.INGEST.root}/{namespace}/{name}/{uid}/uploads"


def upload_records_prefix(*, namespace: str, name: str, uid: str) -> str:
    """The folder of the `UploadRecord`s, each named `<revision, 8 digits>-<anything>.json`."""
    return f"{uploads_prefix(namespace=namespace, name=name, uid=uid)}/records"
