"""Points that fusion has written are read, moved and written whole, without being held in memory."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray

from pointcloud_colmap.dense_cloud import DenseCloud
from pointcloud_potree.inputs import open_points
from tests.fixtures.clouds import read_whole

RANDOM = np.random.default_rng(3)


def fused(folder: Path, *, count: int) -> tuple[Path, NDArray[np.float32]]:
    """A file as fusion writes it, and its positions and normals (count, 6)."""
    numbers = RANDOM.normal(size=(count, 6)).astype("<f4")
    numbers[:, 3:] /= np.linalg.norm(numbers[:, 3:], axis=1, keepdims=True)
    colours = RANDOM.integers(0, 256, (count, 3), np.uint8)
    views = RANDOM.integers(3, 9, count).astype("<u2")
    rows = b"".join(n.tobytes() + c.tobytes() + v.tobytes() for n, c, v in zip(numbers, colours, views, strict=True))
    file = folder / "fused"
    file.write_bytes(rows)
    return file, numbers


@pytest.mark.parametrize("count", [0, 1, 300_000])
def test_points_come_out_as_they_went_in(tmp_path: Path, count: int) -> None:
    file, numbers = fused(tmp_path, count=count)
    rows = file.read_bytes()
    cloud = DenseCloud.mapped(file)
    assert len(cloud) == len(cloud.positions) == len(cloud.colours) == count
    assert (cloud.positions[:] == numbers[:, :3]).all()
    file.unlink()
    cloud.write(tmp_path / "points.ply")
    assert (tmp_path / "points.ply").read_bytes().endswith(b"end_header\n" + rows)
    read = read_whole(open_points(tmp_path / "points.ply"))
    assert (read.positions == numbers[:, :3]).all()
    assert (read.attributes["rgb"] >> 8 == cloud.colours[:]).all()


def test_rows_are_given_as_they_are_asked_for(tmp_path: Path) -> None:
    file, numbers = fused(tmp_path, count=10)
    cloud = DenseCloud.mapped(file)
    assert (cloud.positions[2:8:3] == numbers[2:8:3, :3]).all()
    assert (cloud.colours[7:].tobytes()) == b"".join(row.tobytes()[24:27] for row in cloud.vertices[7:])


def test_points_move_and_normals_turn_as_the_model_does(tmp_path: Path) -> None:
    file, numbers = fused(tmp_path, count=300_000)
    cloud = DenseCloud.mapped(file)
    turn = pycolmap.Rotation3d(np.array([0.1, 0.7, -0.2, 0.6]) / np.linalg.norm([0.1, 0.7, -0.2, 0.6]))
    moved = pycolmap.Sim3d(7.5, turn, np.array([100.0, -20.0, 3.0]))
    cloud.transform(moved)
    np.testing.assert_allclose(cloud.positions[:], moved * numbers[:, :3].astype(float), rtol=0, atol=1e-4)
    normals = np.column_stack([cloud.vertices[name] for name in ("nx", "ny", "nz")])
    np.testing.assert_allclose(normals, numbers[:, 3:] @ turn.matrix().T, rtol=0, atol=1e-6)
