"""The bytes of the three files, packed by hand from Potree's layout."""

import json
import struct
from pathlib import Path

import brotli
import numpy as np

from pointcloud_api.resource import Encoding
from pointcloud_potree.hierarchy import hierarchy_chunks
from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.nodes import Nodes, StoredNodes, link_nodes
from pointcloud_potree.octree import write_octree

INNER, LEAF, PROXY = 0, 1, 2

# A cube of 2^18 quanta whose quantum is 1, so that coordinates and quanta are the same numbers.
CORNERS = np.array([[0.0, 0.0, 0.0], [2**18 - 1, 2**18 - 1, 2**18 - 1], [5, 65536 + 2, 3]])
COLOURS = np.array([[255, 0, 1], [1, 2, 3], [10, 20, 30]], np.uint8)
CLOUD = ArrayPoints.coloured(CORNERS, COLOURS)
CLASSIFIED = ArrayPoints(
    CORNERS, {"classification": np.array([2, 5, 6], np.uint8), **CLOUD.values, "gps-time": CORNERS[:, 2]}
)


def test_default_points_are_interleaved_integers_with_16_bit_colours(tmp_path: Path) -> None:
    write_octree(CLOUD, tmp_path, encoding=Encoding.UNCOMPRESSED)
    points = struct.iter_unpack("<3i3H", (tmp_path / "octree.bin").read_bytes())
    assert list(points) == [
        (0, 0, 0, 255 << 8, 0, 1 << 8),
        (5, 65538, 3, 10 << 8, 20 << 8, 30 << 8),
        (262143, 262143, 262143, 1 << 8, 2 << 8, 3 << 8),
    ]


def test_default_attributes_follow_in_their_order(tmp_path: Path) -> None:
    write_octree(CLASSIFIED, tmp_path, encoding=Encoding.UNCOMPRESSED)
    points = struct.iter_unpack("<3iB3Hd", (tmp_path / "octree.bin").read_bytes())
    assert [(point[3], point[5], point[7]) for point in points] == [
        (2, 0, 0.0),
        (6, 20 << 8, 3.0),
        (5, 2 << 8, 262143.0),
    ]


def interleave(x: int, y: int, z: int) -> int:
    return sum(((v >> bit) & 1) << (3 * bit + axis) for axis, v in enumerate((x, y, z)) for bit in range(16))


def test_brotli_points_are_morton_codes_of_high_and_low_halves_then_of_colours(tmp_path: Path) -> None:
    write_octree(CLOUD, tmp_path, encoding=Encoding.BROTLI)
    words = struct.unpack("<9Q", brotli.decompress((tmp_path / "octree.bin").read_bytes()))
    assert words == (
        *(0, 0),
        *(interleave(0, 1, 0), interleave(5, 2, 3)),
        *(interleave(3, 3, 3), interleave(65535, 65535, 65535)),
        interleave(255 << 8, 0, 1 << 8),
        interleave(10 << 8, 20 << 8, 30 << 8),
        interleave(1 << 8, 2 << 8, 3 << 8),
    )


def test_brotli_attributes_other_than_colours_are_as_they_are_one_after_the_other(tmp_path: Path) -> None:
    write_octree(CLASSIFIED, tmp_path, encoding=Encoding.BROTLI)
    values = struct.unpack("<6Q3B3Q3d", brotli.decompress((tmp_path / "octree.bin").read_bytes()))
    assert values[6:9] == (2, 6, 5)
    assert values[10] == interleave(10 << 8, 20 << 8, 30 << 8)
    assert values[12:] == (0.0, 3.0, 262143.0)


def test_metadata_is_what_loaders_ask_for(tmp_path: Path) -> None:
    write_octree(
        ArrayPoints.coloured(CORNERS + np.array([0, 0, 100]), COLOURS), tmp_path, encoding=Encoding.BROTLI, name="scene"
    )
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    side = 2.0**18
    assert metadata["version"] == "2.0"
    assert metadata["name"] == "scene"
    assert metadata["points"] == 3
    assert metadata["encoding"] == "BROTLI"
    assert metadata["hierarchy"] == {"firstChunkSize": 22, "stepSize": 4, "depth": 0}
    assert metadata["offset"] == [0, 0, 100]
    assert metadata["scale"] == [1, 1, 1]
    assert metadata["spacing"] == side / 128
    assert metadata["boundingBox"] == {"min": [0, 0, 100], "max": [side, side, side + 100]}
    position, rgb = metadata["attributes"]
    assert (position["name"], position["type"], position["size"]) == ("position", "int32", 12)
    assert (position["min"], position["max"]) == ([0, 0, 100], [side - 1, side - 1, side + 99])
    assert (rgb["name"], rgb["type"], rgb["size"], rgb["numElements"]) == ("rgb", "uint16", 6, 3)


def test_a_tree_deeper_than_a_chunk_continues_behind_a_proxy() -> None:
    # r, r7, r77, r777, r7777 and below it the two leaves r77770 and r77773; every node stores 10 + i points.
    count = np.arange(10, 17)
    nodes = Nodes(
        level=np.array([0, 1, 2, 3, 4, 5, 5]),
        child_mask=np.array([1 << 7] * 4 + [0b1001, 0, 0], np.uint8),
        first_child=np.array([1, 2, 3, 4, 5, 7, 7]),
        num_points=count,
        byte_offset=(np.arange(7) * 100).astype(np.uint64),
        byte_size=np.full(7, 100, np.uint64),
    )

    first, second = (chunk.tobytes() for chunk in hierarchy_chunks(nodes))

    record = struct.Struct("<BBIQQ")
    assert record.size == 22
    assert list(record.iter_unpack(first)) == [
        (INNER, 128, 10, 0, 100),
        (INNER, 128, 11, 100, 100),
        (INNER, 128, 12, 200, 100),
        (INNER, 128, 13, 300, 100),
        (PROXY, 0b1001, 14, 5 * 22, 3 * 22),
    ]
    assert list(record.iter_unpack(second)) == [
        (INNER, 0b1001, 14, 400, 100),
        (LEAF, 0, 15, 500, 100),
        (LEAF, 0, 16, 600, 100),
    ]


def test_nodes_that_store_nothing_are_there_for_those_below() -> None:
    stored = StoredNodes(  # r7, r70 and r1234, in the order of octree.bin
        level=np.array([2, 4, 1]),
        prefix=np.array([0o70, 0o1234, 0o7], np.uint64),
        num_points=np.array([5, 6, 7]),
        byte_size=np.array([50, 60, 70]),
    )
    nodes = link_nodes([stored])
    assert nodes.level.tolist() == [0, 1, 1, 2, 2, 3, 4]  # r, r1, r7, r12, r70, r123, r1234
    assert nodes.child_mask.tolist() == [1 << 1 | 1 << 7, 1 << 2, 1 << 0, 1 << 3, 0, 1 << 4, 0]
    assert nodes.num_points.tolist() == [0, 0, 7, 0, 5, 0, 6]
    assert nodes.byte_offset.tolist() == [0, 0, 110, 0, 0, 0, 50]
    assert nodes.byte_size.tolist() == [0, 0, 70, 0, 50, 0, 60]
    assert nodes.first_child.tolist()[:4] == [1, 3, 4, 5]
