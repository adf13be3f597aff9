"""Damage of metadata.json, of the chunks of hierarchy.bin and of a node's bytes is told."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import numpy as np
import pytest

from pointcloud_api.resource import Encoding
from pointcloud_potree.inputs import ArrayPoints
from pointcloud_potree.octree import write_octree
from pointcloud_potree.reader import RECORD, CorruptOctreeError, Octree, check_filled

INNER, LEAF, PROXY = 0, 1, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An octree of several chunks: ever denser towards one corner."""
    rng = np.random.default_rng(1)
    positions = rng.random((60_000, 3)) * 0.5 ** rng.integers(0, 12, (60_000, 1))
    cloud = ArrayPoints.coloured(positions, rng.integers(0, 256, (60_000, 3), np.uint8))
    write_octree(cloud, tmp_path, encoding=Encoding.UNCOMPRESSED)
    return tmp_path


def metadata(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = folder / "metadata.json"
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def add_attribute(**changes: object) -> Callable[[dict[str, Any]], None]:
    """One that could be there, with changes that cannot."""
    attribute = {
        "name": "intensity", "size": 2, "numElements": 1, "elementSize": 2, "type": "uint16", "min": [0], "max": [9],
    }  # fmt: skip
    return lambda document: document["attributes"].append(attribute | changes)


def of_attribute(number: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["attributes"][number].update(changes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.pop("spacing"), "metadata.json cannot be read"),
        (lambda document: document.update(version="1.8"), "metadata.json cannot be read"),
        (lambda document: document.update(encoding="ZSTD"), "metadata.json cannot be read"),
        (lambda document: document["attributes"].clear(), "the first attribute is not a position"),
        (lambda document: document["attributes"].reverse(), "the first attribute is not a position"),
        (of_attribute(0, type="uint32"), "the first attribute is not a position"),
        (add_attribute(name="rgb"), "two attributes have one name"),
        (add_attribute(type="uint64", elementSize=8, size=8), "of type uint64, which viewers do not decode"),
        (add_attribute(elementSize=4), "the sizes of attribute intensity"),
        (add_attribute(size=4), "the sizes of attribute intensity"),
        (add_attribute(numElements=2, size=4, min=[0, 0], max=[9, 9]), "do not decode attribute intensity of 2 uint16"),
        (of_attribute(1, type="uint8", elementSize=1, size=3), "do not decode attribute rgb of 3 uint8"),
        (add_attribute(histogram=[0] * 256), "the histogram of attribute intensity has 256 counts"),
        (add_attribute(type="int8", elementSize=1, size=1), "the histogram of attribute intensity has 0 counts"),
        (add_attribute(type="uint8", elementSize=1, size=1, histogram=[1]), "of attribute intensity has 1 counts"),
        (add_attribute(max=[]), "attribute intensity has not one least and one greatest value"),
        (lambda document: document["boundingBox"]["max"].__setitem__(1, 3.0), "the bounding box is no cube"),
        (lambda document: document["boundingBox"].update(max=document["boundingBox"]["min"]), "is no cube"),
        (lambda document: document["offset"].__setitem__(2, 0.5), "positions do not begin at the bounding box"),
        (lambda document: document["scale"].__setitem__(2, 0.5), "not with one scale for all axes"),
        (lambda document: document.update(spacing=0), "the spacing is 0.0"),
        (lambda document: document.update(spacing=5), "the spacing is 5.0 in a cube of"),
    ],
)
def test_metadata_that_no_viewer_could_follow_is_told(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    Octree(folder)
    metadata(folder, change)
    with pytest.raises(CorruptOctreeError, match=re.escape(message)):
        Octree(folder)


def test_a_missing_folder_is_no_octree(tmp_path: Path) -> None:
    with pytest.raises(CorruptOctreeError, match=r"metadata\.json cannot be read"):
        Octree(tmp_path / "nowhere")


Records = np.ndarray[Any, np.dtype[np.void]]
KIND, MASK, COUNT, OFFSET, SIZE = RECORD.names or ()


def first_proxy(records: Records) -> int:
    return int(np.argmax(records[KIND] == PROXY))


def forget_a_child(records: Records) -> None:
    parent = np.flatnonzero(np.bitwise_count(records[MASK]) > 1)[0]
    records[MASK][parent] &= records[MASK][parent] - 1


def invent_a_child(records: Records) -> None:
    last = np.flatnonzero(records[KIND] == LEAF)[-1]
    records[KIND][last], records[MASK][last] = INNER, 1


def take_a_leaf_for_an_inner_node(records: Records) -> None:
    records[KIND][np.flatnonzero(records[KIND] == LEAF)[0]] = INNER


def write_a_proxy_as_a_node(records: Records) -> None:
    records[KIND][first_proxy(records)] = INNER


def write_a_proxy_too_early(records: Records) -> None:
    records[KIND][1] = PROXY


def tell_another_count_in_the_proxy(records: Records) -> None:
    records[COUNT][first_proxy(records)] += 1


def point_two_proxies_at_one_chunk(records: Records) -> None:
    first = first_proxy(records)
    second = np.flatnonzero(records[KIND] == PROXY)[1]
    for field in (OFFSET, SIZE):
        records[field][second] = records[field][first]


def point_a_proxy_at_its_own_chunk(records: Records) -> None:
    records[OFFSET][first_proxy(records)] = 0


def point_a_proxy_beyond_the_file(records: Records) -> None:
    records[OFFSET][first_proxy(records)] = len(records) * RECORD.itemsize


def point_a_proxy_between_two_records(records: Records) -> None:
    records[SIZE][first_proxy(records)] -= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (forget_a_child, "more records than its masks announce"),
        (invent_a_child, "ends before node"),
        (take_a_leaf_for_an_inner_node, "has type 0 but child mask 00000000"),
        (write_a_proxy_as_a_node, "has type 0 but child mask"),
        (write_a_proxy_too_early, "has type 2 but child mask"),
        (tell_another_count_in_the_proxy, "tells of other children or points than the node does"),
        (point_two_proxies_at_one_chunk, "is another node's"),
        (point_a_proxy_at_its_own_chunk, "is another node's"),
        (point_a_proxy_beyond_the_file, "lies outside hierarchy.bin"),
        (point_a_proxy_between_two_records, "lies outside hierarchy.bin"),
    ],
)
def test_a_hierarchy_that_is_laid_out_otherwise_is_told(
    folder: Path, change: Callable[[Records], None], message: str
) -> None:
    file = folder / "hierarchy.bin"
    records = np.fromfile(file, RECORD)
    assert np.count_nonzero(records[KIND] == PROXY) >= 2
    assert len(list(Octree(folder).nodes())) == np.count_nonzero(records[KIND] != PROXY)
    change(records)
    records.tofile(file)
    with pytest.raises(CorruptOctreeError, match=re.escape(message)):
        list(Octree(folder).nodes())


