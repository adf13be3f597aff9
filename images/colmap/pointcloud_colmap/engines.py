"""What can compute depth on this pod's device, and what follows from the wish for a dense cloud."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import ExitCode, Reason, StageWarning
from pointcloud_colmap.dense_presets import DENSE_PRESETS, DensePreset
from pointcloud_colmap.depth_maps import Pass
from pointcloud_colmap.device import Device
from pointcloud_colmap.memory import available_memory, patch_match_cache
from pointcloud_stage import StageFailure

_CUDA_COST: Final = 40.0
"""Of a view, in the time of comparing two photos on a CPU. An estimate: nothing of ours was run on a GPU."""

Fill = Callable[[Path, Callable[[], None]], Mapping[str, str]]
"""Fills a workspace of COLMAP's (https://colmap.github.io/format.html#dense-reconstruction): its depth and normal maps.

Each pass's maps are written by the time the next pass begins, and maps that are there already are left as they are.
The second argument may be called at any time, by any thread, to have the maps counted and kept. Masks of photos lie in
`masks` of the workspace, for an engine that can do with them; fusion minds them in any case. Gives, by the name of
the view, why it has no maps, as far as that is known.
"""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A way to make depth maps."""

    name: str
    """As the report calls it."""
    recipe: str
    """A digest of all that its maps depend on, beside the model and the photos."""
    passes: tuple[Pass, ...]
    """In their order; the maps of the last one are fused."""
    cost: float
    """What a view takes in the time of comparing two photos: for the progress alone."""
    fill: Fill


EngineFor = Callable[[Device, Quality], Engine | None]


def engine_for(device: Device, quality: Quality) -> Engine | None:
    """The engine that works on a device, if there is one."""
    return _patch_match(DENSE_PRESETS[quality]) if device is Device.CUDA else None


def _patch_match(preset: DensePreset) -> Engine:
    """COLMAP's own, which is built with CUDA only."""

    def fill(workspace: Path, _tell: Callable[[], None]) -> Mapping[str, str]:
        options = preset.patch_match(cache_gigabytes=patch_match_cache(available_memory()))
        pycolmap.patch_match_stereo(workspace, options=options)
        return {}

    passes = (Pass.PHOTOMETRIC, Pass.GEOMETRIC) if preset.geom_consistency else (Pass.PHOTOMETRIC,)
    return Engine(
        name="COLMAP's patch match on CUDA",
        recipe=preset.patch_match_recipe(),
        passes=passes,
        cost=_CUDA_COST * len(passes),
        fill=fill,
    )


def choose_engine(
    wish: Density, engine: Engine | None, gpu_not_used: StageWarning | None
) -> tuple[Engine | None, StageWarning | None]:
    """The engine to use, if a dense cloud is wanted, and a warning when `auto` has to do without.

    Raises StageFailure(BAD_SETTINGS) where a dense cloud is asked for by name: before hours of work, and not after.
    """
    if wish is Density.SPARSE:
        return None, None
    if engine is not None:
        return engine, None
    why = f"Depth is computed on a GPU only, and {_obstacle(gpu_not_used)}."
    if wish is Density.DENSE:
        raise StageFailure(
            Reason.BAD_SETTINGS,
            f"A dense cloud is asked for and cannot be made: {why[0].lower()}{why[1:]}",
            "Set spec.reconstruction.device to gpu, where the install has GPU nodes and the image for them, or "
            "spec.reconstruction.density to auto or sparse.",
            exit_code=ExitCode.BAD_SETTINGS,
        )
    return None, StageWarning(
        reason="DensityNeedsGpu",
        message=f"The cloud is sparse. {why} For a dense one set spec.reconstruction.device to gpu and density to "
        "dense; with density sparse this is not said.",
    )


def _obstacle(gpu_not_used: StageWarning | None) -> str:
    return "the one that the pod was given could not be used" if gpu_not_used else "the pod had none"
