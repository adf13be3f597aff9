"""Pixels without texture amid what is flat: a plain square of one plane, and what must not be taken for one."""

from typing import Any

import numpy as np
import pytest

from pointcloud_colmap.dense.flat import Surroundings, fill_flat, find_fringes, surroundings
from pointcloud_colmap.dense.matching import BORROWED, FAINT, RADIUS, TEXTURED, WEAK, View, find_texture
from pointcloud_colmap.dense.threads import running_on

SIZE = 60
INSIDE = (slice(20, 40), slice(15, 45))
"""The pixels without texture."""
PIXEL = 0.01
W, GX, GY = 0.5, 0.002, -0.001


class Scene:
    """A plane that is known but for the inside."""

    def __init__(self) -> None:
        rows, columns = np.mgrid[:SIZE, :SIZE]
        self.truth = np.empty((SIZE, SIZE, 3), np.float32)
        self.truth[..., 0] = W + GX * columns + GY * rows
        self.truth[..., 1:] = GX, GY
        self.planes = self.truth.copy()
        self.planes[INSIDE] = 9.0
        self.texture = np.full((SIZE, SIZE), TEXTURED, np.uint8)
        self.texture[INSIDE] = WEAK
        self.keep = (self.texture == TEXTURED).astype(np.uint8)
        self.grey = np.full((SIZE, SIZE), 120, np.uint8)

    def fill(self, *, reach: int = SIZE, rows: int = SIZE) -> None:
        around = self.around(reach)
        for first in reversed(range(0, SIZE, rows)):
            fill_flat(around, first, min(first + rows, SIZE))

    def fringes(self) -> Any:
        """Where planes are another surface's: bool (SIZE, SIZE)."""
        found = np.empty((SIZE, SIZE), np.uint8)
        find_fringes(self.around(SIZE), found, 0, SIZE)
        return found != 0

    def around(self, reach: int) -> Surroundings:
        with running_on(1) as runner:
            return surroundings(self.grey, self.texture, self.planes, self.keep, np.float32(PIXEL), reach, runner)

    @property
    def filled(self) -> Any:
        return self.keep[INSIDE] != 0


@pytest.mark.parametrize("rows", [SIZE, 7])
def test_a_plane_goes_on_inside(rows: int) -> None:
    scene = Scene()
    scene.fill(rows=rows)
    assert scene.filled.all()
    np.testing.assert_allclose(scene.planes, scene.truth, atol=1e-5)


def test_noise_gives_way_to_the_plane() -> None:
    scene = Scene()
    scene.keep[INSIDE] = 1
    scene.fill()
    np.testing.assert_allclose(scene.planes, scene.truth, atol=1e-5)


def test_an_edge_whose_depth_is_unknown_is_passed_over() -> None:
    scene = Scene()
    scene.keep[17:43, 12:48] = 0
    scene.fill()
    assert scene.filled.all()
    np.testing.assert_allclose(scene.planes[INSIDE], scene.truth[INSIDE], atol=1e-5)


def test_faint_texture_keeps_its_plane_where_it_has_one() -> None:
    scene = Scene()
    scene.texture[INSIDE] = FAINT
    scene.keep[20:40, 15:30] = 1
    scene.fill()
    assert (scene.planes[20:40, 15:30] == 9.0).all()
    np.testing.assert_allclose(scene.planes[20:40, 30:45], scene.truth[20:40, 30:45], atol=1e-5)


def test_what_looks_different_is_another_surface() -> None:
    scene = Scene()
    scene.grey[INSIDE] = 200
    scene.fill()
    assert not scene.filled.any()


def test_a_saddle_is_not_flat() -> None:
    scene = Scene()
    rows, columns = np.mgrid[:SIZE, :SIZE]
    scene.planes[..., 0] = W + 0.1 * PIXEL * ((columns - 30.0) ** 2 - (rows - 30.0) ** 2)
    before = scene.planes.copy()
    scene.fill()
    assert scene.filled.mean() < 0.2
    np.testing.assert_array_equal(scene.planes[scene.keep == 0], before[scene.keep == 0])


