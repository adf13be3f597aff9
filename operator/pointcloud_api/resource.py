"""The PointcloudJob resource: what a user asks for (spec) and what became of it (status).

The CustomResourceDefinition is generated from these models (`pointcloud_api.crd`), descriptions included, so every
docstring here is what `kubectl explain` prints. Rules in CEL say what to write instead.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, PlainSerializer

from pointcloud_api.base import ApiModel
from pointcloud_api.names import API_VERSION, KIND, MAX_NAME_LENGTH, StageName


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """JSON schema extension with CEL validation rules, each with the sentence that its breach is answered with."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in pairs]}


class Quality(StrEnum):
    """COLMAP's own presets: image size, number of features and refinements."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    EXTREME = "extreme"


class Georeferencing(StrEnum):
    """Whether GPS positions in the photos' EXIF give the cloud its scale and its place on the earth."""

    AUTO = "auto"
    NONE = "none"


class Density(StrEnum):
    """How dense the cloud is: points of features alone, or one for nearly every pixel that several photos show."""

    SPARSE = "sparse"
    DENSE = "dense"
    AUTO = "auto"


class ReconstructionExport(StrEnum):
    """Files of the reconstruction that are made on request."""

    UNDISTORTED_IMAGES = "undistortedImages"


class Device(StrEnum):
    """What to reconstruct on; `auto` is the install's default."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


class CameraModel(StrEnum):
    """COLMAP's camera models that suit photos: how a lens projects."""

    SIMPLE_PINHOLE = "SIMPLE_PINHOLE"
    PINHOLE = "PINHOLE"
    SIMPLE_RADIAL = "SIMPLE_RADIAL"
    RADIAL = "RADIAL"
    OPENCV = "OPENCV"
    FULL_OPENCV = "FULL_OPENCV"
    SIMPLE_RADIAL_FISHEYE = "SIMPLE_RADIAL_FISHEYE"
    RADIAL_FISHEYE = "RADIAL_FISHEYE"
    OPENCV_FISHEYE = "OPENCV_FISHEYE"
    THIN_PRISM_FISHEYE = "THIN_PRISM_FISHEYE"
    EQUIRECTANGULAR = "EQUIRECTANGULAR"


class CameraSharing(StrEnum):
    """Which photos share one calibration."""

    AUTO = "Auto"
    SINGLE = "Single"
    PER_IMAGE = "PerImage"


class Matching(StrEnum):
    """Which pairs of photos are compared, in COLMAP's words."""

    AUTO = "auto"
    EXHAUSTIVE = "exhaustive"
    SEQUENTIAL = "sequential"
    SPATIAL = "spatial"


class Mapper(StrEnum):
    """How cameras and points are reconstructed from the matches, in COLMAP's words."""

    INCREMENTAL = "incremental"
    GLOBAL = "global"


class Encoding(StrEnum):
    """Encodings of the octree, in PotreeConverter's words."""

    BROTLI = "brotli"
    UNCOMPRESSED = "uncompressed"


class DeletionPolicy(StrEnum):
    """What becomes of the artefacts in the store when their PointcloudJob is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Phase(StrEnum):
    """Where a PointcloudJob or one of its stages is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens until the spec changes."""
        return self in {Phase.SUCCEEDED, Phase.FAILED}


def _format_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(_format_time, return_type=str)]
"""A moment in UTC, whole seconds, as metav1.Time."""

Url = Annotated[
    str,
    Field(
        max_length=2048,
        json_schema_extra=rules(
            (
                "isURL(self) && url(self).getScheme() in ['http', 'https']",
                "a source URL starts with http:// or https:// and names an image (https://example.com/a.jpg) or an "
                "archive (https://example.com/photos.zip)",
            ),
        ),
    ),
]

WebhookUrl = Annotated[
    str,
    Field(
        max_length=2048,
        json_schema_extra=rules(
            (
                "isURL(self) && url(self).getScheme() in ['http', 'https']",
                "a webhook's url starts with https:// or http://, such as https://example.com/hooks/pointclouds",
            ),
        ),
    ),
]

Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "maxLength": 32,
        }
    ),
]


class PersistentVolumeClaimSource(ApiModel):
    """Photos in a PersistentVolumeClaim of the PointcloudJob's namespace, mounted read-only."""

    claim_name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the PersistentVolumeClaim."""
    path: Annotated[
        str,
        Field(
            max_length=1024,
            json_schema_extra=rules(
                (
                    "!self.startsWith('/') && !self.split('/').exists(part, part == '..')",
                    "path is relative to the root of the volume: write brighton/, not /brighton or ../brighton",
                ),
            ),
        ),
    ] = ""
    """Folder in the volume, relative to its root; empty means the root. Folders below it are searched too."""


class UploadSource(ApiModel):
    """Photos, archives and videos that arrive through the gateway: `upload: {}` waits for them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "!has(oldSelf.revision) || (has(self.revision) && self.revision >= oldSelf.revision)",
                "source.upload.revision counts what has arrived, so it never goes back: leave it as the gateway set it",
            ),
        )
    )

    revision: Annotated[int, Field(ge=1)] | None = None
    """Counts the arrivals: the run takes every file recorded under this revision or an earlier one. Set by the
    gateway; absent while nothing has arrived."""
    received_at: (
        Annotated[
            Time,
            Field(
                json_schema_extra=rules(
                    (
                        "self > timestamp('1970-01-01T00:00:00Z')",  # by format alone, a list would be taken too
                        "receivedAt is a time such as 2026-05-04T12:00:00Z: leave it to the gateway",
                    ),
                ),
            ),
        ]
        | None
    ) = None
    """When the last file arrived. The run begins once no other has for the install's settling time."""


