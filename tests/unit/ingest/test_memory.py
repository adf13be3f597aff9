"""Pictures are decoded as memory has room for them, and one that it has no room for is named."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointcloud_api.stages import ExitCode, IngestLimits, Reason
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.masks import write_mask
from pointcloud_ingest.memory import Room
from pointcloud_ingest.photos import Checked, check
from pointcloud_stage import StageFailure
from pointcloud_stage.parallel import in_parallel
from tests.fixtures.pictures import encoded, picture, png_of_header
from tools.bench.decoding import PICTURES, taken

MB = 10**6
WIDE = png_of_header(30_000, 5_000)
"""600 MB once it is decoded, were it whole."""


def arrival(tmp_path: Path, data: bytes, name: str = "wide.png") -> Arrival:
    (tmp_path / "file").write_bytes(data)
    return Arrival(name, tmp_path / "file")


def test_a_photo_that_memory_has_no_room_for_is_named_before_it_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(StageFailure) as caught:
        check(arrival(tmp_path, WIDE), IngestLimits(), Room(312 * MB))
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.OUT_OF_MEMORY, ExitCode.NEEDS_MORE)
    assert caught.value.error.message == "To decode wide.png takes 0.8Gi of memory, and the ingest stage has 0.5Gi."
    assert "spec.stages.ingest.resources.limits.memory to 0.8Gi" in caught.value.error.remedy


def test_a_mask_that_memory_has_no_room_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageFailure, match=r"^To decode wide\.png takes 1\.2Gi"):
        write_mask(
            arrival(tmp_path, WIDE), Checked("PNG", 30_000, 5_000), tmp_path / "mask.png", IngestLimits(), Room(MB)
        )


def test_a_small_photo_of_a_container_with_little_memory_is_checked(tmp_path: Path) -> None:
    assert check(arrival(tmp_path, encoded(picture(), "PNG")), IngestLimits(), Room(MB)) == Checked("PNG", 96, 64)


def test_the_container_s_limit_is_what_there_is_room_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pointcloud_ingest.memory.available_memory", lambda: 512 << 20)
    with pytest.raises(StageFailure, match=r"and the ingest stage has 0\.5Gi"):
        check(arrival(tmp_path, WIDE), IngestLimits(), Room.of_container())


def test_as_many_are_decoded_at_once_as_there_is_room_for() -> None:
    room, most = Room(100), Crowd(2)

    def decode(size: int) -> None:
        with room.taken(size, by="a photo"), most.one():
            most.met.wait()

    for _ in in_parallel(decode, [40] * 8, workers=8):
        pass
    assert most.peak == 2


def test_what_was_taken_is_given_back_after_an_error() -> None:
    room = Room(100)
    with pytest.raises(ValueError, match="damaged"), room.taken(100, by="a photo"):
        raise ValueError("damaged")
    with room.taken(100, by="another"):
        pass


class Crowd:
    """Counts who is there at one time; nobody goes before so many have met."""

    def __init__(self, size: int) -> None:
        self.met = threading.Barrier(size)
        self.peak = 0
        self._there = 0
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._lock:
            self._there += 1
            self.peak = max(self.peak, self._there)
        try:
            yield
        finally:
            with self._lock:
                self._there -= 1


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_takes_no_more_than_is_foreseen(tmp_path: Path, kind: str) -> None:
    spent, foreseen = taken(kind, 2000, 1500, tmp_path)
    assert spent < foreseen + 5 * MB, "beside some for the decoder's code"
