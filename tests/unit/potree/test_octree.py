"""The octree as a whole: what goes in comes out, once, whatever the points."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.resource import Encoding
from pointcloud_potree.branches import LEAF_CAPACITY
from pointcloud_potree.inputs import ArrayPoints
from pointcloud_potree.octree import FILES, write_octree
from pointcloud_potree.plan import CHUNK_POINTS
from pointcloud_potree.points import BLOCK_POINTS
from pointcloud_potree.reader import Octree
from pointcloud_potree.sampling import Sampling
from pointcloud_potree.verifier import fingerprint, verify_octree
from tests.fixtures.octrees import StoredOctree, read_octree

Positions = npt.NDArray[np.float64]
Shape = Literal["plane", "ball", "clusters"]


def make_positions(*, points: int, seed: int, shape: Shape = "plane", offset: float = 0.0) -> Positions:
    rng = np.random.default_rng(seed)
    positions = rng.random((points, 3)) * 100
    if shape == "plane":
        positions[:, 2] = 50 + rng.normal(0, 0.01, points)
    if shape == "clusters":  # ever denser towards one corner, which makes a deep tree
        positions *= 0.5 ** rng.integers(0, 14, (points, 1))
    return positions + offset


def make_cloud(*, points: int, seed: int, shape: Shape = "plane", offset: float = 0.0) -> ArrayPoints:
    colours = np.random.default_rng(seed).integers(0, 256, (points, 3), dtype=np.uint8)
    return ArrayPoints.coloured(make_positions(points=points, seed=seed, shape=shape, offset=offset), colours)


def make_survey(*, points: int, seed: int) -> ArrayPoints:
    """A cloud as a LiDAR gives it, with attributes of every size and none of them a colour."""
    rng = np.random.default_rng(seed)
    return ArrayPoints(
        make_positions(points=points, seed=seed, shape="ball"),
        {
            "intensity": rng.integers(0, 2**16, points, dtype=np.uint16),
            "classification": rng.integers(0, 20, points, dtype=np.uint8),
            "gps-time": rng.random(points) * 1e9,
            "NormalX": rng.normal(size=points).astype(np.float32),
            "scan angle": rng.integers(-90, 90, points, dtype=np.int8),
            "point source id": rng.integers(0, 2**32, points, dtype=np.uint32),
        },
    )


def table(quanta: npt.NDArray[np.int64], values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """All points with all they have, a row each, sorted."""
    rows = np.column_stack([quanta, *(column.astype(np.float64) for column in values.values())])
    return rows[np.lexsort(rows.T)]


def assert_holds(octree: StoredOctree, cloud: ArrayPoints) -> None:
    """Every point once, within half a quantum of its place."""
    offset, quantum = np.array(octree.metadata["offset"]), octree.metadata["scale"][0]
    quanta = np.rint((cloud.positions - offset) / quantum).astype(np.int64)
    assert np.abs(octree.positions(quanta) - cloud.positions).max() <= quantum * 0.5 + np.spacing(
        np.abs(cloud.positions).max()
    )
    stored = {attribute.name: octree.values(attribute.name) for attribute in cloud.attributes}
    assert np.array_equal(table(quanta, cloud.values), table(octree.quanta, stored))
    assert octree.metadata["points"] == len(quanta)


def assert_well_formed(folder: Path, octree: StoredOctree) -> None:
    """Each node's points in its cube, octree.bin without gaps, no node for nothing."""
    side = octree.cube_quanta
    for node in octree.nodes:
        low = np.zeros(3, np.int64)
        for depth, digit in enumerate(node.name[1:], start=1):
            low += (side >> depth) * (int(digit) >> np.array([2, 1, 0]) & 1)
        assert ((node.quanta >= low) & (node.quanta < low + (side >> node.level))).all()
        assert len(node) > 0 or not node.leaf
    used = sorted((node.offset, node.size) for node in octree.nodes if node.size)
    assert [start for start, _ in used] == [0, *np.cumsum([size for _, size in used])[:-1].tolist()]
    assert sum(used[-1]) == (folder / "octree.bin").stat().st_size
    assert len({node.name for node in octree.nodes}) == len(octree.nodes)


clouds = st.builds(
    make_cloud,
    points=st.sampled_from([2, 100, LEAF_CAPACITY, LEAF_CAPACITY + 1, 3 * LEAF_CAPACITY]),
    seed=st.integers(0, 2**32),
    shape=st.sampled_from(["plane", "ball", "clusters"]),
    offset=st.sampled_from([0.0, -1e3, 4.5e6]),
)