class VideoSpec(ApiModel):
    """How videos become photos: the sharpest frame of each of evenly spread spans of time."""

    frames_per_second: Annotated[int, Field(ge=1, le=60)] = 2
    """How many frames to take from a second of video, where maxFrames allows it."""
    max_frames: Annotated[int, Field(ge=2, le=5000)] = 150
    """How many frames to take from one video at most."""


class Source(ApiModel):
    """Where the photos come from: exactly one of urls, persistentVolumeClaim and upload."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "[has(self.urls), has(self.persistentVolumeClaim), has(self.upload)].filter(named, named).size() == 1",
                "name exactly one source: set source.urls, source.persistentVolumeClaim or source.upload, and no other",
            ),
        )
    )

    urls: (
        Annotated[
            tuple[Url, ...],
            Field(
                min_length=1,
                max_length=256,
                json_schema_extra=rules(
                    (
                        "self.map(u, u.size()).sum() <= 100000",  # an environment variable holds 128 KiB
                        "the source's URLs have at most 100000 characters together: put the photos into one archive",
                    ),
                ),
            ),
        ]
        | None
    ) = None
    """http(s) addresses of images, of videos and of archives (zip, tar, tar.gz, tar.bz2, tar.xz)."""
    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A volume that holds the photos."""
    upload: UploadSource | None = None
    """Files sent to the gateway."""
    video: VideoSpec = VideoSpec()
    """How videos among the files become photos."""


class CameraSpec(ApiModel):
    """What took the photos."""

    model: CameraModel = CameraModel.SIMPLE_RADIAL
    """COLMAP's camera model. SIMPLE_RADIAL suits most cameras and drones, OPENCV lenses with strong distortion, a model
    with FISHEYE in its name fisheye lenses and action cameras, EQUIRECTANGULAR stitched 360-degree panoramas."""
    sharing: CameraSharing = CameraSharing.AUTO
    """Which photos share one calibration. Auto: those whose EXIF names the same make, model and focal length, and those
    without EXIF in one folder; Single: all photos, whatever EXIF says; PerImage: none, for zoom lenses and pictures
    from anywhere. Photos of different size never share one."""


class ReconstructionSpec(ApiModel):
    """How COLMAP reconstructs."""

    quality: Quality = Quality.MEDIUM
    """COLMAP's preset: low, medium, high or extreme. Higher is slower and needs more memory."""
    matching: Matching = Matching.AUTO
    """Which pairs of photos are compared: exhaustive compares all, sequential those taken soon after each other,
    spatial those taken near each other by their EXIF GPS, auto chooses by how many there are and what they say."""
    mapper: Mapper = Mapper.INCREMENTAL
    """How photos are placed: incremental one after the other, global all at once, which is quicker with many photos
    and less tolerant of wrong matches."""
    density: Density = Density.AUTO
    """sparse gives the points by which the photos were placed, dense a point for nearly every pixel that several photos
    show, which takes many times as long without a GPU; auto is dense. Photos of which no dense cloud comes give the
    sparse one and a warning."""
    min_registered_percent: Annotated[int, Field(ge=0, le=100)] = 90
    """The condition PartialReconstruction is true when fewer of the usable photos than this are registered. The job
    completes all the same, and a change of this runs no stage again that has succeeded."""
    georeference: Georeferencing = Georeferencing.AUTO
    """auto takes scale, north and place from the GPS positions in the photos' EXIF where they are good enough, and says
    in a warning why where they are not; none leaves them alone."""
    exports: Annotated[
        tuple[ReconstructionExport, ...],
        Field(
            max_length=8,
            json_schema_extra=rules(
                ("self.all(e, self.exists_one(f, f == e))", "reconstruction.exports names each export once")
            ),
        ),
    ] = ()
    """Files to make beside the usual ones (PLY, LAZ, COLMAP's model, transforms.json, report). undistortedImages: the
    photos as a pinhole camera would have taken them, with their cameras, to train Gaussian splats on; they take as much
    room as the photos do."""
    camera: CameraSpec = CameraSpec()
    """What took the photos."""
    device: Device = Device.AUTO
    """What to reconstruct on: gpu asks for a GPU node, cpu does not, auto is the install's default."""


