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


class Device(StrEnum):
    """What to reconstruct on; `auto` is the install's default."""

    AUTO = "auto"
    GPU = "gpu"
    CPU = "cpu"


class Encoding(StrEnum):
    """Encodings of the octree, in PotreeConverter's words."""

    BROTLI = "brotli"
    UNCOMPRESSED = "uncompressed"


class Phase(StrEnum):
    """Where a PointcloudJob or one of its stages is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens until the spec changes."""
        return self in {Phase.SUCCEEDED, Phase.FAILED}


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


class Source(ApiModel):
    """Where the photos come from: exactly one of urls and persistentVolumeClaim."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "(has(self.urls) ? 1 : 0) + (has(self.persistentVolumeClaim) ? 1 : 0) == 1",
                "name exactly one source: set source.urls or source.persistentVolumeClaim, and not both",
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
    """http(s) addresses of images and of archives (zip, tar, tar.gz, tar.bz2, tar.xz)."""
    persistent_volume_claim: PersistentVolumeClaimSource | None = None
    """A volume that holds the photos."""


class ReconstructionSpec(ApiModel):
    """How COLMAP reconstructs."""

    quality: Quality = Quality.MEDIUM
    """COLMAP's preset: low, medium, high or extreme. Higher is slower and needs more memory."""
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


def _format_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[datetime, PlainSerializer(_format_time, return_type=str)]
"""A moment in UTC, whole seconds, as metav1.Time."""


class Condition(ApiModel):
    """A metav1.Condition."""

    type: Annotated[str, Field(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    observed_generation: int = 0
    last_transition_time: Time
    reason: Annotated[str, Field(max_length=128)]
    message: Annotated[str, Field(max_length=4096)] = ""


class ConditionType(StrEnum):
    """Types of conditions. Complete and Failed are batch/v1 Job's, Reconciling and Stalled are kstatus'."""

    COMPLETE = "Complete"
    FAILED = "Failed"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class ProgressStatus(ApiModel):
    """How far the whole job is. Quantised: nothing is written that carries no news."""

    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Of all stages together."""
    display: Annotated[str, Field(max_length=16)] = "0%"
    """The percentage as `kubectl get` prints it."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """What is being done, or waited for."""


class ImagesStatus(ApiModel):
    """How many photos there are."""

    found: int | None = None
    """Files at the source that are photos."""
    usable: int | None = None
    """Photos that can be read."""
    registered: int | None = None
    """Photos whose camera COLMAP placed in the model."""
    display: Annotated[str, Field(max_length=32)] = ""
    """Registered of usable photos, as `kubectl get` prints it."""


class StageStatus(ApiModel):
    """One stage: the intent to run it, written before its Job is made, and what came of it."""

    name: StageName
    """ingest, reconstruct or convert."""
    key: Annotated[str, Field(max_length=64)]
    """Hash of the settings that affect the result and of the key before it."""
    settings: dict[str, Any]
    """The resolved settings that the key stands for: equal settings, same key, whatever the operator's version."""
    phase: Phase = Phase.PENDING
    """Pending, Running, Succeeded or Failed."""
    attempt: Annotated[int, Field(ge=1)] = 1
    """Counts the Jobs made for this key."""
    job: Annotated[str, Field(max_length=63)]
    """Name of the current attempt's Job."""
    start_time: Time | None = None
    """When its pod first ran."""
    completion_time: Time | None = None
    """When its result was recorded."""


class PointcloudJobStatus(ApiModel):
    """What became of the job: the operator's only memory."""

    observed_generation: int | None = None
    """The generation of the spec that this status answers."""
    phase: Phase | None = None
    """Pending, Running, Succeeded or Failed."""
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
    warnings: Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=16)] = ()
    """What the user should know though nothing failed, such as photos that could not be read."""
    start_time: Time | None = None
    """When the first stage of this generation began."""
    completion_time: Time | None = None
    """When the job ended."""
    stages: Annotated[
        tuple[StageStatus, ...],
        Field(
            max_length=8,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """The stages begun so far, in order."""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    """Complete and Failed as of a batch/v1 Job; Reconciling and Stalled as kstatus reads them."""

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
    deletion_timestamp: datetime | None = None


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
