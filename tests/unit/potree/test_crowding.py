"""Points that are too near are counted as a look at all pairs would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pointcloud_potree.crowding import crowded_points, points_beyond_one_a_cell


@given(
    places=arrays.arrays(np.int64, st.tuples(st.integers(0, 40), st.just(3)), elements=st.integers(0, 30)),
    distance=st.integers(1, 12),
)
def test_there_are_none_exactly_where_all_pairs_are_far_enough(places: np.ndarray, distance: int) -> None:
    apart = ((places[:, None] - places) ** 2).sum(axis=2)
    near = np.triu(apart < distance**2, k=1)
    found = crowded_points(places, distance)
    assert (found > 0) == near.any()
    assert found <= np.count_nonzero(near)
    cells = np.unique(places // distance, axis=0)
    assert points_beyond_one_a_cell(places, distance) == len(places) - len(cells)


@pytest.mark.parametrize("distance", [1, 3, 4])
def test_a_lattice_is_exactly_far_enough(distance: int) -> None:
    lattice = np.stack(np.meshgrid(*[np.arange(12)] * 3), axis=-1).reshape(-1, 3) * distance
    assert crowded_points(lattice, distance) == 0
    lattice[100] += np.where(lattice[100] > 0, -1, 1)
    assert crowded_points(lattice, distance) > 0