@settings(max_examples=25, deadline=None)
@given(
    cloud=clouds | st.builds(make_survey, points=st.sampled_from([3, 30_000]), seed=st.integers(0, 99)),
    encoding=st.sampled_from(Encoding),
    sampling=st.sampled_from(Sampling),
)
def test_every_point_is_stored_once_with_all_it_has(
    tmp_path_factory: pytest.TempPathFactory, cloud: ArrayPoints, encoding: Encoding, sampling: Sampling
) -> None:
    folder = tmp_path_factory.mktemp("octree")
    summary = write_octree(cloud, folder, encoding=encoding, sampling=sampling, threads=2)
    octree = read_octree(folder)
    assert_holds(octree, cloud)
    assert_well_formed(folder, octree)
    assert (summary.points, summary.nodes) == (cloud.count, len(octree.nodes))
    assert summary.depth == octree.metadata["hierarchy"]["depth"] == max(node.level for node in octree.nodes)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_cloud_of_many_chunks_is_verified(tmp_path: Path, encoding: Encoding) -> None:
    cloud = make_cloud(points=3 * CHUNK_POINTS, seed=2)
    summary = write_octree(cloud, tmp_path, encoding=encoding, threads=2)
    octree = read_octree(tmp_path)
    assert_holds(octree, cloud)
    assert_well_formed(tmp_path, octree)
    assert verify_octree(tmp_path, fingerprint(Octree(tmp_path), cloud)) == summary.nodes


def test_positions_alone_are_a_cloud(tmp_path: Path) -> None:
    cloud = ArrayPoints(make_positions(points=20_000, seed=1))
    for encoding in Encoding:
        write_octree(cloud, tmp_path, encoding=encoding)
        octree = read_octree(tmp_path)
        assert [attribute["name"] for attribute in octree.metadata["attributes"]] == ["position"]
        assert_holds(octree, cloud)


def test_metadata_tells_what_attributes_range_over(tmp_path: Path) -> None:
    cloud = make_survey(points=BLOCK_POINTS + 5, seed=4)
    cloud.values["gps-time"][[0, -1]] = -1, 2e9
    cloud.values["NormalX"][:] += 10
    cloud.values["NormalX"][5] = np.nan
    write_octree(cloud, tmp_path)
    told = {attribute["name"]: attribute for attribute in read_octree(tmp_path).metadata["attributes"]}
    for name in ("intensity", "classification", "gps-time", "scan angle", "point source id"):
        values = cloud.values[name]
        assert (told[name]["min"], told[name]["max"]) == ([values.min()], [values.max()])
        assert told[name]["size"] == values.itemsize
    assert told["NormalX"]["min"] == [np.nanmin(cloud.values["NormalX"])] > [1]
    assert told["classification"]["histogram"] == np.bincount(cloud.values["classification"], minlength=256).tolist()
    unsigned = cloud.values["scan angle"].view(np.uint8)
    assert told["scan angle"]["histogram"] == np.bincount(unsigned, minlength=256).tolist()
    assert "histogram" not in told["intensity"]


@settings(max_examples=10, deadline=None)
@given(cloud=clouds)
def test_leaves_are_small(tmp_path_factory: pytest.TempPathFactory, cloud: ArrayPoints) -> None:
    folder = tmp_path_factory.mktemp("octree")
    write_octree(cloud, folder, encoding=Encoding.UNCOMPRESSED)
    assert max(len(node) for node in read_octree(folder).nodes if node.leaf) <= LEAF_CAPACITY


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("shape", ["plane", "clusters"])
def test_neither_threads_nor_memory_change_a_byte(tmp_path: Path, encoding: Encoding, shape: Shape) -> None:
    cloud = make_cloud(points=2_500_000 if shape == "plane" else 60_000, seed=3, shape=shape)
    for number, (threads, memory) in enumerate([(2, 8 << 30), (1, 8 << 30), (7, 1), (2, 1)]):
        write_octree(cloud, tmp_path / str(number), encoding=encoding, threads=threads, memory=memory)
    for file in FILES:
        assert len({(tmp_path / str(number) / file).read_bytes() for number in range(4)}) == 1


def test_nothing_but_the_octree_is_left(tmp_path: Path) -> None:
    write_octree(make_cloud(points=2_000_000, seed=3), tmp_path / "octree", memory=1, scratch=tmp_path)
    assert sorted(file.name for file in (tmp_path / "octree").iterdir()) == sorted(FILES)
    assert [file.name for file in tmp_path.iterdir()] == ["octree"]


def test_both_encodings_hold_the_same_points(tmp_path: Path) -> None:
    cloud = make_cloud(points=30_000, seed=4, shape="ball")
    for encoding in Encoding:
        write_octree(cloud, tmp_path / encoding, encoding=encoding)
    plain, packed = read_octree(tmp_path / "uncompressed"), read_octree(tmp_path / "brotli")
    assert [node.name for node in plain.nodes] == [node.name for node in packed.nodes]
    assert np.array_equal(plain.quanta, packed.quanta)
    assert np.array_equal(plain.values("rgb"), packed.values("rgb"))
    assert (tmp_path / "brotli/octree.bin").stat().st_size < (tmp_path / "uncompressed/octree.bin").stat().st_size


