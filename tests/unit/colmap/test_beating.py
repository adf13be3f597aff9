"""A step that tells nothing by itself is told of all the same."""

import threading

import pytest

from pointcloud_colmap import beating as module
from pointcloud_colmap.beating import beating


def test_what_is_known_is_told_at_once_and_again_and_no_more_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.01)
    told: list[int] = []
    often = threading.Event()

    def tell() -> None:
        told.append(1)
        if len(told) >= 3:
            often.set()

    with beating(tell):
        assert told
        assert often.wait(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "beat"]
