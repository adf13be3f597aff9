"""What the install decides and a user cannot: images, default resources, where things are served.

Written by the chart as YAML in a ConfigMap, named to the operator by the environment variable POINTCLOUD_CONFIG.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from pointcloud_api import resource
from pointcloud_api.names import StageName
from pointcloud_api.resource import Device
from pointcloud_api.stages import IngestLimits
from pointcloud_operator.model.quantities import amount

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/]+(/.*[^/])?$")]
"""An http(s) URL without a slash at its end, so that paths are appended with one."""


def _is_quantity(value: resource.Quantity) -> resource.Quantity:
    amount(value)
    return value


Quantity = Annotated[resource.Quantity, AfterValidator(_is_quantity)]
"""A quantity as Kubernetes reads it: checked here, because nothing has checked the file before."""


class _Config(BaseModel):
    """Written by hand in a values file, so an unknown field is a misspelling and is refused."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, frozen=True, extra="forbid")


class Resources(_Config):
    """Requests and limits of a container, each from resource name to quantity."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Variant(_Config):
    """What a pod is given in addition when its stage runs on a GPU. An empty image means the stage's own."""

    image: str = ""
    resources: Resources = Resources(limits={"nvidia.com/gpu": 1})
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()


class StageConfig(_Config):
    """How the pods of one stage are made."""

    image: str = Field(min_length=1)
    resources: Resources = Resources()
    node_selector: dict[str, str] = {}
    tolerations: tuple[dict[str, Any], ...] = ()
    scratch_size: Quantity = "20Gi"
    """Size limit of the emptyDir on which the stage works."""
    max_memory: Quantity = "64Gi"
    """Up to what a stage that ran out of memory is given more, each attempt twice as much as the one before."""
    max_scratch_size: Quantity = "200Gi"
    """The same of its scratch."""
    priority_class_name: str = ""
    """PriorityClass of the stage's pods; empty: the cluster's default."""


class ReconstructConfig(StageConfig):
    """How the pods of the reconstruct stage are made, on the CPU and on a GPU."""

    gpu: Variant = Variant()


class StagesConfig(_Config):
    """How pods are made, by stage."""

    ingest: StageConfig
    reconstruct: ReconstructConfig
    convert: StageConfig

    def of(self, stage: StageName) -> StageConfig:
        """The configuration of one stage."""
        config: StageConfig = getattr(self, stage.value)
        return config


class RetentionConfig(_Config):
    """How long PointcloudJobs that have ended are kept where they do not say it themselves; None: for good."""

    succeeded_seconds: Annotated[int, Field(ge=0)] | None = None
    failed_seconds: Annotated[int, Field(ge=0)] | None = None


class InstallConfig(_Config):
    """The whole file."""

    external_url: BaseUrl
    """Where users reach the gateway; status.url begins with it."""
    store_url: BaseUrl
    """Where stage pods and the operator reach the store service."""
    default_device: Literal[Device.GPU, Device.CPU] = Device.CPU
    """What spec.reconstruction.device: auto means."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the namespaces of the PointcloudJobs."""
    retry_limit: Annotated[int, Field(ge=0, le=100)] = 2
    """How many failed tries of all stages of a PointcloudJob together are tried again, unless it says it itself."""
    active_deadline_seconds: Annotated[int, Field(ge=0)] = 86400
    """How long all its stages and attempts together may take, unless it says it itself; 0: for ever."""
    disruption_limit: Annotated[int, Field(ge=0, le=64)] = 10
    """How many pods of one stage may be evicted, preempted or lost with their node before the stage fails."""
    unreachable_node_seconds: Annotated[int, Field(ge=0)] = 60
    """How long a pod stays on a node that is silent before it is to be replaced."""
    force_delete_seconds: Annotated[int, Field(ge=0)] = 60
    """How long after its grace period a pod that does not end, because its node is silent, is taken for gone."""
    retention: RetentionConfig = RetentionConfig()
    superseded_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long what was published before stays in the store, for viewers that have it open."""
    artefact_deletion_seconds: Annotated[int, Field(ge=1)] = 300
    """How long a deleted PointcloudJob waits for its artefacts to be removed, at most; then they stay, and it goes."""
    priority_classes: tuple[str, ...] = ()
    """PriorityClasses that a PointcloudJob may name."""
    finished_job_seconds: Annotated[int, Field(ge=60)] = 3600
    """How long a finished Job and its pods are kept; their results and logs are in the store for longer."""
    upload_settle_seconds: Annotated[int, Field(ge=0)] = 10
    """How long nothing more must have been uploaded before a run begins, so that files sent one by one make one run."""
    ingest_limits: IngestLimits = IngestLimits()
    stages: StagesConfig
