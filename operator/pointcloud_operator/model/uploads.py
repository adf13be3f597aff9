"""What a job of uploaded photos waits for before anything of it runs: a first file, then that no other follows."""

from datetime import datetime, timedelta

from pointcloud_api.resource import PointcloudJob, UploadSource
from pointcloud_operator.model.config import InstallConfig

UPLOAD_AWAITED = "UploadAwaited"
"""Reason while no file has arrived."""
UPLOAD_SETTLING = "UploadSettling"
"""Reason while more files may follow the last one."""


def asks_for_files(job: PointcloudJob, config: InstallConfig) -> str:
    """Where to send files, in words.

    The address names the namespace, because which one the gateway takes for granted is the gateway's to know.
    """
    job_id = f"{job.metadata.namespace}.{job.metadata.name}"
    return f"waiting for photos, archives or videos: send them to {config.external_url}/process/{job_id}"


def settles_at(upload: UploadSource, *, seen: datetime | None, config: InstallConfig) -> datetime | None:
    """When to begin with what has arrived, None where nothing says when that was.

    Args:
        upload: What has arrived.
        seen: When the operator saw it first: the gateway's clock may be ahead of the operator's.
        config: The install's settings.
    """
    if upload.received_at is None:
        return None
    received_at = min(upload.received_at, seen or upload.received_at)
    return received_at + timedelta(seconds=config.upload_settle_seconds)
