"""On what the reconstruct stage runs, and what its pod is given in addition there."""

from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.resource import Device, PointcloudJob
from pointcloud_operator.model.config import InstallConfig, ReconstructConfig, Resources, Variant

_NOTHING_MORE: Final = Variant(resources=Resources())


def resolved_device(job: PointcloudJob, config: InstallConfig) -> Device:
    """What the reconstruct stage runs on: the spec's word, or the install's where the spec says auto."""
    device = job.spec.reconstruction.device
    return config.default_device if device is Device.AUTO else device


def variant_of(job: PointcloudJob, stage: StageName, config: InstallConfig) -> Variant:
    """What a stage's pod is given in addition."""
    settings = config.stages.of(stage)
    if isinstance(settings, ReconstructConfig) and resolved_device(job, config) is Device.GPU:
        return settings.gpu
    return _NOTHING_MORE
