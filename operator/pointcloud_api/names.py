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

STORE_AUDIENCE: Final = "pointcloud-store"
"""Audience of the projected service-account tokens that the store service accepts, and nobody else does."""

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


def stage_prefix(*, stage: StageName, namespace: str, name: str, uid: str, key: str) -> str:
    """The folder in the store below which every pod of one stage key works; no leading or trailing slash."""
    return f"{stage.root}/{namespace}/{name}/{uid}/{key}"


def result_path(prefix: str) -> str:
    """Where a stage's result lies: created once, never replaced, so it names the pod that won."""
    return f"{prefix}/{RESULT_FILE}"


def artefact_path(prefix: str, pod_uid: str, path: str) -> str:
    """Where one pod's file lies. Two pods of one key never share a folder, so neither can harm the other."""
    return f"{prefix}/{pod_uid}/{path}"
