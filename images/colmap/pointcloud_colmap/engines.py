"""What computes depth on this pod's device: COLMAP's patch match on a GPU, our own on processors."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_api.resource import Quality
from pointcloud_colmap.dense.recipe import RECIPES
from pointcloud_colmap.dense.views import read_views
from pointcloud_colmap.dense_presets import DENSE_PRESETS, DensePreset
from pointcloud_colmap.depth_maps import Pass
from pointcloud_colmap.device import Device
from pointcloud_colmap.memory import patch_match_cache, patch_match_images
from pointcloud_colmap.presets import digest
from pointcloud_stage.limits import available_memory, cpu_limit

_CUDA_COST: Final = 40.0
"""Of a view and pass, in the time of comparing two photos on a CPU. An estimate: nothing of ours was run on a GPU."""
_CPU_COST: Final = {Quality.LOW: 12.0, Quality.MEDIUM: 5.0, Quality.HIGH: 4.0, Quality.EXTREME: 8.0}
"""The same on processors: `python -m tools.bench.dense` has the seconds."""
_ALONE: Final = "fewer than two other photos see the same from a useful angle"
_METHOD: Final = "2"
"""Of our maps: another one makes maps that are not to be mixed with those of this one."""

_MIDDLE: Final = 0.5
_CORNER: Final = 0.0
"""COLMAP's patch match takes a pixel's index for its place."""

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
    pixel_centre: float
    """Where a map's value is of, in pixels from the pixel's upper left corner, which COLMAP's cameras count from."""


EngineFor = Callable[[Device, Quality], Engine]


def engine_for(device: Device, quality: Quality) -> Engine:
    """The engine that works on a device."""
    preset = DENSE_PRESETS[quality]
    return _on_a_gpu(preset) if device is Device.CUDA else _on_processors(preset, quality)


def _on_a_gpu(preset: DensePreset) -> Engine:
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
        pixel_centre=_CORNER,
    )


def _on_processors(preset: DensePreset, quality: Quality) -> Engine:
    """Our own."""
    recipe = RECIPES[quality]
    passes = (Pass.PHOTOMETRIC, Pass.GEOMETRIC)

    def fill(workspace: Path, tell: Callable[[], None]) -> Mapping[str, str]:
        from pointcloud_colmap.dense.patch_match import estimate_maps, memory_beside  # noqa: PLC0415 - numba, here alone

        views = read_views(workspace, sources=recipe.sources)
        beside = max(memory_beside(view.width, view.height) for view in views.values())
        made = estimate_maps(
            workspace,
            views,
            recipe=recipe,
            threads=cpu_limit(),
            memory=patch_match_images(beside, available_memory()),
            tell=lambda _done, _total: tell(),
        )
        return dict.fromkeys(made.skipped, _ALONE)

    settings = [f"{name}={value}" for name, value in asdict(recipe).items()]
    return Engine(
        name="patch match on processors",
        recipe=digest("patch match on processors", _METHOD, str(preset.max_image_size), *settings),
        passes=passes,
        cost=_CPU_COST[quality] * len(passes),
        fill=fill,
        pixel_centre=_MIDDLE,
    )
