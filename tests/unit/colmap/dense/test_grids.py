"""The loops around the search: scales, words, and COLMAP's maps."""

from typing import Any

import numpy as np
import pytest

from pointcloud_colmap.dense.filters import kept_planes, remove_specks
from pointcloud_colmap.dense.grids import enlarge, from_maps, halve, invert, pack, to_maps
from pointcloud_colmap.dense.matching import Chances, State
from pointcloud_colmap.dense.threads import Runner, running_on

FOCAL, PRINCIPAL = np.array([50, 40], np.float32), np.array([4.5, 2.5], np.float32)
WIDTH, HEIGHT = 10, 6


@pytest.fixture
def runner() -> Any:
    with running_on(2) as made:
        yield made


def chances(**options: Any) -> Chances:
    usual = dict.fromkeys(Chances._fields, np.float32(0))
    return Chances(**{**usual, "nearest": np.float32(1), "farthest": np.float32(0.1), **options})


def sloping() -> Any:
    """(H, W, 3): one plane in space, whose inverse depth changes along rows and columns."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    inverse = 0.5 + 0.01 * columns - 0.02 * rows
    return np.stack([inverse, np.full_like(inverse, 0.01), np.full_like(inverse, -0.02)], axis=-1).astype(np.float32)


def test_halving_averages_and_leaves_an_odd_row_and_column_out(runner: Runner) -> None:
    half = np.empty((1, 2), np.uint8)
    runner.rows(halve, 1, np.array([[0, 1, 10, 20, 99], [2, 3, 30, 41, 99], [9, 9, 9, 9, 9]], np.uint8), half)
    assert half.tolist() == [[2, 25]]


def test_a_word_holds_a_pixel_and_three_neighbours_and_repeats_the_edge(runner: Runner) -> None:
    packed = np.empty((2, 2), np.uint32)
    runner.rows(pack, 2, np.array([[1, 2], [3, 4]], np.uint8), packed)
    assert packed.view(np.uint8).reshape(2, 2, 4).tolist() == [[[1, 2, 3, 4], [2, 2, 4, 4]], [[3, 4, 3, 4], [4] * 4]]


def test_enlarging_keeps_a_plane_what_it_is(runner: Runner) -> None:
    """The same surface at twice the size: a pixel's centre is then at 2 x + 0.5, and slopes are half."""
    fine = np.empty((2 * HEIGHT + 1, 2 * WIDTH, 3), np.float32)
    runner.rows(enlarge, len(fine), sloping(), fine)
    rows, columns = np.mgrid[0 : len(fine), 0 : 2 * WIDTH]
    np.testing.assert_allclose(fine[..., 0], 0.5 + 0.01 * (columns / 2 - 0.25) - 0.02 * (rows / 2 - 0.25), rtol=1e-5)
    np.testing.assert_allclose(fine[..., 1:], np.broadcast_to([0.005, -0.01], (*fine.shape[:2], 2)), rtol=1e-6)


def test_maps_hold_the_plane_and_give_it_back(runner: Runner) -> None:
    planes, keep = sloping(), np.ones((HEIGHT, WIDTH), np.uint8)
    keep[2, 3] = 0
    depth, normal = np.empty((HEIGHT, WIDTH), np.float32), np.empty((3, HEIGHT, WIDTH), np.float32)
    runner.rows(to_maps, HEIGHT, planes, keep, FOCAL, PRINCIPAL, depth, normal)
    assert depth[2, 3] == 0
    assert not normal[:, 2, 3].any()
    rows, columns = np.nonzero(keep)
    rays = np.stack([(columns - PRINCIPAL[0]) / FOCAL[0], (rows - PRINCIPAL[1]) / FOCAL[1], np.ones(len(rows))])
    places, normals = (rays * depth[rows, columns]).T, normal[:, rows, columns].T
    np.testing.assert_allclose(normals, np.broadcast_to(normals[0], normals.shape), atol=1e-6)
    np.testing.assert_allclose((places - places[0]) @ normals[0], 0, atol=1e-5)
    assert normals[0] @ places[0] < 0, "towards the camera"

    again, inverse = np.empty_like(planes), np.empty_like(depth)
    runner.rows(from_maps, HEIGHT, depth, normal, FOCAL, PRINCIPAL, again)
    runner.rows(invert, HEIGHT, depth, inverse)
    np.testing.assert_allclose(again, planes * keep[..., None], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(inverse, planes[..., 0] * keep, rtol=1e-6)


def test_planes_that_look_different_or_pile_up_at_the_ends_of_the_range_are_not_kept() -> None:
    planes = np.zeros((1, 6, 3), np.float32)
    planes[0, :, 0] = [0.5, 0.5, 0.1, 1.0, 0.5, 0.0]
    state = State(planes, np.array([[0.6, 0.8, 0, 0, 0, 0]], np.float32), np.zeros((1, 6), np.uint8))
    wanted = np.array([[1, 1, 1, 1, 0, 1]], np.uint8)
    assert kept_planes(state, wanted, chances(), limit=0.7).tolist() == [[1, 0, 0, 0, 0, 0]]


def test_pieces_that_are_too_small_are_removed_where_depth_or_a_gap_cuts_them_off(runner: Runner) -> None:
    inverse = np.full((5, 40), 0.5, np.float32)
    inverse[:, 20:] = 0.6
    inverse[1:3, 4:6] = 0.8  # four pixels on another depth
    keep = np.ones((5, 40), np.uint8)
    keep[:, 35] = 0  # twenty pixels behind a gap
    planes = np.stack([inverse, inverse * 0, inverse * 0], axis=-1)
    state = State(planes, inverse * 0, np.zeros(inverse.shape, np.uint8))

    remove_specks(state, keep, chances(pixel=np.float32(0.05)), smallest=21, runner=runner)

    expected = np.ones((5, 40), np.uint8)
    expected[1:3, 4:6] = 0
    expected[:, 35:] = 0
    np.testing.assert_array_equal(keep, expected)


def test_a_piece_of_many_thousand_pixels_is_walked_over(runner: Runner) -> None:
    keep = np.ones((300, 300), np.uint8)
    planes = np.full((300, 300, 3), 0.5, np.float32)
    state = State(planes, planes[..., 0] * 0, np.zeros((300, 300), np.uint8))
    remove_specks(state, keep, chances(pixel=np.float32(0.05)), smallest=90_001, runner=runner)
    assert not keep.any()
