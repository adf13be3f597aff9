"""The choice of the model, and what is said of photos that are not in it."""

import pycolmap
import pytest

from pointcloud_api.stages import Reason
from pointcloud_colmap.mapping import best_model, registered_names, warn_of_unregistered
from pointcloud_colmap.matching import Pairs
from pointcloud_stage import StageFailure

PAIRS = Pairs(matched=28, verified=9)


def model(*, images: int, points: int) -> pycolmap.Reconstruction:
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = 1
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = images
    options.num_points3D = points
    return pycolmap.synthesize_dataset(options)


def test_the_model_with_most_photos_is_best_whatever_its_place() -> None:
    models = [model(images=3, points=500), model(images=6, points=200), model(images=4, points=300)]
    assert best_model(models, PAIRS) is models[1]


def test_of_equally_many_photos_more_points_are_better() -> None:
    models = [model(images=4, points=200), model(images=4, points=300)]
    assert best_model(models, PAIRS) is models[1]


def test_no_model_is_a_failure_that_tells_what_was_found() -> None:
    with pytest.raises(StageFailure, match="Of 28 pairs of photos 9 share features") as failure:
        best_model([], PAIRS)
    assert failure.value.error.reason == Reason.NO_OVERLAP


def test_a_handful_of_points_is_a_failure() -> None:
    with pytest.raises(StageFailure, match="Only 20 points") as failure:
        best_model([model(images=3, points=20)], PAIRS)
    assert failure.value.error.reason == Reason.TOO_FEW_POINTS


def test_names_are_those_of_the_registered_photos() -> None:
    reconstruction = model(images=3, points=200)
    left_out = next(iter(reconstruction.reg_image_ids()))
    name = reconstruction.image(left_out).name
    reconstruction.deregister_frame(reconstruction.image(left_out).frame_id)
    names = registered_names(reconstruction)
    assert len(names) == 2
    assert name not in names


def test_unregistered_photos_are_named_but_not_all_of_many() -> None:
    warning = warn_of_unregistered(unregistered=[f"{i}.jpg" for i in range(9)], total=20, models=2)
    assert warning
    assert warning.message.startswith("11 of 20 photos were registered, without 0.jpg, 1.jpg")
    assert "4.jpg and 4 more" in warning.message
    assert "2 separate models" in warning.message


def test_nothing_is_said_when_all_are_registered() -> None:
    assert warn_of_unregistered(unregistered=[], total=20, models=1) is None
