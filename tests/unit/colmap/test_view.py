"""Where a cloud is first looked at from."""

import numpy as np
import pytest

from pointcloud_colmap.view import core_of, draw_back


def seen(points: np.ndarray, *, eye: np.ndarray, target: np.ndarray) -> float:
    """Share of the points inside a cone of 60 degrees around the line from eye to target."""
    ahead = (target - eye) / np.linalg.norm(target - eye)
    rays = points - eye
    cosines = rays @ ahead / np.linalg.norm(rays, axis=1)
    return float((cosines >= np.cos(np.radians(30))).mean())


@pytest.mark.parametrize("towards", [(10.0, 0.0, 3.0), (0.1, 0.1, 0.1), (0.0, 0.0, 500.0)])
def test_nine_points_of_ten_are_in_view_from_any_side(towards: tuple[float, float, float]) -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3)) * [3, 2, 1]
    target = np.median(points, axis=0)
    eye = draw_back(points, target=target, towards=np.array(towards))
    assert seen(points, eye=eye, target=target) == pytest.approx(0.9, abs=0.01)


def test_stray_points_do_not_push_the_eye_away() -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3))
    stray = np.vstack([points, np.full((20, 3), 1e6)])
    target, towards = np.zeros(3), np.array([1.0, 0.0, 0.0])
    near = np.linalg.norm(draw_back(points, target=target, towards=towards))
    assert np.linalg.norm(draw_back(stray, target=target, towards=towards)) < 1.2 * near


def test_the_core_is_where_the_points_are_but_for_outliers() -> None:
    points = np.random.default_rng(0).uniform([0, -1, 100], [10, 1, 120], (2000, 3))
    core = core_of(np.vstack([points, np.full((10, 3), 1e6)]))
    assert core.min == pytest.approx((0.1, -0.98, 100.2), abs=0.1)
    assert core.max == pytest.approx((9.9, 0.98, 119.8), abs=0.2)
