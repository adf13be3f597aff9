"""What the REST service reads and writes as JSON: snake_case, times in UTC as RFC 3339 writes them."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, field_validator

from pointcloud_api.names import MAX_NAME_LENGTH, StageName
from pointcloud_api.resource import (
    DeletionPolicy,
    Device,
    Encoding,
    Phase,
    PointcloudJobSpec,
    Quality,
    Source,
    UploadSource,
)

DNS_LABEL: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
MAX_SHARE_SECONDS: Final = 31_536_000

StatusWord = Literal["pending", "processing", "completed", "failed"]
Time = Annotated[datetime, Field(examples=["2026-11-23T08:00:00Z"])]


class Schema(BaseModel):
    """The base of every document."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Progress(Schema):
    """How far a job is."""

    percent: Annotated[int, Field(ge=0, le=100, examples=[42])]
    """Of all stages together."""
    message: Annotated[str, Field(examples=["match: 40 of 153 pairs"])]
    """What is being done, or waited for."""
    seconds_remaining: Annotated[int, Field(ge=0, examples=[540])] | None
    """An estimate from the pace of the stage that runs; null while there is too little to tell it from."""
    error_seconds: Annotated[int, Field(ge=0, examples=[120])] | None
    """How far off that may well be, in both directions."""


class Images(Schema):
    """How many photos there are; null where it is not known yet."""

    found: int | None
    """Files that are photos."""
    usable: int | None
    """Photos that can be read."""
    registered: int | None
    """Photos whose camera is in the model."""
    reused: int | None
    """Photos whose features an earlier run had extracted."""


class Failure(Schema):
    """Why a job failed."""

    reason: Annotated[str, Field(examples=["NoOverlap"])]
    """One word, for programs."""
    message: str
    """What is wrong, and what to do."""


class Interruption(Schema):
    """A pod that was taken away; the stage went on in another."""

    reason: Annotated[str, Field(examples=["NodeLost"])]
    """Preempted, Evicted, NodeLost or PodDeleted."""
    at: Time


class EarlierAttempt(Schema):
    """A try that was given up for another."""

    attempt: int
    reason: Annotated[str, Field(examples=["OutOfMemory"])]
    memory: str | None
    """Its memory, when that was too little."""
    scratch_size: str | None
    """Its scratch space, when that was too little."""


class Stage(Schema):
    """One stage of a job that has begun."""

    name: StageName
    phase: Phase
    attempt: int
    """Counts the tries."""
    started_at: Time | None
    completed_at: Time | None
    retries: int
    """Tries that failed and were tried again."""
    interruptions: list[Interruption]
    """Oldest first; none of them is a failure."""
    earlier_attempts: list[EarlierAttempt]
    """Oldest first."""


class JobSettings(Schema):
    """What was asked for."""

    source: Literal["upload", "urls", "persistentVolumeClaim"]
    quality: Quality
    encoding: Encoding
    device: Device
    deletion_policy: DeletionPolicy
    """Whether the job's files are deleted with it, or kept in the store."""


class Job(Schema):
    """A PointcloudJob, or the record of one that is gone from the cluster."""

    id: Annotated[str, Field(examples=["statue", "team-b.statue"])]
    """Its name; in namespaces other than the default one, `<namespace>.<name>`."""
    namespace: Annotated[str, Field(examples=["default"])]
    name: Annotated[str, Field(examples=["statue"])]
    uid: Annotated[str, Field(examples=["2b7e1c1e-3c0f-4f57-9f5e-0d8a6c1b9d11"])]
    status: StatusWord
    phase: Phase
    stage: StageName | None
    """The stage that runs, or that failed."""
    suspended: bool
    """Whether the work is to stand still."""
    archived: bool
    """Whether only this record is left of the job: it can be looked at and forgotten, and nothing else."""
    deleting: bool
    """Whether the job is being deleted, for which its files are removed first."""
    progress: Progress
    images: Images | None
    points: int | None
    """Points in the cloud."""
    potree_url: str | None
    """Where to look at the cloud; also set while a newer one is being made."""
    preview_url: str | None
    """A picture of the cloud, 640x400 pixels."""
    failure: Failure | None
    warnings: list[str]
    """What to know though nothing failed."""
    stages: list[Stage]
    settings: JobSettings
    upload_revision: int | None
    """Counts the arrivals of files; null while nothing has arrived, and for jobs that take their photos elsewhere."""
    owner: str | None
    """Who asked for the job through this service."""
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    deadline_at: Time | None
    """When the work ends though it be unfinished; null where the job names no deadline, and while its time stands
    still."""
    removed_at: Time | None
    """When the job, having ended, is removed; null where it does not say so itself."""
    generation: int
    """Counts the changes of what is asked for."""


class JobList(Schema):
    """A page of jobs, newest first."""

    items: list[Job]
    next: str | None
    """What to send as `after` for the next page; null on the last one."""