def test_bytes_of_the_hierarchy_that_no_chunk_has_are_told(folder: Path) -> None:
    file = folder / "hierarchy.bin"
    content = file.read_bytes()
    file.write_bytes(content + bytes(RECORD.itemsize))
    with pytest.raises(CorruptOctreeError, match=f"has {len(content) + 22} bytes, of which {len(content)} are used"):
        list(Octree(folder).nodes())
    file.write_bytes(content[:-1])
    with pytest.raises(CorruptOctreeError, match="lies outside hierarchy"):
        list(Octree(folder).nodes())


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(0, 5), (5, 5)], None),
        ([(5, 5), (0, 5)], None),
        ([], "has 10 bytes, of which 0 are used"),
        ([(0, 5)], "has 10 bytes, of which 5 are used"),
        ([(0, 5), (6, 4)], "has a gap between 5 and 6"),
        ([(0, 5), (4, 6)], "has an overlap between 4 and 5"),
        ([(0, 5), (0, 5)], "has an overlap between 0 and 5"),
        ([(0, 5), (5, 6)], "has 10 bytes, of which 11 are used"),
    ],
)
def test_parts_fill_a_file_or_not(parts: list[tuple[int, int]], message: str | None) -> None:
    if message is None:
        check_filled(parts, 10, "octree.bin")
        return
    with pytest.raises(CorruptOctreeError, match=message):
        check_filled(parts, 10, "octree.bin")


# Two points of a cube of 8 quanta, whose third attribute is a float; packed by hand.
POSITIONS, COLOURS, TIMES = [(1, 2, 3), (7, 6, 5)], [(256, 512, 65535), (3, 2, 1)], [1.5, -2.25]


