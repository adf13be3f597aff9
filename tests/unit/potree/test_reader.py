"""The verifier refuses an octree that was damaged, however little."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pointcloud_api.resource import Encoding
from pointcloud_potree.octree import write_octree
from pointcloud_potree.reader import CorruptOctreeError, Fingerprint, Octree, fingerprint, verify_octree


@pytest.fixture
def octree(tmp_path: Path) -> tuple[Path, Fingerprint]:
    rng = np.random.default_rng(1)
    positions, colours = rng.random((40_000, 3)), rng.integers(0, 256, (40_000, 3), dtype=np.uint8)
    write_octree(positions, colours, tmp_path, encoding=Encoding.UNCOMPRESSED)
    return tmp_path, fingerprint(Octree(tmp_path), positions, colours)


def edit(folder: Path, name: str, change: Callable[[bytearray], object]) -> None:
    data = bytearray((folder / name).read_bytes())
    change(data)
    (folder / name).write_bytes(data)


def truncate(data: bytearray) -> None:
    del data[-1:]


def repeat_first_point(data: bytearray) -> None:
    data[18:36] = data[:18]


def move_first_point(data: bytearray) -> None:
    data[2] ^= 1


def recolour_first_point(data: bytearray) -> None:
    data[13] ^= 1


def count_one_point_less(data: bytearray) -> None:
    document = json.loads(data)
    document["points"] -= 1
    data[:] = json.dumps(document).encode()


def claim_wider_bounds(data: bytearray) -> None:
    document = json.loads(data)
    document["attributes"][0]["max"][0] += 1
    data[:] = json.dumps(document).encode()


def forget_a_child(data: bytearray) -> None:
    data[1] &= data[1] - 1


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("octree.bin", truncate, "octree.bin ends within the points of node r7"),
        ("octree.bin", lambda data: data.append(0), "bytes of octree.bin should be 720001"),
        ("octree.bin", repeat_first_point, "fingerprint"),
        ("octree.bin", move_first_point, "fingerprint"),
        ("octree.bin", recolour_first_point, "fingerprint"),
        ("octree.bin", lambda data: data.__setitem__(-16, 0), "points of node r7 lie outside its cube"),
        ("hierarchy.bin", truncate, "lies outside hierarchy.bin"),
        ("hierarchy.bin", forget_a_child, "more records than its masks announce"),
        ("metadata.json", truncate, "metadata.json cannot be read"),
        ("metadata.json", count_one_point_less, "points should be 39999"),
        ("metadata.json", claim_wider_bounds, "bounds should be"),
    ],
)
def test_damage_is_found(
    octree: tuple[Path, Fingerprint], file: str, change: Callable[[bytearray], object], message: str
) -> None:
    folder, expected = octree
    verify_octree(folder, expected)
    edit(folder, file, change)
    with pytest.raises(CorruptOctreeError, match=re.escape(message)):
        verify_octree(folder, expected)


def test_a_missing_folder_is_no_octree(tmp_path: Path) -> None:
    with pytest.raises(CorruptOctreeError, match=r"metadata\.json cannot be read"):
        verify_octree(tmp_path / "nowhere")
