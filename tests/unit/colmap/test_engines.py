"""Which engine makes depth maps, with which of COLMAP's options, and what is said where there is none."""

import pytest

from pointcloud_api.resource import Density, Quality
from pointcloud_api.stages import ExitCode, Reason, StageWarning
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.depth_maps import Pass
from pointcloud_colmap.device import Device
from pointcloud_colmap.engines import choose_engine, engine_for
from pointcloud_stage import StageFailure

NOT_USED = StageWarning(reason="GpuNotUsed", message="The pod was given a GPU, but the driver sees no device.")


@pytest.mark.parametrize(
    ("quality", "window", "samples", "passes"),
    [
        (Quality.LOW, (4, 2), (7, 3), (Pass.PHOTOMETRIC,)),
        (Quality.MEDIUM, (4, 2), (10, 5), (Pass.PHOTOMETRIC,)),
        (Quality.HIGH, (5, 1), (15, 5), (Pass.PHOTOMETRIC, Pass.GEOMETRIC)),
        (Quality.EXTREME, (5, 1), (15, 5), (Pass.PHOTOMETRIC, Pass.GEOMETRIC)),
    ],
)
def test_depth_maps_are_made_as_colmaps_presets_have_them(
    quality: Quality, window: tuple[int, int], samples: tuple[int, int], passes: tuple[Pass, ...]
) -> None:
    options = DENSE_PRESETS[quality].patch_match(cache_gigabytes=2.5)
    assert (options.window_radius, options.window_step) == window
    assert (options.num_samples, options.num_iterations) == samples
    assert options.geom_consistency == (Pass.GEOMETRIC in passes)
    assert options.filter
    assert options.cache_size == 2.5
    engine = engine_for(Device.CUDA, quality)
    assert engine is not None
    assert engine.passes == passes


def test_photos_are_as_large_as_colmaps_presets_have_them() -> None:
    assert [DENSE_PRESETS[quality].max_image_size for quality in Quality] == [1000, 1600, 2400, -1]


def test_a_point_is_believed_when_five_pixels_agree_and_in_a_video_when_fifteen_do() -> None:
    preset = DENSE_PRESETS[Quality.LOW]

    def pixels(*, views: int, video: bool) -> int:
        return preset.fusion(views=views, video=video, num_threads=1).min_num_pixels

    assert (pixels(views=100, video=False), pixels(views=100, video=True)) == (5, 15)
    assert (pixels(views=3, video=False), pixels(views=8, video=True)) == (4, 9), "no more than there can be"
    assert preset.fusion(views=9, video=False, num_threads=1).check_num_images == 25


def test_the_recipe_is_that_of_the_maps_and_not_of_the_machine() -> None:
    recipes = [DENSE_PRESETS[quality].patch_match_recipe() for quality in Quality]
    assert len(set(recipes)) == len(recipes)
    assert recipes == [DENSE_PRESETS[quality].patch_match_recipe() for quality in Quality]


def test_a_sparse_cloud_needs_no_engine_and_no_word() -> None:
    assert choose_engine(Density.SPARSE, engine_for(Device.CUDA, Quality.LOW), None) == (None, None)
    assert choose_engine(Density.SPARSE, None, NOT_USED) == (None, None)


@pytest.mark.parametrize("wish", [Density.AUTO, Density.DENSE])
def test_an_engine_that_is_there_is_used(wish: Density) -> None:
    engine = engine_for(Device.CUDA, Quality.LOW)
    assert engine is not None
    assert choose_engine(wish, engine, None) == (engine, None)


@pytest.mark.parametrize(
    ("gpu", "words"), [(None, "the pod had none"), (NOT_USED, "that the pod was given could not be used")]
)
def test_without_an_engine_auto_is_sparse_with_a_warning_and_dense_is_refused(
    gpu: StageWarning | None, words: str
) -> None:
    engine, warning = choose_engine(Density.AUTO, None, gpu)
    assert engine is None
    assert warning is not None
    assert warning.reason == "DensityNeedsGpu"
    assert words in warning.message
    with pytest.raises(StageFailure) as caught:
        choose_engine(Density.DENSE, None, gpu)
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.BAD_SETTINGS, ExitCode.BAD_SETTINGS)
    assert words in caught.value.error.message
    assert "spec.reconstruction.density" in caught.value.error.remedy