def by_hand(folder: Path, encoding: str, content: bytes) -> Octree:
    attributes = [
        {"name": "position", "size": 12, "numElements": 3, "elementSize": 4, "type": "int32", "min": [1, 2, 3],
         "max": [7, 6, 5]},
        {"name": "rgb", "size": 6, "numElements": 3, "elementSize": 2, "type": "uint16", "min": [3, 2, 1],
         "max": [256, 512, 65535]},
        {"name": "gps-time", "size": 8, "numElements": 1, "elementSize": 8, "type": "double", "min": [-2.25],
         "max": [1.5]},
    ]  # fmt: skip
    document = {
        "version": "2.0", "name": "", "points": 2, "hierarchy": {"firstChunkSize": 22, "stepSize": 4, "depth": 0},
        "offset": [0, 0, 0], "scale": [1, 1, 1], "spacing": 8 / 128, "encoding": encoding, "attributes": attributes,
        "boundingBox": {"min": [0, 0, 0], "max": [8, 8, 8]},
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(document))
    np.array([(LEAF, 0, 2, 0, len(content))], RECORD).tofile(folder / "hierarchy.bin")
    (folder / "octree.bin").write_bytes(content)
    return Octree(folder)


def interleaved(numbers: tuple[int, ...]) -> int:
    return sum((v >> bit & 1) << (3 * bit + axis) for axis, v in enumerate(numbers) for bit in range(16))


def plain_streams(*, order: int = 1, beyond: int = 0) -> bytes:
    words = [word for position in POSITIONS for word in (0, interleaved(position[::order]))]
    words += [interleaved(colour[::order]) for colour in COLOURS]
    words[0] |= beyond
    return np.array(words, "<u8").tobytes() + np.array(TIMES, "<f8").tobytes()


def read(octree: Octree) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[float]]:
    with (octree.folder / "octree.bin").open("rb") as file:
        points = octree.read(next(octree.nodes()), file)
    assert points.attributes["gps-time"].dtype == np.float64
    return (
        [tuple(row) for row in points.quanta.tolist()],
        [tuple(row) for row in points.attributes["rgb"].tolist()],
        points.attributes["gps-time"].tolist(),
    )


def test_both_encodings_are_read_as_they_are_laid_out(tmp_path: Path) -> None:
    row = np.dtype([("position", "<i4", 3), ("rgb", "<u2", 3), ("time", "<f8")])
    default = np.array(list(zip(POSITIONS, COLOURS, TIMES, strict=True)), row).tobytes()
    assert read(by_hand(tmp_path, "DEFAULT", default)) == (POSITIONS, COLOURS, TIMES)
    assert read(by_hand(tmp_path, "BROTLI", brotli.compress(plain_streams()))) == (POSITIONS, COLOURS, TIMES)


def test_another_order_of_bits_gives_other_points(tmp_path: Path) -> None:
    positions, colours, _ = read(by_hand(tmp_path, "BROTLI", brotli.compress(plain_streams(order=-1))))
    assert positions == [position[::-1] for position in POSITIONS]
    assert colours == [colour[::-1] for colour in COLOURS]


@pytest.mark.parametrize(
    ("encoding", "content", "message"),
    [
        ("DEFAULT", bytes(51), "they are 51 and should be 52"),
        ("BROTLI", brotli.compress(plain_streams() + b"\0"), "they are 65 and should be 64"),
        ("BROTLI", plain_streams(), "not those of 2 points"),
        ("BROTLI", brotli.compress(plain_streams())[:-1], "not those of 2 points"),
        ("BROTLI", brotli.compress(plain_streams(beyond=1 << 48)), "a Morton code has more than 48 bits"),
    ],
)
def test_bytes_that_are_not_those_of_so_many_points_are_told(
    tmp_path: Path, encoding: str, content: bytes, message: str
) -> None:
    octree = by_hand(tmp_path, encoding, content)
    with pytest.raises(CorruptOctreeError, match=message):
        read(octree)


def test_an_octree_file_that_ends_within_a_node_is_told(tmp_path: Path) -> None:
    octree = by_hand(tmp_path, "DEFAULT", bytes(52))
    (tmp_path / "octree.bin").write_bytes(bytes(51))
    with pytest.raises(CorruptOctreeError, match=r"octree\.bin ends within the points of node r"):
        read(octree)