def test_two_depths_around_are_not_one_plane() -> None:
    scene = Scene()
    scene.planes[:, :30, 0] = 0.2
    scene.planes[:20, :, 0] = 0.8
    scene.fill()
    assert scene.filled.mean() < 0.2


def test_one_looks_no_farther_than_told() -> None:
    scene = Scene()
    scene.fill(reach=4)
    assert not scene.filled[6:-6, 6:-6].any()


def test_nothing_is_known_beyond_the_picture() -> None:
    scene = Scene()
    scene.texture[:] = WEAK
    scene.keep[:] = 0
    scene.fill()
    assert not scene.keep.any()


def tower(*, sky: int) -> Scene:
    """One of dark stone, from column 25 on, before a sky, with a fringe that has its depth."""
    scene = Scene()
    scene.texture[:] = WEAK
    scene.keep[:] = 0
    scene.grey[:] = sky
    scene.texture[:, 20:25] = BORROWED
    scene.texture[:, 25:] = TEXTURED
    scene.keep[:, 20:] = 1
    scene.grey[:, 25:] = 60
    return scene


def test_a_tower_has_no_fringe_of_sky() -> None:
    scene = tower(sky=200)
    fringes = scene.fringes()
    assert fringes[:, 20:25].all()
    assert not fringes[:, 25:].any()


def test_beside_a_door_a_plain_wall_has_depth() -> None:
    """It ends on all sides at edges that are in its plane."""
    scene = Scene()
    scene.planes[INSIDE] = scene.truth[INSIDE]
    scene.grey[INSIDE] = 200
    inner = (slice(24, 36), slice(19, 41))
    scene.texture[INSIDE], scene.keep[INSIDE] = BORROWED, 1
    scene.texture[inner], scene.keep[inner] = WEAK, 0
    ring = np.zeros((SIZE, SIZE), bool)
    ring[21:39, 16:44] = True  # the outermost has nothing on one side
    ring[inner] = False
    assert not scene.fringes()[ring].any()
    scene.planes[22, 30, 0] += 5 * PIXEL
    assert scene.fringes()[22, 30], "this one is not in its plane"


def test_a_fringe_as_textured_as_the_wall_behind_it_is_none() -> None:
    scene = tower(sky=200)
    scene.texture[scene.texture == BORROWED] = TEXTURED
    assert not scene.fringes().any()


def test_texture_may_be_that_of_an_edge_alone() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((40, 80), 200.0)
    grey[:, 40:] = 100 + rng.normal(0, 20, (40, 40))
    grey = np.clip(grey + rng.normal(0, 1, grey.shape), 0, 255).astype(np.uint8)
    texture = told_texture(grey)
    assert (texture[:, 41 - RADIUS : 40] == BORROWED).mean() > 0.9
    assert (texture[:, 40:] == TEXTURED).mean() > 0.9


def test_texture_is_told_by_the_window() -> None:
    rng = np.random.default_rng(0)
    grey = np.full((40, 80), 128.0)
    grey[:, 40:] += rng.normal(0, 20, (40, 40))
    grey = np.clip(grey + rng.normal(0, 1, grey.shape), 0, 255).astype(np.uint8)
    texture = told_texture(grey)
    assert (texture[:, : 40 - RADIUS] == WEAK).all()
    assert (texture[:, 40 + RADIUS :] == TEXTURED).mean() > 0.9


def told_texture(grey: Any) -> Any:
    """What `find_texture` says of all pixels."""
    view = View(
        np.pad(grey, RADIUS, mode="edge"),
        np.ones(grey.shape, np.uint8),
        np.ones(2, np.float32),
        np.zeros(2, np.float32),
    )
    texture = np.empty(grey.shape, np.uint8)
    find_texture(view, texture, 0, len(grey))
    return texture