class DeletedJob(Schema):
    """The event that tells which job is gone."""

    id: str


class PresentJobs(Schema):
    """The event that tells which jobs there are."""

    ids: list[str]


class SeedStatus(Schema):
    """A job in short."""

    id: Annotated[str, Field(examples=["statue"])]
    status: StatusWord
    potree_url: Annotated[
        str, Field(examples=["http://localhost:8080/potree/default/statue/"], exclude_if=lambda url: not url)
    ] = ""
    """Where to look at the cloud; there when `status` is completed."""


class SeedMessage(Schema):
    """That files have arrived."""

    message: Literal["Job queued for processing"] = "Job queued for processing"


class SeedError(Schema):
    """The one error that is no problem document."""

    error: Literal["Job not found"] = "Job not found"


class CreateJob(Schema):
    """What to make. Everything may be left out: then the job waits for files."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "statue"},
                {"name": "statue", "spec": {"source": {"upload": {}}, "reconstruction": {"quality": "high"}}},
                {"spec": {"source": {"urls": ["https://example.com/photos.zip"]}}},
                {"name": "statue", "spec": {"source": {"upload": {}}, "output": {"deletionPolicy": "Delete"}}},
            ]
        },
    )

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=DNS_LABEL)] | None = None
    """A DNS label: lower-case letters, digits and hyphens. One is made up where it is missing."""
    namespace: Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)] | None = None
    """By default the install's default namespace."""
    spec: PointcloudJobSpec = PointcloudJobSpec(source=Source(upload=UploadSource()))
    """As in a PointcloudJob; by default `{"source": {"upload": {}}}`."""

    @field_validator("spec", mode="wrap")
    @classmethod
    def _no_unknown_field(cls, value: Any, handler: ModelWrapValidatorHandler[PointcloudJobSpec]) -> PointcloudJobSpec:
        # The resource's models pass over fields of newer versions; what a person misspells must not be passed over.
        return PointcloudJobSpec.model_validate(value, extra="forbid") if isinstance(value, dict) else handler(value)


class ShareRequest(Schema):
    """For how long a link is to be good."""

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[int, Field(ge=60, le=MAX_SHARE_SECONDS, examples=[86_400])] = 604_800


class ShareLink(Schema):
    """A link that shows a job's point cloud to whoever has it."""

    url: str
    expires_at: Time


class StoredFile(Schema):
    """A file that has arrived whole."""

    id: str
    name: Annotated[str, Field(examples=["IMG_0001.jpg"])]
    size: int
    """Bytes."""
    received_at: Time


class FileList(Schema):
    """The files of a job, in the order in which they arrived."""

    items: list[StoredFile]


class OutputFile(Schema):
    """A file that the reconstruction left for people."""

    path: Annotated[str, Field(examples=["points.laz"])]
    size: int
    """Bytes."""
    sha256: str


class OutputList(Schema):
    """What there is to download of a reconstruction."""

    items: list[OutputFile]


class WebhookDelivery(Schema):
    """One message to one of a job's webhooks, and what became of it."""

    url: str
    event: Annotated[str, Field(examples=["pointcloudjob.completed"])]
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    last_status: int | None
    """HTTP status of the last answer."""
    last_error: str | None
    next_attempt_at: Time | None
    created_at: Time
    delivered_at: Time | None


class DeliveryList(Schema):
    """Messages to a job's webhooks, newest first."""

    items: list[WebhookDelivery]


class WebhookSecret(Schema):
    """What a namespace's webhooks are signed with, following the Standard Webhooks specification."""

    secret: Annotated[str, Field(examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])]


class Limits(Schema):
    """How much a job may be sent."""

    max_file_bytes: int
    max_files: int
    max_job_bytes: int


class InstallInfo(Schema):
    """What this install is and allows."""

    version: str
    default_namespace: str
    anonymous_viewing: bool
    """Whether whoever knows its address may look at a point cloud."""
    limits: Limits
    qualities: list[Quality]
    encodings: list[Encoding]


class Caller(Schema):
    """Who is calling, and where they may see and make jobs."""

    username: Annotated[str, Field(examples=["system:serviceaccount:default:pointcloud-uploader"])]
    groups: list[str]
    namespaces: list[str]
    """Those with jobs that the caller may see, and the default one if they may see it."""
    may_create: list[str]
    """Those of them in which the caller may create jobs."""


class ProblemDocument(Schema):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"title": "Forbidden", "status": 403, "detail": "maria may not create pointcloudjobs in b."}]
        },
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    """What is wrong here, and what to do."""


class InvalidField(Schema):
    """A part of a request that cannot be so."""

    field: Annotated[str, Field(examples=["body.spec.reconstruction.quality"])]
    detail: str


class InvalidRequest(ProblemDocument):
    """A problem with what was sent, naming each part."""

    errors: list[InvalidField] = []
