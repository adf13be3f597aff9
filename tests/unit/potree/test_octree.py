"""The octree as a whole: what goes in comes out, once, whatever the points."""

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.resource import Encoding
from pointcloud_potree.grid import UnusableCloudError
from pointcloud_potree.nodes import LEAF_CAPACITY
from pointcloud_potree.octree import FILES, write_octree
from pointcloud_potree.reader import Node, Octree, fingerprint, verify_octree

Positions = npt.NDArray[np.float64]
Colours = npt.NDArray[np.uint8]
Cloud = tuple[Positions, Colours]


def make_cloud(
    *, points: int, seed: int, shape: Literal["plane", "ball", "clusters"] = "plane", offset: float = 0.0
) -> Cloud:
    rng = np.random.default_rng(seed)
    positions = rng.random((points, 3)) * 100
    if shape == "plane":
        positions[:, 2] = 50 + rng.normal(0, 0.01, points)
    if shape == "clusters":  # ever denser towards one corner, which makes a deep tree
        positions *= 0.5 ** rng.integers(0, 14, (points, 1))
    return positions + offset, rng.integers(0, 256, (points, 3), dtype=np.uint8)


def read_all(folder: Path) -> tuple[Octree, list[Node], Positions, Colours]:
    octree = Octree(folder)
    nodes = list(octree.nodes())
    with (folder / "octree.bin").open("rb") as file:
        parts = [octree.read(node, file) for node in nodes if node.num_points]
    quanta, colours = (np.concatenate(column) for column in zip(*parts, strict=True))
    return octree, nodes, octree.positions(quanta), colours


def sorted_rows(positions: Positions, colours: Colours) -> npt.NDArray[np.float64]:
    rows = np.column_stack([positions, colours])
    return rows[np.lexsort(rows.T)]


clouds = st.builds(
    make_cloud,
    points=st.sampled_from([1, 2, 100, LEAF_CAPACITY, LEAF_CAPACITY + 1, 3 * LEAF_CAPACITY]),
    seed=st.integers(0, 2**32),
    shape=st.sampled_from(["plane", "ball", "clusters"]),
    offset=st.sampled_from([0.0, -1e3, 4.5e6]),
)


@settings(max_examples=25, deadline=None)
@given(cloud=clouds, encoding=st.sampled_from(Encoding))
def test_every_point_is_stored_once_within_half_a_quantum(
    tmp_path_factory: pytest.TempPathFactory, cloud: Cloud, encoding: Encoding
) -> None:
    folder = tmp_path_factory.mktemp("octree")
    summary = write_octree(*cloud, folder, encoding=encoding, threads=2)

    octree, nodes, positions, colours = read_all(folder)
    quantum = octree.metadata.scale[0]
    # Snapped to the grid both sides sort alike; then each point lies within half a quantum of its own.
    snapped = octree.positions(np.rint((cloud[0] - octree.metadata.offset) / quantum).astype(np.int64))
    assert np.array_equal(sorted_rows(snapped, cloud[1]), sorted_rows(positions, colours))
    assert np.abs(snapped - cloud[0]).max() <= quantum * 0.5 + np.spacing(np.abs(cloud[0]).max())
    assert verify_octree(folder, fingerprint(octree, *cloud)) == summary.nodes == len(nodes)
    assert summary.points == octree.metadata.points == len(cloud[0])


@settings(max_examples=10, deadline=None)
@given(cloud=clouds)
def test_leaves_are_small_and_inner_nodes_show_one_point_a_cell(
    tmp_path_factory: pytest.TempPathFactory, cloud: Cloud
) -> None:
    folder = tmp_path_factory.mktemp("octree")
    write_octree(*cloud, folder, encoding=Encoding.UNCOMPRESSED)

    octree = Octree(folder)
    side = octree.metadata.bounding_box.max[0] - octree.metadata.bounding_box.min[0]
    quanta_a_side = round(side / octree.metadata.scale[0])
    with (folder / "octree.bin").open("rb") as file:
        for node in octree.nodes():
            if node.is_leaf:
                assert node.num_points <= LEAF_CAPACITY
                continue
            quanta, _ = octree.read(node, file)
            cells = quanta // max(1, quanta_a_side >> (node.level + 7))
            assert len(np.unique(cells, axis=0)) == node.num_points


