"""The small picture of a cloud: what is seen where, whatever the points."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pointcloud_potree import thumbnail
from pointcloud_potree.inputs import ArrayPoints
from pointcloud_potree.perspective import View
from pointcloud_potree.thumbnail import SIZE, draw_thumbnail

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)
FROM_THE_SOUTH = View(position=(0, -10, 0), target=(0, 0, 0))
Positions = npt.NDArray[np.float64]


def wall(points: int, *, y: float = 0.0, side: float = 4.0, seed: int = 1) -> Positions:
    """Points at random on a square that stands up and faces south."""
    x, z = np.random.default_rng(seed).uniform(-side, side, (2, points))
    return np.column_stack([x, np.full(points, y), z])


def painted(positions: Positions, colour: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    return np.tile(np.array(colour, np.uint8), (len(positions), 1))


def draw(
    folder: Path, *parts: tuple[Positions, tuple[int, int, int]], view: View = FROM_THE_SOUTH
) -> npt.NDArray[np.int64]:
    """The picture's pixels (400, 640, 3)."""
    positions = np.concatenate([part for part, _ in parts])
    colours = np.concatenate([painted(part, colour) for part, colour in parts])
    draw_thumbnail(ArrayPoints.coloured(positions, colours), view, folder / "thumbnail.jpg")
    return np.asarray(Image.open(folder / "thumbnail.jpg"), np.int64)


def strongest(pixels: npt.NDArray[np.int64]) -> int:
    """The channel that is strongest on average."""
    return int(pixels.reshape(-1, 3).mean(axis=0).argmax())


def test_right_is_right_and_up_is_up(tmp_path: Path) -> None:
    east = wall(3000) * [0.5, 1, 1] + [2, 0, 0]
    west_above, west_below = (wall(3000) * 0.5 + [-2, 0, z] for z in (2, -2))
    pixels = draw(tmp_path, (east, RED), (west_above, GREEN), (west_below, BLUE))
    assert strongest(pixels[:, 400:440]) == 0
    assert strongest(pixels[100:150, 200:260]) == 1
    assert strongest(pixels[250:300, 200:260]) == 2


def test_the_nearer_hides_the_farther(tmp_path: Path) -> None:
    pixels = draw(tmp_path, (wall(20_000, y=-1), GREEN), (wall(5_000, y=3, seed=2), RED))
    middle = pixels[150:250, 270:370]
    assert (middle.argmax(axis=2) == 1).mean() > 0.95


@pytest.mark.parametrize("points", [5_000, 30_000, 1_500_000])
def test_a_surface_is_closed_however_many_points_it_has(tmp_path: Path, points: int) -> None:
    pixels = draw(tmp_path, (wall(points), RED))
    assert (pixels[60:340, 180:460].max(axis=2) > 100).mean() > 0.99


def test_the_cloud_fills_the_picture_and_strays_do_not_shrink_it(tmp_path: Path) -> None:
    strays = wall(20, side=5.5, seed=3)
    for view in (FROM_THE_SOUTH, View(position=(0, -14, 0), target=(0, 0, 0))):
        pixels = draw(tmp_path, (wall(10_000), RED), (strays, RED), view=view)
        lit = np.flatnonzero((pixels.max(axis=2) > 100).mean(axis=1) > 0.2)
        assert lit[-1] - lit[0] > 0.85 * SIZE[1]


def test_a_large_cloud_is_drawn_from_an_even_share_of_it() -> None:
    count = 2_100_000  # blocks of which are no multiple of the step
    positions = np.zeros((count, 3))
    positions[:, 0] = np.arange(count)
    positions[9] = np.nan
    places, colours = thumbnail._sample(ArrayPoints(positions, {"rgb": np.full((count, 3), 0x1234, "<u2")}))
    assert np.array_equal(places[:, 0], np.delete(np.arange(0, count, 3), 3))
    assert np.array_equal(np.unique(colours), [0x12])


def test_what_lies_around_is_as_dark_as_the_viewer_page(tmp_path: Path) -> None:
    pixels = draw(tmp_path, (wall(10_000), RED))
    assert pixels[5, 5] == pytest.approx((0x12, 0x16, 0x1C), abs=4)


def test_the_same_cloud_gives_the_same_bytes(tmp_path: Path) -> None:
    draw(tmp_path, (wall(10_000), RED))
    first = (tmp_path / "thumbnail.jpg").read_bytes()
    draw(tmp_path, (wall(10_000), RED))
    assert (tmp_path / "thumbnail.jpg").read_bytes() == first


@settings(max_examples=25, deadline=None)
@given(
    points=st.integers(1, 300),
    spread=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
    offset=st.sampled_from([0.0, 4.5e6]),
    flat=st.booleans(),
    up=st.sampled_from([(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)]),
    broken=st.booleans(),
)
def test_any_cloud_without_a_view_is_drawn(  # noqa: PLR0917 - what hypothesis draws
    tmp_path_factory: pytest.TempPathFactory,
    points: int,
    spread: float,
    offset: float,
    flat: bool,  # noqa: FBT001
    up: tuple[float, float, float],
    broken: bool,  # noqa: FBT001
) -> None:
    positions = np.random.default_rng(points).normal(offset, spread, (points + 1, 3))
    if flat:
        positions[:, 2] = offset
    if broken:
        positions[0] = np.nan
    pixels = draw(tmp_path_factory.mktemp("picture"), (positions, RED), view=View(up=up))
    assert pixels[..., 0].max() > 45  # more red than the background


@pytest.mark.parametrize(
    ("positions", "view", "message"),
    [
        (np.full((5, 3), np.nan), View(), "no point with finite coordinates"),
        (wall(100), View(position=(0, -10, 0), target=(0, -20, 0)), "no point is in sight"),
    ],
)
def test_nothing_to_be_seen_is_told(tmp_path: Path, positions: Positions, view: View, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_thumbnail(ArrayPoints.coloured(positions, painted(positions, RED)), view, tmp_path / "thumbnail.jpg")
