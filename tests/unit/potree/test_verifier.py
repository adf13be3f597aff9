"""The verifier finds whatever makes an octree another than that of its points, however little it is."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointcloud_api.resource import Encoding
from pointcloud_potree.inputs import ArrayPoints
from pointcloud_potree.octree import write_octree
from pointcloud_potree.points import BLOCK_POINTS
from pointcloud_potree.reader import RECORD, CorruptOctreeError, Octree
from pointcloud_potree.verifier import Fingerprint, fingerprint, verify_octree

LEAF = 1
ROW, COLOUR = 18, 12
"""Bytes of a point of positions and colours, uncompressed, and where among them the colour begins."""


@pytest.fixture
def octree(tmp_path: Path) -> tuple[Path, Fingerprint]:
    rng = np.random.default_rng(1)
    positions, colours = rng.random((40_000, 3)), rng.integers(0, 256, (40_000, 3), dtype=np.uint8)
    cloud = ArrayPoints.coloured(positions, colours)
    write_octree(cloud, tmp_path, encoding=Encoding.UNCOMPRESSED)
    return tmp_path, fingerprint(Octree(tmp_path), cloud)


Change = Callable[[bytearray, Mapping[str, int]], object]
"""Of a file's bytes, with where the points of each node begin in octree.bin."""


def edit(folder: Path, name: str, change: Change) -> None:
    places = {node.name: node.byte_offset for node in Octree(folder).nodes()}
    data = bytearray((folder / name).read_bytes())
    change(data, places)
    (folder / name).write_bytes(data)


def truncate(data: bytearray, _places: Mapping[str, int]) -> None:
    del data[-1:]


def lengthen(data: bytearray, _places: Mapping[str, int]) -> None:
    data.append(0)


def repeat_first_point(data: bytearray, places: Mapping[str, int]) -> None:
    at = places["r"]
    data[at + ROW : at + 2 * ROW] = data[at : at + ROW]


def exchange_two_colours(data: bytearray, places: Mapping[str, int]) -> None:
    first, second = places["r7"] + COLOUR, places["r7"] + ROW + COLOUR
    data[first : first + 6], data[second : second + 6] = data[second : second + 6], data[first : first + 6]


def move_a_little(data: bytearray, places: Mapping[str, int]) -> None:
    data[places["r7"]] ^= 1


def move_far_away(data: bytearray, places: Mapping[str, int]) -> None:
    data[places["r7"] + 2] = 0


def recolour(data: bytearray, places: Mapping[str, int]) -> None:
    data[places["r7"] + COLOUR + 1] ^= 1


def told(change: Callable[[dict[str, Any]], object]) -> Change:
    """Something else in metadata.json."""

    def edited(data: bytearray, _places: Mapping[str, int]) -> None:
        document = json.loads(data)
        change(document)
        data[:] = json.dumps(document).encode()

    return edited


def listed(change: Callable[[np.ndarray[Any, Any]], object]) -> Change:
    """Something else in the records of hierarchy.bin."""

    def edited(data: bytearray, _places: Mapping[str, int]) -> None:
        records = np.frombuffer(bytes(data), RECORD).copy()
        change(records)
        data[:] = records.tobytes()

    return edited


KIND, MASK, COUNT, OFFSET, SIZE = RECORD.names or ()


def shorten(records: np.ndarray[Any, Any]) -> None:
    records[COUNT][-1] -= 1
    records[SIZE][-1] -= ROW


def overlap(records: np.ndarray[Any, Any]) -> None:
    records[OFFSET][-1] -= ROW


def empty(records: np.ndarray[Any, Any]) -> None:
    records[COUNT][-1] = 0


def vanish(records: np.ndarray[Any, Any]) -> None:
    records[COUNT][-1] = records[SIZE][-1] = 0


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("octree.bin", truncate, "octree.bin ends within the points of node r"),
        ("octree.bin", lengthen, "octree.bin has 720001 bytes, of which 720000 are used"),
        ("octree.bin", repeat_first_point, "points that are nearer than its spacing to another"),
        ("octree.bin", exchange_two_colours, "fingerprint"),
        ("octree.bin", move_a_little, "fingerprint"),
        ("octree.bin", recolour, "fingerprint"),
        ("octree.bin", move_far_away, "points of node r7 lie outside its cube"),
        ("hierarchy.bin", listed(shorten), "the octree's points should be 40000 but"),
        ("hierarchy.bin", listed(overlap), "lie outside its cube"),
        ("hierarchy.bin", listed(empty), "has 0 points in"),
        ("hierarchy.bin", listed(vanish), "node r7 has neither points nor children"),
        ("metadata.json", told(lambda document: document.update(points=39_999)), "points should be 39999"),
        ("metadata.json", told(lambda document: document["hierarchy"].update(depth=2)), "depth should be 2"),
        ("metadata.json", told(lambda document: document["attributes"][0]["max"].__setitem__(0, 2)), "bounds should"),
        ("metadata.json", told(lambda document: document["attributes"][1]["min"].__setitem__(2, 1)), "range of rgb"),
        ("metadata.json", told(lambda document: document.update(spacing=0.02)), "nearer than its spacing to another"),
    ],
)
def test_damage_is_found(octree: tuple[Path, Fingerprint], file: str, change: Change, message: str) -> None:
    folder, expected = octree
    verify_octree(folder, expected)
    edit(folder, file, change)
    with pytest.raises(CorruptOctreeError, match=re.escape(message)):
        verify_octree(folder, expected)


