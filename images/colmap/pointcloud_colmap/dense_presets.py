"""What a quality means for depth maps and their fusion: COLMAP's own presets.

Source: `OptionManager::ModifyFor{Low,Medium,High,Extreme}Quality` and `ModifyForVideoData` in
src/colmap/controllers/option_manager.cc of COLMAP 4.2, and what automatic_reconstruction.cc adds for few photos.
"""

from dataclasses import dataclass
from typing import Final

import pycolmap

from pointcloud_api.resource import Quality
from pointcloud_colmap.presets import digest

UNLIMITED: Final = -1
"""COLMAP's word for photos in their own size."""
_VIDEO_PIXELS: Final = 15
"""Frames of a video are many and near each other, so a point that is there is seen in many."""


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
    check_num_images: int
    """Views in which fusion looks for the same point."""

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

    def fusion(self, *, views: int, video: bool, agreeing: int | None = None) -> pycolmap.StereoFusionOptions:
        """Options of the fusion of this many views' maps, of which so many have to agree, if their engine says so."""
        options = pycolmap.StereoFusionOptions()
        options.num_threads = 1  # several race for pixels, and no two clouds are equal
        options.check_num_images = self.check_num_images
        if video:
            options.min_num_pixels = _VIDEO_PIXELS
        if agreeing is not None:
            options.min_num_pixels = agreeing
        options.min_num_pixels = min(options.min_num_pixels, views + 1)
        return options


DENSE_PRESETS: Final = {
    Quality.LOW: DensePreset(
        max_image_size=1000,
        window_radius=4,
        window_step=2,
        num_samples=7,
        num_iterations=3,
        geom_consistency=False,
        check_num_images=25,
    ),
    Quality.MEDIUM: DensePreset(
        max_image_size=1600,
        window_radius=4,
        window_step=2,
        num_samples=10,
        num_iterations=5,
        geom_consistency=False,
        check_num_images=33,
    ),
    Quality.HIGH: DensePreset(
        max_image_size=2400,
        window_radius=5,
        window_step=1,
        num_samples=15,
        num_iterations=5,
        geom_consistency=True,
        check_num_images=50,
    ),
    Quality.EXTREME: DensePreset(
        max_image_size=UNLIMITED,
        window_radius=5,
        window_step=1,
        num_samples=15,
        num_iterations=5,
        geom_consistency=True,
        check_num_images=50,
    ),
}
