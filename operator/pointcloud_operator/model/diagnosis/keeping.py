"""Causes in what the operator itself works with: the store, and the names of Jobs."""

import re
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_operator.model.diagnosis import told
from pointcloud_operator.model.diagnosis.cause import Again, Cause, Remedied
from pointcloud_operator.model.diagnosis.quoting import plain
from pointcloud_operator.model.observed import JobView

RESULT_MISSING: Final = Cause(
    reason="ResultMissing",
    seen="the Job is complete, and neither its pod nor the store has the stage's result",
    message="The Job {job} of the {stage} stage is complete, but its result is not in the store",
    remedy="See that the store's volume was not replaced (store in the install's values), then run the stages again by "
    "a new value of spec.rerun",
    again=Again.WHEN_CHANGED,
)
STORE_AWAY: Final = Cause(
    reason=told.STORE_UNAVAILABLE.reason,
    seen="the operator has no answer from the store service",
    message="The store service cannot be asked for the result of the {stage} stage: {detail}",
    remedy=told.STORE_UNAVAILABLE.remedy,
    again=Again.ONCE_CURED,
)
JOB_TERMINATING: Final = Cause(
    reason="JobTerminating",
    seen="a Job of the name that is wanted is being deleted",
    message="The Job of an earlier attempt of the {stage} stage is not gone yet",
    remedy="Nothing to do: it goes when its pods have ended. `kubectl get jobs,pods` shows them",
    again=Again.BY_ITSELF,
)
JOB_NAME_TAKEN: Final = Cause(
    reason="JobNameTaken",
    seen="a Job of the name that is wanted belongs to somebody else",
    message="A Job {job} exists that is not this PointcloudJob's, and the {stage} stage is to have that name",
    remedy="Delete it with `kubectl delete job {job}`, or create the PointcloudJob under another name",
    again=Again.ONCE_CURED,
)
CAUSES: Final = (RESULT_MISSING, STORE_AWAY, JOB_TERMINATING, JOB_NAME_TAKEN)


def result_missing(stage: StageName, job: JobView) -> Remedied:
    """A Job is complete, and neither its pod nor the store has its result."""
    return RESULT_MISSING.said(stage=stage, job=job.name)


def store_unavailable(stage: StageName, detail: str) -> Remedied:
    """The store service did not answer, and `detail` says how."""
    return STORE_AWAY.said(stage=stage, detail=plain(detail) or "no detail is given")


def job_terminating(stage: StageName) -> Remedied:
    """The Job of an earlier attempt, or of an earlier PointcloudJob, is being deleted."""
    return JOB_TERMINATING.said(stage=stage)


def job_name_taken(stage: StageName, detail: str) -> Remedied:
    """A Job that is not ours has the name; `detail` says which."""
    found = re.search(r"\ba Job (?P<name>[-.a-z0-9]+)", detail)
    return JOB_NAME_TAKEN.said(stage=stage, job=found["name"] if found else "<job>")
