"""The one retry budget of a job: how many failed tries all its stages and attempts together may have.

What an attempt has used of it is recorded when the attempt ends, so that its Job is the same whenever it is created
again.
"""

from collections.abc import Iterable, Sequence

from pointcloud_api.resource import PointcloudJob, StageStatus
from pointcloud_api.stages import Reason
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.observed import JobView, PodView
from pointcloud_operator.model.shortage import shortage


def retries_left(job: PointcloudJob, config: InstallConfig, records: Iterable[StageStatus]) -> int:
    """How many failed tries may be tried again; what the attempts under way have used is not taken off."""
    limit = config.retry_limit if job.spec.retry_limit is None else job.spec.retry_limit
    return max(limit - sum(record.retries for record in records), 0)


def failed_tries(child: JobView, pods: Sequence[PodView]) -> int:
    """How many tries of an attempt have failed and count.

    The Job's own count knows of pods that are gone, and the pods of failures that the Job has not counted yet. Neither
    too little memory or scratch, nor that what the stage before left is gone, is the stage's failure.
    """
    failed = [pod for pod in pods if pod.phase == "Failed" and not pod.disruption]
    excused = sum(1 for pod in failed if shortage(pod) or misses_upstream(pod))
    return max(child.failures - excused, len(failed) - excused)


def misses_upstream(pod: PodView) -> bool:
    """Whether the pod ended because what the stage before left is gone."""
    error = pod.termination.error
    return error is not None and error.reason == Reason.UPSTREAM_MISSING
