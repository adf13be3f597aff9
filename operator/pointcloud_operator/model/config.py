"""What the install decides and a user cannot: images, default resources, where things are served.

Written by the chart as YAML in a ConfigMap, named to the operator by the environment variable POINTCLOUD_CONFIG.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from pointcloud_api.names import StageName
from pointcloud_api.resource import Device, Quantity
from pointcloud_api.stages import IngestLimits

BaseUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/]+(/.*[^/])?$")]
"""An http(s) URL without a slash at its end, so that paths are appended with one."""


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
    """How often a Job tries again after a failure that another try may mend (its backoffLimit)."""
    finished_job_seconds: Annotated[int, Field(ge=60)] = 3600
    """How long a finished Job and its pods are kept; their results and logs are in the store for longer."""
    ingest_limits: IngestLimits = IngestLimits()
    stages: StagesConfig