def test_one_point_is_an_octree(tmp_path: Path) -> None:
    cloud = ArrayPoints.coloured(np.array([[4.0, 5.0, 6.0]]), np.array([[1, 2, 3]], np.uint8))
    assert write_octree(cloud, tmp_path).nodes == 1
    octree = read_octree(tmp_path)
    assert octree.positions(octree.quanta).tolist() == [[4.0, 5.0, 6.0]]
    assert octree.values("rgb").tolist() == [[256, 512, 768]]


def test_many_points_at_one_place_are_one_leaf(tmp_path: Path) -> None:
    positions = np.full((2 * LEAF_CAPACITY, 3), 7.25)
    positions[0] = 1
    write_octree(ArrayPoints(positions), tmp_path)
    octree = read_octree(tmp_path)
    assert_holds(octree, ArrayPoints(positions))
    assert max(len(node) for node in octree.nodes if node.leaf) > LEAF_CAPACITY


def test_a_leaf_whose_only_point_is_shown_by_the_root_is_left_out(tmp_path: Path) -> None:
    cloud = make_cloud(points=LEAF_CAPACITY + 1, seed=9, shape="ball")
    cloud.positions[:] *= 0.4
    cloud.positions[0] = 100
    write_octree(cloud, tmp_path)
    nodes = read_octree(tmp_path).nodes
    assert len(nodes) > 1
    assert "r7" not in [node.name for node in nodes]


def test_a_far_outlier_costs_the_rest_no_detail(tmp_path: Path) -> None:
    cloud = make_cloud(points=150_000, seed=6)
    cloud.positions[123] = 1e5
    for encoding in Encoding:
        write_octree(cloud, tmp_path, encoding=encoding)
        octree = read_octree(tmp_path)
        assert octree.metadata["scale"][0] < 100 / 2**17
        assert max(len(node) for node in octree.nodes if node.leaf) <= LEAF_CAPACITY
        assert_holds(octree, cloud)


def test_the_scale_that_is_asked_for_is_kept_to(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    steps = rng.integers(0, 3_000_000, (20_000, 3)).astype(np.float64)
    cloud = ArrayPoints(4.5e6 + steps * 0.001)
    write_octree(cloud, tmp_path, scale=0.001)
    octree = read_octree(tmp_path)
    assert octree.metadata["scale"] == [0.001] * 3
    assert np.abs(octree.positions(octree.quanta).max(axis=0) - cloud.positions.max(axis=0)).max() < 1e-6
    assert_holds(octree, cloud)


def test_points_that_are_not_numbers_are_dropped_and_counted(tmp_path: Path) -> None:
    cloud = make_cloud(points=1000, seed=7)
    cloud.positions[10, 0], cloud.positions[20, 1], cloud.positions[30, 2] = np.nan, np.inf, -np.inf
    good = np.isfinite(cloud.positions).all(axis=1)
    for memory in (1, 8 << 30):
        summary = write_octree(cloud, tmp_path, memory=memory)
        assert (summary.points, summary.dropped) == (997, 3)
        assert_holds(read_octree(tmp_path), ArrayPoints(cloud.positions[good], {"rgb": cloud.values["rgb"][good]}))


def test_a_cloud_with_hardly_a_number_is_an_octree_of_the_rest(tmp_path: Path) -> None:
    positions = np.full((1_000_000, 3), np.nan)
    positions[777_777] = 1
    positions[888_888] = 2
    for memory in (1, 8 << 30):
        summary = write_octree(ArrayPoints(positions), tmp_path, memory=memory)
        assert (summary.points, summary.dropped) == (2, 999_998)


def test_an_attribute_without_a_number_ranges_over_nothing(tmp_path: Path) -> None:
    cloud = ArrayPoints(make_positions(points=100, seed=1), {"NormalX": np.full(100, np.nan, np.float32)})
    write_octree(cloud, tmp_path)
    told = read_octree(tmp_path).metadata["attributes"][1]
    assert (told["min"], told["max"]) == ([0], [0])


def test_progress_tells_each_step_and_ends_complete(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    write_octree(
        make_cloud(points=30_000, seed=8),
        tmp_path,
        progress=lambda step, done, total: told.append((step, done, total)),
    )
    assert list(dict.fromkeys(step for step, _, _ in told)) == ["read", "sort", "encode"]
    assert told[-1] == ("encode", 30_000, 30_000)
