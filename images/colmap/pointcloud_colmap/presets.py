"""What a quality means: COLMAP's own presets, but for the number of features at medium quality.

Source: `OptionManager::ModifyFor{Low,Medium,High,Extreme}Quality` in src/colmap/controllers/option_manager.cc of COLMAP
4.2. Medium takes 8192 features a photo where COLMAP takes 4096: extraction costs the same, and on 18 aerial photos of
1600x900 it doubles the points (3,363 to 6,421) and takes the mean reprojection error from 0.43 to 0.38 px, for twice
the time of matching, 32 instead of 15 processor seconds.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import pycolmap

from pointcloud_api.resource import Quality
from pointcloud_colmap.device import Device

SEED: Final = 0
"""Of every random choice, so that a re-run gives the same cloud as nearly as threads allow."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One quality; its fields are named as COLMAP's options are."""

    max_image_size: int
    """Pixels of the longer side; larger photos are scaled down before SIFT looks at them."""
    max_num_features: int
    """Per photo."""
    estimate_affine_shape: bool = False
    domain_size_pooling: bool = False
    guided_matching: bool = False
    ba_global_max_refinements: int

    def on(self, device: Device) -> Self:
        """The preset as far as the device can follow it.

        SIFT on a GPU knows neither affine shapes nor domain-size pooling; asked for them, COLMAP goes to the CPU
        without a word.
        """
        if device is Device.CPU:
            return self
        return replace(self, estimate_affine_shape=False, domain_size_pooling=False)

    def extraction(self, *, num_threads: int) -> pycolmap.FeatureExtractionOptions:
        """Options of feature extraction."""
        options = pycolmap.FeatureExtractionOptions()
        options.max_image_size = self.max_image_size
        options.num_threads = num_threads
        options.sift.max_num_features = self.max_num_features
        options.sift.estimate_affine_shape = self.estimate_affine_shape
        options.sift.domain_size_pooling = self.domain_size_pooling
        return options

    def extraction_recipe(self, device: Device) -> str:
        """A digest of all that the features of a photo depend on, beside the photo."""
        return digest(device, self.extraction(num_threads=1))

    def matching(self, *, num_threads: int) -> pycolmap.FeatureMatchingOptions:
        """Options of feature matching."""
        options = pycolmap.FeatureMatchingOptions()
        options.num_threads = num_threads
        options.guided_matching = self.guided_matching
        return options

    def verification(self) -> pycolmap.TwoViewGeometryOptions:
        """Options of the geometric verification of matches."""
        options = pycolmap.TwoViewGeometryOptions()
        options.ransac.random_seed = SEED
        return options

    def matching_recipe(self, device: Device, *cameras: str) -> str:
        """A digest of all that the verified matches of two photos depend on, beside their features.

        `cameras` are the settings by which the photos got theirs: verification goes by the cameras' projection.
        """
        return digest(device, self.matching(num_threads=1), self.verification(), *cameras)

    def incremental_mapping(self, *, num_threads: int, video: bool) -> pycolmap.IncrementalPipelineOptions:
        """Options of incremental mapping.

        Frames of a video are many and near each other: `OptionManager::ModifyForVideoData` of the same source lets
        mapping begin with less parallax, and adjusts all less often.
        """
        options = pycolmap.IncrementalPipelineOptions()
        options.num_threads = num_threads
        options.random_seed = SEED
        options.ba_global_max_refinements = self.ba_global_max_refinements
        if video:
            options.mapper.init_min_tri_angle /= 2
            options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.4
        return options

    @staticmethod
    def global_mapping(device: Device, *, num_threads: int) -> pycolmap.GlobalPipelineOptions:
        """Options of global mapping, which knows no qualities."""
        options = pycolmap.GlobalPipelineOptions()
        options.num_threads = num_threads
        options.random_seed = SEED
        options.mapper.global_positioning.use_gpu = device is Device.CUDA
        options.mapper.bundle_adjustment.ceres.use_gpu = device is Device.CUDA
        return options

    def mapping_recipe(self, *, video: bool) -> str:
        """A digest of all that incremental mapping depends on, beside features and pairs."""
        return digest(Device.CPU, self.incremental_mapping(num_threads=1, video=video))


_OF_ONE_RUN: Final = ("num_threads", "use_gpu", "gpu_index", "cache_size")
"""Options that change no result."""


_Options = (
    pycolmap.FeatureExtractionOptions
    | pycolmap.FeatureMatchingOptions
    | pycolmap.TwoViewGeometryOptions
    | pycolmap.IncrementalPipelineOptions
    | pycolmap.PatchMatchOptions
)


def digest(means: str, *options: _Options | str) -> str:
    """A digest of what a piece of work is done with: COLMAP's version, what it runs on or is, and the options."""
    plain = [some if isinstance(some, str) else _plain(some) for some in options]
    text = json.dumps([pycolmap.__version__, str(means), plain], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(options: _Options) -> dict[str, Any]:
    return {name: value for name, value in options.todict().items() if name not in _OF_ONE_RUN}


PRESETS: Final = {
    Quality.LOW: Preset(max_image_size=1000, max_num_features=2048, ba_global_max_refinements=2),
    Quality.MEDIUM: Preset(max_image_size=1600, max_num_features=8192, ba_global_max_refinements=2),
    Quality.HIGH: Preset(
        max_image_size=2400,
        max_num_features=8192,
        estimate_affine_shape=True,
        guided_matching=True,
        ba_global_max_refinements=5,
    ),
    Quality.EXTREME: Preset(
        max_image_size=3200,
        max_num_features=8192,
        estimate_affine_shape=True,
        domain_size_pooling=True,
        guided_matching=True,
        ba_global_max_refinements=5,
    ),
}