@pytest.mark.parametrize("name", ["classification", "scan angle"])
@pytest.mark.parametrize("encoding", Encoding)
def test_a_histogram_is_compared(tmp_path: Path, encoding: Encoding, name: str) -> None:
    rng = np.random.default_rng(1)
    values: dict[str, npt.NDArray[Any]] = {
        "classification": rng.integers(0, 256, BLOCK_POINTS + 5, dtype=np.uint8),
        "intensity": rng.integers(0, 256, BLOCK_POINTS + 5, dtype=np.uint16),
        "scan angle": rng.integers(-90, -9, BLOCK_POINTS + 5, dtype=np.int8),
    }
    write_octree(ArrayPoints(rng.random((BLOCK_POINTS + 5, 3)), values), tmp_path, encoding=encoding)
    verify_octree(tmp_path)

    counts = np.bincount(values[name].view(np.uint8), minlength=256)

    def count_one_as_its_neighbour(document: dict[str, Any]) -> None:
        histogram = next(attribute["histogram"] for attribute in document["attributes"] if attribute["name"] == name)
        histogram[200] -= 1
        histogram[201] += 1

    edit(tmp_path, "metadata.json", told(count_one_as_its_neighbour))
    message = f"points with byte 200 of {name} should be {counts[200] - 1} but its nodes add up to {counts[200]}"
    with pytest.raises(CorruptOctreeError, match=message):
        verify_octree(tmp_path)


def test_progress_counts_up_to_all_points(octree: tuple[Path, Fingerprint]) -> None:
    counts: list[tuple[int, int]] = []
    assert verify_octree(octree[0], progress=lambda done, total: counts.append((done, total))) == len(counts)
    assert counts == sorted(counts)
    assert counts[-1] == (40_000, 40_000)


@dataclass(frozen=True)
class Leaf:
    """An octree of one leaf, of points whose coordinates are quanta of a cube of 8, packed here by hand."""

    folder: Path
    source: ArrayPoints

    def write(
        self, values: Mapping[str, npt.NDArray[Any]] | None = None, *, encoding: str = "DEFAULT", order: int = 1
    ) -> Octree:
        """Write the source's points, or other values in place of its own."""
        given = {"position": self.source.positions.astype("<i4"), **self.source.values, **(values or {})}
        content = self._default(given) if encoding == "DEFAULT" else self._brotli(given, order)
        (self.folder / "octree.bin").write_bytes(content)
        record = np.array([(LEAF, 0, self.source.count, 0, len(content))], RECORD)
        record.tofile(self.folder / "hierarchy.bin")
        document = {
            "version": "2.0", "name": "", "points": self.source.count, "offset": [0] * 3, "scale": [1] * 3,
            "hierarchy": {"firstChunkSize": 22, "stepSize": 4, "depth": 0}, "spacing": 8 / 128, "encoding": encoding,
            "boundingBox": {"min": [0] * 3, "max": [8] * 3},
            "attributes": [self._attribute(name, column) for name, column in given.items()],
        }  # fmt: skip
        (self.folder / "metadata.json").write_text(json.dumps(document))
        return Octree(self.folder)

    @staticmethod
    def _attribute(name: str, column: npt.NDArray[Any]) -> dict[str, object]:
        counted = column.itemsize == 1
        kind = {"float32": "float", "float64": "double"}.get(column.dtype.name, column.dtype.name)
        columns = column.reshape(len(column), -1)
        numbers = columns[np.isfinite(columns).all(axis=1)] if np.isfinite(columns).any() else np.zeros((1, 1))
        return {
            "name": name, "size": columns.shape[1] * column.itemsize, "numElements": columns.shape[1],
            "elementSize": column.itemsize, "type": kind, "min": numbers.min(axis=0).tolist(),
            "max": numbers.max(axis=0).tolist(),
            "histogram": np.bincount(column.view("u1"), minlength=256).tolist() if counted else None,
        }  # fmt: skip

    @staticmethod
    def _default(given: dict[str, npt.NDArray[Any]]) -> bytes:
        rows = np.zeros(len(given["position"]), [(name, v.dtype, v.shape[1:]) for name, v in given.items()])
        for name, column in given.items():
            rows[name] = column
        return rows.tobytes()

    @staticmethod
    def _brotli(given: dict[str, npt.NDArray[Any]], order: int) -> bytes:
        streams = []
        for name, column in given.items():
            if column.ndim == 1:
                streams.append(column.tobytes())
                continue
            words = []
            for row in column[:, ::order].tolist():
                if name == "position":
                    words.append(interleaved([number >> 16 for number in row]))
                words.append(interleaved(row))
            streams.append(np.array(words, "<u8").tobytes())
        return bytes(brotli.compress(b"".join(streams)))


