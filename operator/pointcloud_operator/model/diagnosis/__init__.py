"""Why a stage waits or has failed, in words for the user: what is wrong, and what to do next.

The best source comes first: what the stage itself said, then what Kubernetes says of its container, its pod, its Job.
Every reason that a user can see has a row in the table of causes, from which the words and the documentation are made.
"""

from pointcloud_operator.model.diagnosis.cause import Remedied
from pointcloud_operator.model.diagnosis.ended import failure
from pointcloud_operator.model.diagnosis.keeping import job_terminating, result_missing, store_unavailable
from pointcloud_operator.model.diagnosis.limits import (
    deadline_exceeded,
    out_of_memory,
    out_of_scratch,
    priority_class_not_allowed,
    queued,
    too_many_disruptions,
)
from pointcloud_operator.model.diagnosis.waits import refused, waiting

__all__ = [
    "Remedied",
    "deadline_exceeded",
    "failure",
    "job_terminating",
    "out_of_memory",
    "out_of_scratch",
    "priority_class_not_allowed",
    "queued",
    "refused",
    "result_missing",
    "store_unavailable",
    "too_many_disruptions",
    "waiting",
]
