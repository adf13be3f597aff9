"""What COLMAP's fusion writes is read, moved and written whole, and anything else is refused."""

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray

from pointcloud_colmap.dense_cloud import DenseCloud
from pointcloud_potree.ply import read_ply

HEADER = (
    "ply\nformat binary_little_endian 1.0\nelement vertex {count}\n"
    + "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    + "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    + "end_header\n"
)
RANDOM = np.random.default_rng(3)


def fused(folder: Path, *, count: int, header: str = HEADER) -> tuple[Path, NDArray[np.float32], list[int]]:
    """A file as COLMAP 4.2.1 writes it, its positions and normals (count, 6), and the views a point."""
    numbers = RANDOM.normal(size=(count, 6)).astype("<f4")
    numbers[:, 3:] /= np.linalg.norm(numbers[:, 3:], axis=1, keepdims=True)
    colours = RANDOM.integers(0, 256, (count, 3), np.uint8)
    rows = b"".join(n.tobytes() + c.tobytes() for n, c in zip(numbers, colours, strict=True))
    file = folder / "fused.ply"
    file.write_bytes(header.format(count=count).encode() + rows)
    views = RANDOM.integers(1, 9, count).tolist()
    seen = [np.array([number, *range(number)], "<u4").tobytes() for number in views]
    file.with_name("fused.ply.vis").write_bytes(np.array([count], "<u8").tobytes() + b"".join(seen))
    return file, numbers, views


@pytest.mark.parametrize("count", [0, 1, 300_000])
def test_points_come_out_as_they_went_in(tmp_path: Path, count: int) -> None:
    file, numbers, views = fused(tmp_path, count=count)
    cloud = DenseCloud.read(file)
    assert len(cloud) == count
    assert (cloud.positions == numbers[:, :3]).all()
    assert cloud.vertices["views"].tolist() == views
    cloud.write(tmp_path / "points.ply")
    positions, colours = read_ply(tmp_path / "points.ply")
    assert (positions == numbers[:, :3]).all()
    assert (colours == cloud.colours).all()


def test_points_move_and_normals_turn_as_the_model_does(tmp_path: Path) -> None:
    file, numbers, _ = fused(tmp_path, count=300_000)
    cloud = DenseCloud.read(file)
    turn = pycolmap.Rotation3d(np.array([0.1, 0.7, -0.2, 0.6]) / np.linalg.norm([0.1, 0.7, -0.2, 0.6]))
    moved = pycolmap.Sim3d(7.5, turn, np.array([100.0, -20.0, 3.0]))
    cloud.transform(moved)
    assert cloud.positions == pytest.approx(moved * numbers[:, :3].astype(float), abs=1e-4)
    normals = np.column_stack([cloud.vertices[name] for name in ("nx", "ny", "nz")])
    assert normals == pytest.approx(numbers[:, 3:] @ turn.matrix().T, abs=1e-6)


def test_another_layout_or_half_a_file_is_refused(tmp_path: Path) -> None:
    file, _, _ = fused(tmp_path, count=10, header=HEADER.replace("float nz", "double nz"))
    with pytest.raises(ValueError, match="another layout"):
        DenseCloud.read(file)
    file, _, _ = fused(tmp_path, count=10)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match="ends before its 10 points do"):
        DenseCloud.read(file)


@pytest.mark.parametrize("change", ["fewer", "more", "other"])
def test_views_that_do_not_fit_the_points_are_refused(tmp_path: Path, change: str) -> None:
    file, _, _ = fused(tmp_path, count=10)
    seen = file.with_name("fused.ply.vis")
    content = seen.read_bytes()
    changed = {"fewer": content[:-4], "more": content + b"\1\0\0\0", "other": b"\x0b" + content[1:]}[change]
    seen.write_bytes(changed)
    with pytest.raises(ValueError, match=r"fused\.ply\.vis"):
        DenseCloud.read(file)