def interleaved(numbers: list[int]) -> int:
    return sum((v >> bit & 1) << (3 * bit + axis) for axis, v in enumerate(numbers) for bit in range(16))


def leaf(folder: Path, points: int = 20) -> Leaf:
    rng = np.random.default_rng(points)
    values = {
        "rgb": rng.integers(0, 2**16, (points, 3)).astype("<u2"),
        "scan angle rank": rng.integers(-90, 91, points).astype("i1"),
        "gps-time": rng.normal(3e8, 1e5, points),
        "NormalX": rng.normal(size=points).astype("<f4"),
        "intensity": rng.integers(0, 2**16, points).astype("<u2"),
        "point source id": rng.integers(0, 2**16, points).astype("<u2"),
    }
    return Leaf(folder, ArrayPoints(rng.integers(0, 8, (points, 3)).astype(float), values))


def check(made: Leaf, octree: Octree) -> None:
    verify_octree(made.folder, fingerprint(octree, made.source))


@pytest.mark.parametrize("encoding", ["DEFAULT", "BROTLI"])
def test_every_attribute_is_compared(tmp_path: Path, encoding: str) -> None:
    made = leaf(tmp_path)
    check(made, made.write(encoding=encoding))
    for name, column in made.source.values.items():
        changed = column.copy()
        changed[7] = changed[8] + 1
        with pytest.raises(CorruptOctreeError, match="fingerprint"):
            check(made, made.write({name: changed}, encoding=encoding))
        with pytest.raises(CorruptOctreeError, match="fingerprint"):  # the same values, of other points
            check(made, made.write({name: np.roll(column, 1, axis=0)}, encoding=encoding))


def test_two_attributes_of_one_type_are_not_taken_for_each_other(tmp_path: Path) -> None:
    made = leaf(tmp_path)
    values = made.source.values
    exchanged = {"intensity": values["point source id"], "point source id": values["intensity"]}
    with pytest.raises(CorruptOctreeError, match="fingerprint"):
        check(made, made.write(exchanged))


def test_attributes_are_the_same_or_told(tmp_path: Path) -> None:
    made = leaf(tmp_path)
    octree = made.write()
    fewer = ArrayPoints(made.source.positions, {"rgb": made.source.values["rgb"]})
    with pytest.raises(CorruptOctreeError, match=r"attributes should be rgb \(uint16\) but are rgb \(uint16\), scan"):
        fingerprint(octree, fewer)
    wider = ArrayPoints(
        made.source.positions, {**made.source.values, "NormalX": made.source.values["NormalX"].astype(float)}
    )
    with pytest.raises(CorruptOctreeError, match=r"NormalX \(float64\).*but are.*NormalX \(float32\)"):
        fingerprint(octree, wider)


def test_bits_in_another_order_are_found(tmp_path: Path) -> None:
    made = leaf(tmp_path)
    with pytest.raises(CorruptOctreeError, match=r"bounds|range of rgb"):
        check(made, made.write(encoding="BROTLI", order=-1))


def test_points_may_come_in_any_order_and_those_without_coordinates_do_not_count(tmp_path: Path) -> None:
    made = leaf(tmp_path)
    octree = made.write()
    order = np.random.default_rng(3).permutation(21)
    positions = np.vstack([made.source.positions, [np.nan, 0, 0]])[order]
    values = {name: np.concatenate([column, column[:1]])[order] for name, column in made.source.values.items()}
    assert fingerprint(octree, ArrayPoints(positions, values)) == fingerprint(octree, made.source)


def test_attributes_that_are_not_numbers_are_stored_and_compared_like_any(tmp_path: Path) -> None:
    made = leaf(tmp_path)
    made.source.values["NormalX"][:] = np.nan
    made.source.values["gps-time"][3] = np.inf
    check(made, made.write())
    with pytest.raises(CorruptOctreeError, match="fingerprint"):
        check(made, made.write({"NormalX": np.full(20, np.inf, "<f4")}))


@settings(deadline=None)
@given(
    points=st.integers(1, 30),
    attribute=st.sampled_from(["position", "rgb", "scan angle rank", "gps-time", "NormalX", "intensity"]),
    data=st.data(),
)
def test_one_bit_of_one_point_is_found(
    tmp_path_factory: pytest.TempPathFactory, points: int, attribute: str, data: st.DataObject
) -> None:
    made = leaf(tmp_path_factory.mktemp("leaf"), points)
    given = {"position": made.source.positions.astype("<i4"), **made.source.values}
    raw = bytearray(np.ascontiguousarray(given[attribute]).tobytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = np.frombuffer(bytes(raw), given[attribute].dtype).reshape(given[attribute].shape)
    octree = made.write()
    expected = fingerprint(octree, made.source)
    verify_octree(made.folder, expected)
    made.write({attribute: changed})
    with pytest.raises(CorruptOctreeError, match=r"fingerprint|lie outside its cube"):
        verify_octree(made.folder, expected)
