"""A PointcloudJob as the REST service shows it: one pure function of the resource and the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Literal

from pointcloud_api.names import REQUESTED_BY_ANNOTATION
from pointcloud_api.resource import (
    ConditionType,
    Phase,
    PointcloudJobSpec,
    PointcloudJobStatus,
    ProgressStatus,
    Source,
    StageStatus,
)
from pointcloud_api.stages import THUMBNAIL_FILE
from pointcloud_gateway.access.grants import Grants
from pointcloud_gateway.api.schemas import (
    EarlierAttempt,
    Failure,
    Images,
    Interruption,
    Job,
    JobSettings,
    Progress,
    SeedStatus,
    Stage,
    StatusWord,
)
from pointcloud_gateway.job_ids import JobId

_LINK_SECONDS: Final = 86_400
"""A signed link of a job is good for this long to twice as long, and the same meanwhile, so that browsers keep it."""

_DELETED: Final = Failure(
    reason="Deleted", message="The job was deleted before it had ended. Create it again and send its files again."
)


@dataclass(frozen=True)
class Links:
    """Makes the addresses that a job's document holds."""

    external_url: str
    default_namespace: str
    anonymous_viewing: bool
    grants: Grants

    def shared(self, job_id: JobId, uid: str, *, expires: int) -> str:
        """The job's page, open until `expires` (seconds since the epoch) to whoever has the address."""
        return f"{self.external_url}{self.grants.path(job_id, uid, expires=expires)}"

    def page(self, job_id: JobId, uid: str, now: datetime) -> str:
        """The job's page, for a browser, which sends no token: signed where not everybody may look."""
        if self.anonymous_viewing:
            return f"{self.external_url}/potree/{job_id.namespace}/{job_id.name}/"
        return self.shared(job_id, uid, expires=(int(now.timestamp()) // _LINK_SECONDS + 2) * _LINK_SECONDS)


class ParsedJob:
    """A resource, read once: its spec, its status, and what follows from both."""

    def __init__(self, resource: Mapping[str, Any], *, archived: bool = False) -> None:
        metadata = resource["metadata"]
        self.id = JobId(metadata["namespace"], metadata["name"])
        self.uid: str = metadata["uid"]
        self.created_at = datetime.fromisoformat(metadata["creationTimestamp"])
        self.generation: int = metadata.get("generation", 1)
        self.deleting: bool = "deletionTimestamp" in metadata
        self.owner: str | None = (metadata.get("annotations") or {}).get(REQUESTED_BY_ANNOTATION)
        self.spec = PointcloudJobSpec.model_validate(resource["spec"])
        self.status = PointcloudJobStatus.model_validate(resource.get("status") or {})
        self.archived = archived

    @cached_property
    def answered(self) -> bool:
        """Whether the status answers the spec as it is now; an archived job's never will be another."""
        return self.archived or (self.status.observed_generation or 0) >= self.generation

    @cached_property
    def phase(self) -> Phase:
        """The status' phase, or what it will be next."""
        if self.answered and self.status.phase is not None:
            return self.status.phase
        return Phase.SUSPENDED if self.spec.suspend else Phase.PENDING

    @cached_property
    def awaits_upload(self) -> bool:
        """Whether nothing happens until a file arrives."""
        upload = self.spec.source.upload
        return upload is not None and upload.revision is None

    @cached_property
    def word(self) -> StatusWord:
        """The status in one of the seed's four words."""
        if self.phase is Phase.SUCCEEDED:
            return "completed"
        if self.phase is Phase.FAILED or self.archived:  # a record of a job that had not ended: it never will
            return "failed"
        if self.phase is Phase.SUSPENDED:
            return "pending"
        return "pending" if self.awaits_upload and self.phase is not Phase.RUNNING else "processing"

    @property
    def settled(self) -> bool:
        """Whether nothing more happens until somebody changes the job."""
        return self.word in {"completed", "failed"}


def job_view(job: ParsedJob, *, links: Links, now: datetime) -> Job:
    """The job's document."""
    status = job.status
    page = links.page(job.id, job.uid, now) if status.published else None
    return Job(
        id=job.id.text(default_namespace=links.default_namespace),
        namespace=job.id.namespace,
        name=job.id.name,
        uid=job.uid,
        status=job.word,
        phase=job.phase,
        stage=status.stage if job.answered else None,
        suspended=job.spec.suspend,
        archived=job.archived,
        deleting=job.deleting and not job.archived,
        progress=_progress(job, now),
        images=_images(status),
        points=status.points,
        potree_url=page,
        preview_url=page and f"{page}{status.published}/{THUMBNAIL_FILE}",
        failure=_failure(job),
        warnings=list(status.warnings),
        stages=[_stage(stage) for stage in status.stages],
        settings=JobSettings(
            source=_source_kind(job.spec.source),
            quality=job.spec.reconstruction.quality,
            encoding=job.spec.pointcloud.encoding,
            device=job.spec.reconstruction.device,
            deletion_policy=job.spec.output.deletion_policy,
        ),
        upload_revision=job.spec.source.upload.revision if job.spec.source.upload else None,
        owner=job.owner,
        created_at=job.created_at,
        started_at=status.start_time,
        completed_at=status.completion_time if job.answered else None,
        deadline_at=_deadline(job),
        removed_at=_removal(job),
        generation=job.generation,
    )


def seed_view(job: ParsedJob, *, links: Links, now: datetime) -> SeedStatus:
    """The job in short; without an address unless it is completed."""
    job_id = job.id.text(default_namespace=links.default_namespace)
    if job.word == "completed" and job.status.published:
        return SeedStatus(id=job_id, status="completed", potree_url=links.page(job.id, job.uid, now))
    return SeedStatus(id=job_id, status=job.word)


def _progress(job: ParsedJob, now: datetime) -> Progress:
    progress = job.status.progress
    if not job.answered or progress is None:
        return Progress(percent=0, message=_expectation(job), seconds_remaining=None, error_seconds=None)
    remaining = None if job.archived else _seconds_remaining(progress, now)
    return Progress(
        percent=progress.percent,
        message=progress.message,
        seconds_remaining=remaining,
        error_seconds=None if remaining is None else progress.estimate_error_seconds,
    )


def _seconds_remaining(progress: ProgressStatus, now: datetime) -> int | None:
    """By the operator's estimate; None once the time has passed by more than its error."""
    if progress.estimated_completion_time is None:
        return None
    seconds = (progress.estimated_completion_time - now) / timedelta(seconds=1)
    if seconds < -(progress.estimate_error_seconds or 0):
        return None
    # To ten seconds below ten minutes, to minutes above: no estimate knows more.
    unit = 10 if seconds < 600 else 60
    return max(1, round(seconds / unit)) * unit


def _deadline(job: ParsedJob) -> datetime | None:
    limit, status = job.spec.active_deadline_seconds, job.status
    if limit is None or status.active_since is None or job.archived or not job.answered:
        return None
    return status.active_since + timedelta(seconds=limit - (status.active_seconds or 0))


def _removal(job: ParsedJob) -> datetime | None:
    """By the job's own word: the install's is not known here."""
    retention = job.spec.retention
    of_phase = {Phase.SUCCEEDED: retention.succeeded_seconds, Phase.FAILED: retention.failed_seconds}
    seconds, ended = of_phase.get(job.phase), job.status.completion_time
    if seconds is None or ended is None or job.archived or not job.answered:
        return None
    return ended + timedelta(seconds=seconds)


def _expectation(job: ParsedJob) -> str:
    if job.spec.suspend:
        return "Suspended: resume the job to go on."
    return "Waiting for files." if job.awaits_upload else "Waiting for the operator to begin."


def _images(status: PointcloudJobStatus) -> Images | None:
    images = status.images
    if images is None:
        return None
    return Images(found=images.found, usable=images.usable, registered=images.registered, reused=images.reused)


def _failure(job: ParsedJob) -> Failure | None:
    if job.word != "failed":
        return None
    if job.phase is not Phase.FAILED:
        return _DELETED
    said = next((c for c in job.status.conditions if c.type == ConditionType.FAILED and c.status == "True"), None)
    if said is None:
        return Failure(reason="Unknown", message="The job failed; its logs say why.")
    return Failure(reason=said.reason, message=said.message)


def _stage(stage: StageStatus) -> Stage:
    return Stage(
        name=stage.name,
        phase=stage.phase,
        attempt=stage.attempt,
        started_at=stage.start_time,
        completed_at=stage.completion_time,
        retries=stage.retries,
        interruptions=[Interruption(reason=one.reason, at=one.time) for one in stage.disruptions],
        earlier_attempts=[
            EarlierAttempt(attempt=one.attempt, reason=one.reason, memory=one.memory, scratch_size=one.scratch_size)
            for one in stage.earlier_attempts
        ],
    )


def _source_kind(source: Source) -> Literal["upload", "urls", "persistentVolumeClaim"]:
    if source.upload is not None:
        return "upload"
    return "urls" if source.urls is not None else "persistentVolumeClaim"
