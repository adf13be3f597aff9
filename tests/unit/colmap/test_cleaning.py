"""Which points are taken for wrong, and which are merely far away or few."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pointcloud_colmap.cleaning import outliers, remove_outliers, uncertainties
from pointcloud_colmap.observations import Observations
from pointcloud_colmap.orientation import FloatArray
from tests.unit.colmap.models import synthetic


def ground(points: int = 400, *, spacing: float = 1.0, seed: int = 0) -> FloatArray:
    """A rough plain."""
    side = spacing * np.sqrt(points)
    plain: FloatArray = np.random.default_rng(seed).uniform([0, 0, 0], [side, side, spacing / 5], (points, 3))
    return plain


def test_points_above_the_ground_are_lonely() -> None:
    positions = np.vstack([ground(), [[5.0, 5.0, 9.0], [15.0, 15.0, -9.0]]])
    uncertain, lonely = outliers(positions, np.ones(len(positions)))
    assert not uncertain.any()
    assert set(np.flatnonzero(lonely)) >= {400, 401}
    assert lonely.sum() <= 4


def test_a_point_less_certain_than_those_around_it_is_uncertain() -> None:
    positions = ground()
    uncertainty = np.random.default_rng(0).uniform(0.5, 1.5, len(positions))
    uncertainty[7] = 10.0
    uncertain, _ = outliers(positions, uncertainty)
    assert np.flatnonzero(uncertain).tolist() == [7]


def test_a_background_far_away_stays_though_it_is_sparse_and_uncertain() -> None:
    near, far = ground(), ground(100, spacing=30.0, seed=1) + np.array([0.0, 2000.0, 0.0])
    positions = np.vstack([near, far])
    uncertainty = np.repeat([1.0, 50.0], [len(near), len(far)])
    uncertain, lonely = outliers(positions, uncertainty)
    assert not uncertain.any()
    assert (uncertain | lonely).mean() < 0.02


@pytest.mark.parametrize("count", [0, 1, 10])
def test_of_next_to_nothing_nothing_is_removed(count: int) -> None:
    uncertain, lonely = outliers(ground(400)[:count], np.ones(count))
    assert not (uncertain | lonely).any()


def seen_from(*centres: tuple[float, float, float], error: float, focal: float) -> Observations:
    """The world's origin as cameras at these places see it."""
    images = [SimpleNamespace(projection_center=lambda c=centre: np.array(c)) for centre in centres]
    cameras = [SimpleNamespace(mean_focal_length=lambda: focal)] * len(centres)
    many = len(centres)
    return Observations(
        images=cast("Any", tuple(images)),
        cameras=cast("Any", tuple(cameras)),
        point_ids=np.array([1]),
        positions=np.zeros((1, 3)),
        colours=np.zeros((1, 3), np.uint8),
        point=np.zeros(many, np.int64),
        image=np.arange(many),
        pixels=np.zeros((many, 2)),
        errors=np.full(many, error),
    )


def test_uncertainty_is_that_of_the_intersection_of_rays() -> None:
    square = uncertainties(seen_from((10, 0, 0), (0, 10, 0), error=2.0, focal=1000.0))
    assert square == pytest.approx(2.0 * 10 / 1000), "each ray is held across by the other alone"
    narrow = uncertainties(seen_from((10, -0.5, 0), (10, 0.5, 0), error=2.0, focal=1000.0))
    half_angle = np.arctan(0.5 / 10)
    assert narrow == pytest.approx(2.0 * np.hypot(10, 0.5) / 1000 / (np.sqrt(2) * np.sin(half_angle)))
    opposite = uncertainties(seen_from((10, 0, 0), (-10, 0, 0), error=2.0, focal=1000.0))
    assert opposite[0] > 1e6, "along one line nothing holds it"


def test_removed_points_are_gone_from_the_model_with_their_observations() -> None:
    model = synthetic(points=500)
    strays = sorted(model.point3D_ids())[:5]
    for number, point_id in enumerate(strays):
        model.point3D(point_id).xyz = np.array([40.0, 40.0 + 20 * number, 0.0])
    total, seen = model.num_points3D(), model.compute_num_observations()
    tracks = {point_id: model.point3D(point_id).track.length() for point_id in model.point3D_ids()}
    removed = remove_outliers(model)
    assert not any(model.exists_point3D(point_id) for point_id in strays)
    assert removed.uncertain + removed.lonely == total - model.num_points3D()
    assert removed.uncertain + removed.lonely < 15
    gone = sum(length for point_id, length in tracks.items() if not model.exists_point3D(point_id))
    assert model.compute_num_observations() == seen - gone
    assert model.is_valid()
