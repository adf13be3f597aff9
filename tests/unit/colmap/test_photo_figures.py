"""What is told of each photo, against the model itself."""

import numpy as np
import pytest

from pointcloud_colmap.observations import Observations
from pointcloud_colmap.photo_figures import photo_figures
from tests.unit.colmap.models import synthetic


def test_figures_are_the_models_own() -> None:
    model = synthetic()
    for image in model.images.values():
        for point in image.points2D:
            point.xy = point.xy + np.array([0.6, 0.8])
    names = [image.name for image in model.images.values()]
    figures = photo_figures(Observations.of(model), dict.fromkeys(names, 300) | {"blurred.jpg": 3}, {names[0]: 0.25})
    assert [photo.name for photo in figures] == sorted([*names, "blurred.jpg"])
    by_name = {photo.name: photo for photo in figures}
    for image in model.images.values():
        photo = by_name[image.name]
        assert (photo.registered, photo.features, photo.camera) == (True, 300, image.camera_id)
        assert photo.points == image.num_points3D
        assert photo.reprojection_error == pytest.approx(1.0, abs=0.01)
        assert photo.coverage is not None
        assert 0.2 < photo.coverage <= 1
    assert [photo.name for photo in figures if photo.gps_error == 0.25] == [names[0]]
    blurred = by_name["blurred.jpg"]
    assert (blurred.registered, blurred.features, blurred.points, blurred.coverage) == (False, 3, None, None)


def test_coverage_is_the_share_of_cells_with_a_point() -> None:
    model = synthetic(frames=3)
    first = min(model.images.values(), key=lambda image: image.name)
    camera = model.camera(first.camera_id)
    inside = [0.05 * camera.width, 0.05 * camera.height]
    edge = [float(camera.width), float(camera.height)]
    for number, point in enumerate(first.points2D):
        point.xy = np.array(edge if number == 0 else inside)
    figures = photo_figures(Observations.of(model), {first.name: 300}, {})
    assert figures[0].coverage == 0.02


def test_a_photo_that_lost_all_its_points_is_told_so() -> None:
    model = synthetic(frames=3)
    first = min(model.images.values(), key=lambda image: image.name)
    for point in list(first.get_observation_points2D()):
        if model.exists_point3D(point.point3D_id):
            model.delete_point3D(point.point3D_id)
    (photo, *_) = photo_figures(Observations.of(model), {first.name: 300}, {})
    assert (photo.registered, photo.points, photo.reprojection_error, photo.coverage) == (True, 0, None, 0.0)
