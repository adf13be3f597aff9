import threading

import pytest

from pointcloud_stage.parallel import in_parallel


def test_every_item_comes_with_its_result() -> None:
    assert dict(in_parallel(str, range(100), workers=4)) == {n: str(n) for n in range(100)}


def test_a_failure_waits_for_nothing_and_begins_nothing() -> None:
    release, begun = threading.Event(), []

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError("one")
        release.wait()

    with pytest.raises(ValueError, match="one"):
        list(in_parallel(work, range(100), workers=2))
    assert len(begun) <= 4
    release.set()