def test_points_of_an_inner_node_are_spaced_more_evenly_than_at_random(tmp_path: Path) -> None:
    positions, colours = make_cloud(points=300_000, seed=5)
    write_octree(positions, colours, tmp_path, encoding=Encoding.UNCOMPRESSED)

    octree = Octree(tmp_path)
    with (tmp_path / "octree.bin").open("rb") as file:
        root = next(octree.nodes())
        shown = octree.positions(octree.read(root, file)[0])[:, :2]
    cell = octree.metadata.spacing
    per_cell = np.unique(np.floor((positions[:, :2] - octree.metadata.offset[:2]) / cell), axis=0)
    inside = (shown - octree.metadata.offset[:2]) / cell % 1
    assert len(shown) >= 0.95 * len(per_cell)
    # At random the mean distance from a square cell's centre is 0.38 of its side.
    assert np.hypot(*(inside - 0.5).T).mean() < 0.2


@pytest.mark.parametrize("encoding", Encoding)
def test_the_same_points_give_the_same_bytes_on_any_number_of_threads(tmp_path: Path, encoding: Encoding) -> None:
    cloud = make_cloud(points=60_000, seed=3, shape="clusters")
    for threads in (1, 2, 7):
        write_octree(*cloud, tmp_path / str(threads), encoding=encoding, threads=threads)
    for file in FILES:
        assert len({(tmp_path / threads / file).read_bytes() for threads in "127"}) == 1


def test_both_encodings_hold_the_same_points(tmp_path: Path) -> None:
    cloud = make_cloud(points=30_000, seed=4, shape="ball")
    for encoding in Encoding:
        write_octree(*cloud, tmp_path / encoding, encoding=encoding)
    plain, packed = read_all(tmp_path / "uncompressed"), read_all(tmp_path / "brotli")
    assert [node.name for node in plain[1]] == [node.name for node in packed[1]]
    assert np.array_equal(plain[2], packed[2])
    assert np.array_equal(plain[3], packed[3])
    assert (tmp_path / "brotli/octree.bin").stat().st_size < (tmp_path / "uncompressed/octree.bin").stat().st_size


def test_identical_points_are_one_leaf(tmp_path: Path) -> None:
    count = 2 * LEAF_CAPACITY
    positions = np.full((count, 3), 7.25)
    summary = write_octree(positions, np.zeros((count, 3), np.uint8), tmp_path)
    assert (summary.points, summary.nodes) == (count, 1)
    assert np.array_equal(read_all(tmp_path)[2], positions)


def test_a_leaf_whose_only_point_is_shown_by_the_root_is_left_out(tmp_path: Path) -> None:
    positions, colours = make_cloud(points=LEAF_CAPACITY + 1, seed=9, shape="ball")
    positions *= 0.4
    positions[0] = 100
    write_octree(positions, colours, tmp_path)
    _, nodes, _, _ = read_all(tmp_path)
    assert "r7" not in [node.name for node in nodes]
    assert all(node.num_points > 0 for node in nodes if node.is_leaf)


def test_a_far_outlier_costs_the_rest_no_detail(tmp_path: Path) -> None:
    positions, colours = make_cloud(points=50_000, seed=6)
    positions[123] = 1e5
    write_octree(positions, colours, tmp_path)
    octree, nodes, _, _ = read_all(tmp_path)
    assert octree.metadata.scale[0] < 100 / 2**17
    assert max(node.num_points for node in nodes if node.is_leaf) <= LEAF_CAPACITY


def test_points_that_are_not_numbers_are_dropped_and_counted(tmp_path: Path) -> None:
    positions, colours = make_cloud(points=1000, seed=7)
    positions[10, 0], positions[20, 1], positions[30, 2] = np.nan, np.inf, -np.inf
    summary = write_octree(positions, colours, tmp_path)
    assert (summary.points, summary.dropped) == (997, 3)
    assert verify_octree(tmp_path, fingerprint(Octree(tmp_path), positions, colours)) == summary.nodes


@pytest.mark.parametrize("count", [0, 5])
def test_no_point_left_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UnusableCloudError, match="nothing to show"):
        write_octree(np.full((count, 3), np.nan), np.zeros((count, 3), np.uint8), tmp_path)


def test_an_extent_beyond_all_numbers_is_refused(tmp_path: Path) -> None:
    positions = np.array([[-1.7e308, 0, 0], [1.7e308, 0, 0]])
    with pytest.raises(UnusableCloudError, match="remove the outliers"):
        write_octree(positions, np.zeros((2, 3), np.uint8), tmp_path)


def test_progress_tells_each_step_and_ends_complete(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_octree(
        *make_cloud(points=30_000, seed=8),
        tmp_path,
        progress=lambda step, done, total: told.append((step, done, total)),
    )
    assert list(dict.fromkeys(step for step, _, _ in told)) == ["sort", "sample", "encode"]
    assert told[-1] == ("encode", 30_000, 30_000)