class PointcloudSpec(ApiModel):
    """How the cloud is stored for the viewer."""

    encoding: Encoding = Encoding.BROTLI
    """Encoding of the Potree octree: brotli is the smaller, uncompressed the quicker to make."""


ResourceList = Annotated[
    dict[str, Quantity],
    Field(
        max_length=8,
        json_schema_extra=rules(
            (
                "self.all(name, type(self[name]) == int ? int(self[name]) >= 0 : "
                "isQuantity(string(self[name])) && quantity(string(self[name])).compareTo(quantity('0')) >= 0)",
                "a resource is a quantity that is not negative, such as 4, 500m or 16Gi",
            ),
        ),
    ),
]


class ResourceRequirements(ApiModel):
    """Compute resources of a stage's container, as in a Pod. What is not named stays the install's default."""

    limits: ResourceList | None = None
    """Upper bounds, such as memory, cpu, ephemeral-storage and nvidia.com/gpu."""
    requests: ResourceList | None = None
    """What the scheduler sets aside."""


class StageOverrides(ApiModel):
    """Where and with what a stage runs. A change of these re-runs nothing."""

    resources: ResourceRequirements | None = None
    """Compute resources of the stage's container."""
    node_selector: (
        Annotated[
            dict[str, Annotated[str, Field(max_length=63)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    """Labels that the node must carry, in addition to those that the install asks for."""
    priority_class_name: (
        Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None
    ) = None
    """PriorityClass of the stage's pods, one of those that the install allows."""


class StagesSpec(ApiModel):
    """Overrides by stage."""

    ingest: StageOverrides | None = None
    """The stage that fetches and checks the photos."""
    reconstruct: StageOverrides | None = None
    """The stage that runs COLMAP."""
    convert: StageOverrides | None = None
    """The stage that makes the Potree octree."""

    def of(self, stage: StageName) -> StageOverrides:
        """The overrides of one stage, empty where there are none."""
        overrides: StageOverrides | None = getattr(self, stage.value)
        return overrides or StageOverrides()


class Webhook(ApiModel):
    """An address that is told when the job has completed or failed."""

    url: WebhookUrl
    """Where to POST the signed message, following the Standard Webhooks specification."""


class OutputSpec(ApiModel):
    """What becomes of what the job makes."""

    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """Delete removes photos, reconstruction and point cloud from the store when the PointcloudJob is deleted, Retain
    keeps them there."""


RetentionSeconds = Annotated[int, Field(ge=0, le=315_360_000)]
"""At most ten years."""


class RetentionSpec(ApiModel):
    """How long the PointcloudJob is kept once it has ended, before it is deleted."""

    succeeded_seconds: RetentionSeconds | None = None
    """After success; absent means the install's setting, which usually keeps it."""
    failed_seconds: RetentionSeconds | None = None
    """After a failure; absent means the install's setting, which usually keeps it."""


class PointcloudJobSpec(ApiModel):
    """What the user asks for. It may be changed: only the stages that a change touches run again."""

    source: Source
    """Where the photos come from."""
    reconstruction: ReconstructionSpec = ReconstructionSpec()
    """How COLMAP reconstructs."""
    pointcloud: PointcloudSpec = PointcloudSpec()
    """How the cloud is stored for the viewer."""
    stages: StagesSpec = StagesSpec()
    """Overrides by stage, none of which re-runs anything."""
    suspend: bool = False
    """Stops the work and keeps what is done; false goes on with it. A change of it re-runs nothing."""
    rerun: Annotated[str, Field(max_length=64)] = ""
    """Any new value runs every stage again."""
    retry_limit: Annotated[int, Field(ge=0, le=100)] | None = None
    """How many failed tries of all stages together are tried again; absent means the install's setting. Pods that were
    evicted, preempted or lost with their node do not count."""
    active_deadline_seconds: Annotated[int, Field(ge=60, le=31_536_000)] | None = None
    """How long all stages and attempts together may take, without the time suspended or queued by Kueue; absent means
    the install's setting."""
    queue_name: (
        Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None
    ) = None
    """Name of the Kueue LocalQueue in which the stages wait for quota."""
    retention: RetentionSpec = RetentionSpec()
    """How long the PointcloudJob is kept once it has ended. A change of it re-runs nothing."""
    output: OutputSpec = OutputSpec()
    """What becomes of what the job makes. A change of it re-runs nothing."""
    webhooks: Annotated[tuple[Webhook, ...], Field(max_length=4)] = ()
    """Addresses that are told when the job has completed or failed. A change of them re-runs nothing."""


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    observed_generation: int = 0
    last_transition_time: Time
    reason: Annotated[str, Field(max_length=128)]
    message: Annotated[str, Field(max_length=4096)] = ""


class ConditionType(StrEnum):
    """Types of conditions. Complete, Failed and Suspended are batch/v1 Job's, Reconciling and Stalled are kstatus'."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    AWAITING_UPLOAD = "AwaitingUpload"
    """The job waits for its first file. Reconciling is False meanwhile: nothing is left for the operator to do."""
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    PARTIAL_RECONSTRUCTION = "PartialReconstruction"
    """The reconstruction has fewer photos than spec.reconstruction.minRegisteredPercent asks for."""


class ProgressStatus(ApiModel):
    """How far the whole job is. Quantised: nothing is written that carries no news."""

    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Of all stages together."""
    display: Annotated[str, Field(max_length=16)] = "0%"
    """The percentage as `kubectl get` prints it."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """What is being done, or waited for."""
    estimated_completion_time: Time | None = None
    """When the job will probably have ended, once it has run for a minute and as long as it runs."""
    estimate_error_seconds: Annotated[int, Field(ge=0)] | None = None
    """How far off that may well be, in both directions."""


class ImagesStatus(ApiModel):
    """How many photos there are."""

    found: int | None = None
    """Files at the source that are photos."""
    usable: int | None = None
    """Photos that can be read."""
    registered: int | None = None
    """Photos whose camera COLMAP placed in the model."""
    reused: int | None = None
    """Photos whose features an earlier attempt or an earlier run had extracted."""
    display: Annotated[str, Field(max_length=32)] = ""
    """Registered of usable photos, as `kubectl get` prints it."""


class DisruptionReason(StrEnum):
    """Who took a pod away. None of these is a failure of the stage."""

    PREEMPTED = "Preempted"
    """By the scheduler, for a pod of higher priority."""
    EVICTED = "Evicted"
    """By somebody who drains the node, or by a node that runs short."""
    NODE_LOST = "NodeLost"
    """The node was deleted, or fell silent."""
    POD_DELETED = "PodDeleted"
    """The pod was deleted, or is gone without a word."""


class Disruption(ApiModel):
    """A pod that was taken away before it could end by itself."""

    pod: Annotated[str, Field(max_length=253)]
    """Its name."""
    pod_uid: Annotated[str, Field(max_length=64)]
    reason: DisruptionReason
    """Preempted, Evicted, NodeLost or PodDeleted."""
    time: Time
    """When it was noticed."""


class AttemptStatus(ApiModel):
    """An earlier attempt of a stage, given up for another."""

    attempt: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(max_length=128)]
    """OutOfMemory, OutOfScratch, StageKilled, Suspended, UpstreamMissing or SpecChanged."""
    memory: Annotated[str, Field(max_length=32)] | None = None
    """Its memory limit, when that was too little."""
    scratch_size: Annotated[str, Field(max_length=32)] | None = None
    """The size of its scratch, when that was too little."""


class StagePod(ApiModel):
    """The pod that works on a stage, or has last."""

    name: Annotated[str, Field(max_length=253)]
    uid: Annotated[str, Field(max_length=64)]
    created: Time
    """When it was created."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Failed tries of its Job before it."""


class SupersededStage(ApiModel):
    """What a stage made under settings that the spec has left. It is removed some time after others are published."""

    name: StageName
    """ingest, reconstruct or convert."""
    key: Annotated[str, Field(max_length=64)]
    remove_at: Time | None = None
    """When it is removed; absent until what supersedes it is published."""


class StageStatus(ApiModel):
    """One stage: the intent to run it, written before its Job is made, and what came of it."""

    name: StageName
    """ingest, reconstruct or convert."""
    key: Annotated[str, Field(max_length=64)]
    """Hash of the settings that affect the result and of the key before it."""
    settings: dict[str, Any]
    """The resolved settings that the key stands for: equal settings, same key, whatever the operator's version."""
    phase: Phase = Phase.PENDING
    """Pending, Running, Suspended, Succeeded or Failed."""
    attempt: Annotated[int, Field(ge=1)] = 1
    """Counts the Jobs made for this key."""
    job: Annotated[str, Field(max_length=63)]
    """Name of the current attempt's Job; empty until the stage's turn has come."""
    pod: StagePod | None = None
    """The pod of the current attempt that ran last."""
    previous_key: Annotated[str, Field(max_length=64)] | None = None
    """Key of the last run of this stage that succeeded with other settings, whose work the run may take over."""
    start_time: Time | None = None
    """When its pod first ran."""
    completion_time: Time | None = None
    """When its result was recorded."""
    retries: Annotated[int, Field(ge=0)] = 0
    """Failed tries of the attempts that have ended, counted against the retry limit."""
    disruptions: Annotated[tuple[Disruption, ...], Field(max_length=65)] = ()
    """Pods that were taken away; the stage went on in others."""
    earlier_attempts: Annotated[tuple[AttemptStatus, ...], Field(max_length=16)] = ()
    """Attempts that were given up for the current one, oldest first."""


class PointcloudJobStatus(ApiModel):
    """What became of the job: the operator's only memory."""

    observed_generation: int | None = None
    """The generation of the spec that this status answers."""
    observed_spec: Annotated[str, Field(max_length=64)] | None = None
    """Hash of that spec without what tries nothing again: suspend, webhooks, retention and output."""
    phase: Phase | None = None
    """Pending, Running, Suspended, Succeeded or Failed."""
    stage: StageName | None = None
    """The stage that runs, or that failed."""
    progress: ProgressStatus | None = None
    """How far the whole job is."""
    url: Annotated[str, Field(max_length=2048)] | None = None
    """Address of the viewer page."""
    published: Annotated[str, Field(max_length=64)] | None = None
    """Key of the convert stage whose octree the address shows."""
    images: ImagesStatus | None = None
    """How many photos there are."""
    points: int | None = None
    """Points in the cloud."""
    density: Annotated[str, Field(max_length=16)] | None = None
    """What the cloud is: sparse or dense."""
    warnings: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=16)] = ()
    """What the user should know though nothing failed, such as photos that could not be read."""
    start_time: Time | None = None
    """When the first stage of this generation began."""
    completion_time: Time | None = None
    """When the job ended."""
    active_seconds: Annotated[int, Field(ge=0)] | None = None
    """How long the stages had been at work when activeSince was written, of what the deadline allows."""
    active_since: Time | None = None
    """Since when they are; absent while they are suspended, queued, or have ended."""
    stages: Annotated[
        tuple[StageStatus, ...],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """The stages begun so far, and those with earlier work to take over, in order."""
    superseded: Annotated[tuple[SupersededStage, ...], Field(max_length=64)] = ()
    """What the store still holds of settings that the spec has left: going back to them costs nothing."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Complete, Failed and Suspended as of a batch/v1 Job; AwaitingUpload while the gateway has received nothing;
    Reconciling and Stalled as kstatus reads them; PartialReconstruction when many photos could not be placed."""

    def stage_named(self, name: StageName) -> StageStatus | None:
        """The recorded stage of that name, or None when it has not begun."""
        return next((stage for stage in self.stages if stage.name == name), None)


class ObjectMeta(ApiModel):
    """The part of a resource's metadata that decisions rest on."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()


class PointcloudJob(ApiModel):
    """A reconstruction of a 3D point cloud from photos, from the photos to the address where it is seen."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
                f"metadata.name has at most {MAX_NAME_LENGTH} characters, because the names of its Jobs are longer: "
                "choose a shorter name",
            ),
            (
                "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                "metadata.name is a DNS label: lower-case letters, digits and hyphens, and no dots",
            ),
        )
    )

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: ObjectMeta
    spec: PointcloudJobSpec
    status: PointcloudJobStatus = PointcloudJobStatus()


PRINTER_COLUMNS: Final = (
    ("Phase", "string", ".status.phase", 0),
    ("Stage", "string", ".status.stage", 0),
    ("Progress", "string", ".status.progress.display", 0),
    ("Images", "string", ".status.images.display", 0),
    ("Points", "integer", ".status.points", 0),
    ("URL", "string", ".status.url", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Message", "string", ".status.progress.message", 1),
)
"""Name, type, JSONPath and priority of the columns of `kubectl get`; priority 1 shows with `-o wide`."""
