"""Up, from how cameras were held and moved. Truth is always +Z; cameras are given by where they stand and look."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_colmap.orientation import FloatArray, estimate_up, rotation_to_z

UP = np.array([0.0, 0.0, 1.0])


def axes_looking(forward: FloatArray, *, image_up: FloatArray = UP) -> FloatArray:
    """Axes (3, 3) of a camera that looks along `forward` and has `image_up` upwards in its image."""
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, image_up)
    right /= np.linalg.norm(right)
    return np.array([right, np.cross(forward, right), forward])


def circle(radius: float, height: float) -> tuple[FloatArray, FloatArray]:
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    centres = np.column_stack([radius * np.cos(angles), radius * np.sin(angles), np.full(12, height)])
    return np.array([axes_looking(-centre) for centre in centres]), centres


def line(direction: tuple[float, float, float]) -> FloatArray:
    jitter = np.random.default_rng(0).normal(0, 0.02, (10, 3))
    places: FloatArray = np.linspace(0, 10, 10)[:, None] * np.array(direction) + jitter
    return places


def degrees_off(axes: FloatArray, centres: FloatArray) -> float:
    return float(np.degrees(np.arccos(np.clip(estimate_up(axes, centres) @ UP, -1, 1))))


@pytest.mark.parametrize("height", [0.0, 2.0, 20.0])
def test_orbit_at_any_height(height: float) -> None:
    assert degrees_off(*circle(5, height)) < 0.1


def test_walk_along_a_wall() -> None:
    axes = np.array([axes_looking(np.array([0.0, 1.0, 0.0]))] * 10)
    assert degrees_off(axes, line((1, 0, 0))) < 0.1


def test_walk_ahead_with_the_camera_held_down() -> None:
    axes = np.array([axes_looking(np.array([0.0, 1.0, -0.7]))] * 10)
    assert degrees_off(axes, line((0, 1, 0))) < 1


def test_drone_that_looks_straight_down_along_one_line() -> None:
    axes = np.array([axes_looking(-UP, image_up=np.array([0.0, 1.0, 0.0]))] * 10)
    assert degrees_off(axes, line((0, 1, 0))) < 1


def test_drone_that_looks_straight_down_on_lines_to_and_fro() -> None:
    there = np.array([axes_looking(-UP, image_up=np.array([0.0, 1.0, 0.0]))] * 10)
    back = np.array([axes_looking(-UP, image_up=np.array([0.0, -1.0, 0.0]))] * 10)
    centres = np.concatenate([line((0, 1, 0)), line((0, 1, 0)) + np.array([4.0, 0.0, 0.0])])
    assert degrees_off(np.concatenate([there, back]), centres) < 1


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.01))
def test_the_rotation_takes_up_to_z_and_mirrors_nothing(direction: tuple[float, float, float]) -> None:
    up = np.array(direction) / np.linalg.norm(direction)
    rotation = rotation_to_z(up)
    assert rotation @ up == pytest.approx(UP, abs=1e-9)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)
