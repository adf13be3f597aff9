"""What a quality means for depth maps: COLMAP's own presets.

Source: `OptionManager::ModifyFor{Low,Medium,High,Extreme}Quality` in src/colmap/controllers/option_manager.cc of COLMAP
4.2.
"""

from dataclasses import dataclass, replace
from typing import Final

import pycolmap

from pointcloud_api.resource import Quality
from pointcloud_colmap.presets import digest

UNLIMITED: Final = -1
"""COLMAP's word for photos in their own size."""


@dataclass(frozen=True, kw_only=True)
class DensePreset:
    """One quality; its fields are named as COLMAP's options are."""

    max_image_size: int
    """Pixels of the longer side of undistorted photos, and so of depth maps; larger ones are scaled down."""
    window_radius: int
    window_step: int
    num_samples: int
    num_iterations: int
    geom_consistency: bool
    """Whether depth maps are made once more, each with a look at those of the views around it."""

    def patch_match(self, *, cache_gigabytes: float) -> pycolmap.PatchMatchOptions:
        """Options of COLMAP's patch match, which needs CUDA."""
        options = pycolmap.PatchMatchOptions()
        options.window_radius = self.window_radius
        options.window_step = self.window_step
        options.num_samples = self.num_samples
        options.num_iterations = self.num_iterations
        options.geom_consistency = self.geom_consistency
        options.cache_size = cache_gigabytes
        return options

    def patch_match_recipe(self) -> str:
        """A digest of all that COLMAP's depth maps depend on, beside the model and the photos."""
        return digest("patch match", str(self.max_image_size), self.patch_match(cache_gigabytes=1.0))


_HIGH: Final = DensePreset(
    max_image_size=2400,
    window_radius=5,
    window_step=1,
    num_samples=15,
    num_iterations=5,
    geom_consistency=True,
)
DENSE_PRESETS: Final = {
    Quality.LOW: DensePreset(
        max_image_size=1000,
        window_radius=4,
        window_step=2,
        num_samples=7,
        num_iterations=3,
        geom_consistency=False,
    ),
    Quality.MEDIUM: DensePreset(
        max_image_size=1600,
        window_radius=4,
        window_step=2,
        num_samples=10,
        num_iterations=5,
        geom_consistency=False,
    ),
    Quality.HIGH: _HIGH,
    Quality.EXTREME: replace(_HIGH, max_image_size=UNLIMITED),
}
