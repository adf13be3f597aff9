"""The one deadline of a job: over all its stages and attempts, without the time in which it may not work.

The status keeps how long the job had been at work and since when it is again, so that the clock costs a write only
when it is started or stopped.
"""

from datetime import datetime, timedelta

from pointcloud_api.names import StageName
from pointcloud_api.resource import PointcloudJob, PointcloudJobStatus
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.diagnosis import Remedied


def time_limit(job: PointcloudJob, config: InstallConfig) -> timedelta | None:
    """How long the job may be at work, None for ever."""
    seconds = job.spec.active_deadline_seconds or config.active_deadline_seconds
    return timedelta(seconds=seconds) if seconds else None


def worked(status: PointcloudJobStatus, now: datetime) -> timedelta:
    """How long the job has been at work."""
    before = timedelta(seconds=status.active_seconds or 0)
    return before + max(now - status.active_since, timedelta()) if status.active_since else before


def ends_at(status: PointcloudJobStatus, job: PointcloudJob, config: InstallConfig) -> datetime | None:
    """When the job's time is over if it goes on working, None if it does not work or has time for ever."""
    limit = time_limit(job, config)
    if limit is None or status.active_since is None:
        return None
    return status.active_since + limit - timedelta(seconds=status.active_seconds or 0)


def overdue(
    status: PointcloudJobStatus, job: PointcloudJob, stage: StageName, config: InstallConfig, now: datetime
) -> Remedied | None:
    """Why the job has failed at this stage, if its time is over."""
    limit, so_far = time_limit(job, config), worked(status, now)
    if limit is None or so_far < limit:
        return None
    return diagnosis.deadline_exceeded(stage, round(so_far.total_seconds()), round(limit.total_seconds()))


def clocked(status: PointcloudJobStatus, *, at_work: bool, now: datetime) -> PointcloudJobStatus:
    """The status with its clock running, or stopped; itself where it is so already."""
    if at_work == (status.active_since is not None):
        return status
    seconds = round(worked(status, now).total_seconds())
    return status.model_copy(update={"active_seconds": seconds, "active_since": now if at_work else None})
