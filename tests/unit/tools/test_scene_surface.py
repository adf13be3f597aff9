"""Distances to the true surface agree with the rays that the photos are cast from."""

import numpy as np
import pytest

from tools.scene.camera import FloatArray
from tools.scene.raycast import BOX, ELLIPSOID, FRUSTUM, Solids
from tools.scene.ruin import ruin
from tools.scene.surface import distances

TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def solid(kind: int, size: tuple[float, float, float]) -> Solids:
    """One solid, turned, whose middle is at (1, 2, 3)."""
    return Solids(
        kind=np.array([kind]),
        axes=TURN[None],
        centre=np.array([[1.0, 2.0, 3.0]]),
        size=np.array([size]),
        reach=np.array([9.0]),
        colours=np.zeros((1, 2, 3)),
        grain=np.ones((1, 3)),
        relief=np.ones(1),
        phase=np.array([1]),
    )


def at(*local: tuple[float, float, float]) -> FloatArray:
    """Points of that solid's own axes, in the world."""
    world: FloatArray = np.array(local) @ TURN.T + [1.0, 2.0, 3.0]
    return world


@pytest.mark.parametrize(
    ("kind", "size", "local", "expected"),
    [
        (BOX, (1.0, 2.0, 3.0), (1.5, 0.0, 0.0), 0.5),
        (BOX, (1.0, 2.0, 3.0), (4.0, 6.0, 3.0), 5.0),
        (BOX, (1.0, 2.0, 3.0), (0.0, 1.8, 0.0), 0.2),
        (FRUSTUM, (1.0, 1.0, 2.0), (0.0, 3.0, 0.0), 2.0),
        (FRUSTUM, (1.0, 1.0, 2.0), (0.0, 0.0, 1.9), 0.1),
        (FRUSTUM, (2.0, 1.0, 1.0), (0.0, 0.0, 2.5), 1.5),
        (FRUSTUM, (2.0, 0.0, 1.0), (2.0, 0.0, 1.0), np.sqrt(2)),
        (ELLIPSOID, (1.0, 1.0, 1.0), (3.0, 4.0, 0.0), 4.0),
        (ELLIPSOID, (3.0, 2.0, 1.0), (0.0, 0.0, 1.25), 0.25),
        (ELLIPSOID, (3.0, 2.0, 1.0), (0.0, 5.0, 0.0), 3.0),
        (ELLIPSOID, (3.0, 2.0, 1.0), (0.0, 0.0, 0.0), 1.0),
    ],
)
def test_the_distance_to_a_solid(
    kind: int, size: tuple[float, float, float], local: tuple[float, float, float], expected: float
) -> None:
    assert distances(at(local), solid(kind, size)) == pytest.approx([expected], abs=1e-6)


def test_no_point_of_an_ellipsoid_is_nearer() -> None:
    random = np.random.default_rng(0)
    size = np.array([1.7, 0.6, 1.1])
    directions = random.normal(size=(200_000, 3))
    surface = directions / np.linalg.norm(directions / size, axis=1, keepdims=True)
    points = random.uniform(-2, 2, (30, 3))
    by_trial = np.array([np.linalg.norm(surface - point, axis=1).min() for point in points])
    told = distances(at(*map(tuple, points.tolist())), solid(ELLIPSOID, (1.7, 0.6, 1.1)))
    assert (told <= by_trial + 1e-9).all()
    assert told == pytest.approx(by_trial, abs=0.02)


def test_the_ground_is_no_surface_below_what_stands_on_it() -> None:
    on_the_lawn, under_the_plinth = distances(np.array([[5.3, 0.5, 0.0], [0.0, 0.0, 0.0]]), ruin())
    assert on_the_lawn == pytest.approx(0, abs=1e-9)
    assert under_the_plinth > 0.01
