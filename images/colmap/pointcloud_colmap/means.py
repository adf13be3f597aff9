"""What the reconstruct stage works with: the device, and what computes depth on it."""

from dataclasses import dataclass

from pointcloud_api.resource import Density, ReconstructionExport
from pointcloud_api.stages import ReconstructDocument, ReconstructSettings, StageWarning
from pointcloud_colmap.device import Device, choose_device
from pointcloud_colmap.engines import Engine, EngineFor
from pointcloud_colmap.presets import PRESETS, Preset
from pointcloud_colmap.shares import shares
from pointcloud_colmap.stopwatch import Stopwatch
from pointcloud_stage import StageContext
from pointcloud_stage.pieces import LeftPieces


@dataclass(frozen=True, kw_only=True)
class Means:
    """Of one run."""

    context: StageContext[ReconstructDocument]
    attempts: LeftPieces
    """What earlier pods of this run left."""
    device: Device
    gpu_not_used: StageWarning | None
    """Why a GPU that was given is not used."""
    engine: Engine | None
    """What depth is computed with; None where the cloud is to be sparse."""
    stopwatch: Stopwatch

    @property
    def settings(self) -> ReconstructSettings:
        """As they were asked for."""
        return self.context.document.settings

    @property
    def preset(self) -> Preset:
        """What the quality means on the device."""
        return PRESETS[self.settings.quality].on(self.device)

    def plan(self, photos: int, pairs: int) -> None:
        """Declare the steps, when so many pairs of the photos are compared."""
        archive = ReconstructionExport.UNDISTORTED_IMAGES in self.settings.exports
        depth = self.engine.cost if self.engine else 0
        self.context.progress.plan(
            **shares(photos, pairs, self.settings.quality, self.device, depth=depth, archive=archive)
        )


def choose_means(context: StageContext[ReconstructDocument], engine_for: EngineFor) -> Means:
    """What there is, as far as it is asked for."""
    settings = context.document.settings
    device, gpu_not_used = choose_device(context.document.device)
    return Means(
        context=context,
        attempts=context.left(),
        device=device,
        gpu_not_used=gpu_not_used,
        engine=None if settings.density is Density.SPARSE else engine_for(device, settings.quality),
        stopwatch=Stopwatch(),
    )
