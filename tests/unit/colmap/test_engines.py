"""Which engine makes depth maps, and with which of COLMAP's options."""

import pytest

from pointcloud_api.resource import Quality
from pointcloud_colmap.dense_presets import DENSE_PRESETS
from pointcloud_colmap.depth_maps import Pass
from pointcloud_colmap.device import Device
from pointcloud_colmap.engines import engine_for


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
    assert engine_for(Device.CUDA, quality).passes == passes


def test_photos_are_as_large_as_colmaps_presets_have_them() -> None:
    assert [DENSE_PRESETS[quality].max_image_size for quality in Quality] == [1000, 1600, 2400, -1]


def test_the_recipe_is_that_of_the_maps_and_not_of_the_machine() -> None:
    recipes = [DENSE_PRESETS[quality].patch_match_recipe() for quality in Quality]
    assert len(set(recipes)) == len(recipes)
    assert recipes == [DENSE_PRESETS[quality].patch_match_recipe() for quality in Quality]


def test_processors_make_both_passes_and_their_maps_are_not_taken_for_colmaps() -> None:
    engines = [engine_for(device, quality) for device in Device for quality in Quality]
    assert len({engine.recipe for engine in engines}) == len(engines)
    assert engine_for(Device.CPU, Quality.LOW).passes == (Pass.PHOTOMETRIC, Pass.GEOMETRIC)


def test_a_depth_of_ours_is_of_a_pixels_middle_and_one_of_colmaps_of_its_corner() -> None:
    assert {device: engine_for(device, Quality.LOW).pixel_centre for device in Device} == {
        Device.CPU: 0.5,
        Device.CUDA: 0.0,
    }
