"""How long a PointcloudJob is kept once it has ended: success and failure each have their time."""

from datetime import datetime, timedelta

from pointcloud_api.resource import Phase, PointcloudJob
from pointcloud_operator.model.config import InstallConfig


def kept_until(job: PointcloudJob, config: InstallConfig) -> datetime | None:
    """When the time of a PointcloudJob that has ended is over; None: never, or it has not ended."""
    own, installs = job.spec.retention, config.retention
    match job.status.phase:
        case Phase.SUCCEEDED:
            seconds = installs.succeeded_seconds if own.succeeded_seconds is None else own.succeeded_seconds
        case Phase.FAILED:
            seconds = installs.failed_seconds if own.failed_seconds is None else own.failed_seconds
        case _:
            return None
    ended = job.status.completion_time
    return None if seconds is None or ended is None else ended + timedelta(seconds=seconds)
