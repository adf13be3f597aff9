"""The choice of the model of those that mapping makes."""

import pycolmap
import pytest

from pointcloud_api.resource import Mapper, Quality
from pointcloud_api.stages import Reason
from pointcloud_colmap.mapping import best_model, check_models, registered_names
from pointcloud_colmap.matching import Pairs
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import StageFailure

PAIRS = Pairs(matched=28, inliers={("a.jpg", f"{index}.jpg"): 20 for index in range(9)})


def model(*, images: int, points: int) -> pycolmap.Reconstruction:
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = 1
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = images
    options.num_points3D = points
    return pycolmap.synthesize_dataset(options)


def test_the_model_with_most_photos_is_best_whatever_its_place() -> None:
    models = [model(images=3, points=500), model(images=6, points=200), model(images=4, points=300)]
    assert best_model(models) is models[1]


def test_of_equally_many_photos_more_points_are_better() -> None:
    models = [model(images=4, points=200), model(images=4, points=300)]
    assert best_model(models) is models[1]


def test_no_model_is_a_failure_that_tells_what_was_found() -> None:
    with pytest.raises(StageFailure, match="Of 28 pairs of photos 9 share features") as failure:
        check_models([], PAIRS, Mapper.INCREMENTAL)
    assert failure.value.error.reason == Reason.NO_OVERLAP
    assert "spec.reconstruction.mapper" not in failure.value.error.remedy


def test_where_global_mapping_makes_nothing_incremental_mapping_may() -> None:
    with pytest.raises(StageFailure) as failure:
        check_models([], PAIRS, Mapper.GLOBAL)
    assert failure.value.error.remedy.startswith("Set spec.reconstruction.mapper to incremental")


def test_a_handful_of_points_is_a_failure() -> None:
    with pytest.raises(StageFailure, match="Only 20 points") as failure:
        check_models([model(images=3, points=20)], PAIRS, Mapper.INCREMENTAL)
    assert failure.value.error.reason == Reason.TOO_FEW_POINTS


def test_frames_of_a_video_are_mapped_as_colmap_does_videos() -> None:
    photos, video = (PRESETS[Quality.HIGH].incremental_mapping(num_threads=1, video=video) for video in (False, True))
    assert video.mapper.init_min_tri_angle == photos.mapper.init_min_tri_angle / 2
    assert (video.ba_global_frames_ratio, video.ba_global_points_ratio) == (1.4, 1.4)
    assert PRESETS[Quality.HIGH].mapping_recipe(video=True) != PRESETS[Quality.HIGH].mapping_recipe(video=False)


def test_names_are_those_of_the_registered_photos() -> None:
    reconstruction = model(images=3, points=200)
    left_out = next(iter(reconstruction.reg_image_ids()))
    name = reconstruction.image(left_out).name
    reconstruction.deregister_frame(reconstruction.image(left_out).frame_id)
    names = registered_names(reconstruction)
    assert len(names) == 2
    assert name not in names
