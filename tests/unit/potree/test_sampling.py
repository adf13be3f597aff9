"""What a node shows: evenly spaced, and as many as its spacing has room for."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from pointcloud_api.resource import Encoding
from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.octree import write_octree
from pointcloud_potree.plan import CHUNK_POINTS
from pointcloud_potree.sampling import Sampling
from tests.fixtures.octrees import StoredNode, StoredOctree, read_octree

Positions = npt.NDArray[np.float64]


def surface(points: int, *, seed: int = 1) -> Positions:
    """A hilly surface of 100 x 100, a little rough."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, points)) * 100
    return np.column_stack([x, y, 50 + 4 * np.sin(x / 9) * np.cos(y / 13) + rng.normal(0, 0.02, points)])


def convert(folder: Path, positions: Positions, sampling: Sampling) -> StoredOctree:
    write_octree(ArrayPoints(positions), folder, encoding=Encoding.UNCOMPRESSED, sampling=sampling)
    return read_octree(folder)


def nearest_neighbours(points: Positions) -> Positions:
    """The distance of each point to the nearest other one."""
    return np.asarray(cKDTree(points).query(points, k=2)[0][:, 1])


def spacing_of(octree: StoredOctree, node: StoredNode) -> float:
    """In quanta."""
    return (octree.cube_quanta >> node.level) / 128


def shown_inside(octree: StoredOctree, node: StoredNode) -> Positions:
    """What a viewer shows of a node's cube that has loaded it: its own points and those of its ancestors, in quanta."""
    shown = np.concatenate([other.quanta for other in octree.nodes if node.name.startswith(other.name)])
    side = octree.cube_quanta >> node.level
    return np.asarray(shown[(shown // side == node.quanta[0] // side).all(axis=1)], np.float64)


MANY_CHUNKS = 5 * CHUNK_POINTS
"""Of a surface, so many that the nodes of two levels are made where branches meet."""


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), points=st.sampled_from([15_000, 60_000]))
@example(seed=1, points=MANY_CHUNKS)
def test_no_two_points_shown_in_a_nodes_cube_are_nearer_than_its_spacing(
    tmp_path_factory: pytest.TempPathFactory, seed: int, points: int
) -> None:
    octree = convert(tmp_path_factory.mktemp("octree"), surface(points, seed=seed), Sampling.POISSON)
    inner = [node for node in octree.nodes if not node.leaf and len(node)]
    for node in inner:
        shown = shown_inside(octree, node)
        assert nearest_neighbours(shown).min() >= spacing_of(octree, node), node.name
    assert inner


@pytest.mark.parametrize("points", [60_000, MANY_CHUNKS])
def test_no_point_that_could_be_added_is_left_out(tmp_path: Path, points: int) -> None:
    octree = convert(tmp_path, surface(points), Sampling.POISSON)
    inner = {node.name: node for node in octree.nodes if not node.leaf and len(node)}
    # A node chose among what it shows and what its children still store.
    for child in octree.nodes[1:]:
        if (node := inner.get(child.name[:-1])) and len(child):
            gaps = cKDTree(shown_inside(octree, node)).query(child.quanta)[0]
            assert gaps.max() < spacing_of(octree, node), child.name


def test_spacing_is_a_128th_of_the_cube(tmp_path: Path) -> None:
    octree = convert(tmp_path, surface(20_000), Sampling.POISSON)
    box = octree.metadata["boundingBox"]
    assert octree.metadata["spacing"] == pytest.approx((box["max"][0] - box["min"][0]) / 128)


def test_poisson_is_even_where_random_is_not(tmp_path: Path) -> None:
    positions = surface(300_000)
    variation = {}
    for sampling in Sampling:
        octree = convert(tmp_path / sampling, positions, sampling)
        apart = nearest_neighbours(octree.positions(octree.nodes[0].quanta))
        variation[sampling] = apart.std() / apart.mean()
    # Points at random on a plane have 0.52.
    assert variation[Sampling.POISSON] < 0.12
    assert 0.3 < variation[Sampling.RANDOM] < 0.5


def test_random_shows_one_point_a_cell(tmp_path: Path) -> None:
    octree = convert(tmp_path, surface(60_000), Sampling.RANDOM)
    for node in octree.nodes:
        if not node.leaf:
            cells = node.quanta // (octree.cube_quanta >> (node.level + 7))
            assert len(np.unique(cells, axis=0)) == len(node)
