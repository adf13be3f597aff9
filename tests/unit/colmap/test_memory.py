"""Threads that fit the container, and what is said where they do not."""

import pytest

from pointcloud_api.resource import Quality
from pointcloud_api.stages import ExitCode, Reason
from pointcloud_colmap.device import Device
from pointcloud_colmap.memory import (
    Threads,
    check_fusion,
    extraction_threads,
    matching_threads,
    patch_match_cache,
    patch_match_images,
)
from pointcloud_colmap.presets import PRESETS
from pointcloud_stage import StageFailure

MB = 10**6
MEDIUM, HIGH = PRESETS[Quality.MEDIUM], PRESETS[Quality.HIGH]


def extraction(size: tuple[int, int], *, memory: int, cpus: int = 64) -> Threads:
    return extraction_threads([(100, 100), size], MEDIUM, Device.CPU, cpus=cpus, memory=memory)


@pytest.mark.parametrize(
    ("size", "threads", "peak"),
    [
        ((1600, 900), 1, 548 * MB),
        ((1600, 900), 4, 1840 * MB),
        ((6000, 4000), 1, 762 * MB),
        ((6000, 4000), 4, 2304 * MB),
    ],
)
def test_as_many_threads_as_were_measured_to_fit_with_a_reserve(size: tuple[int, int], threads: int, peak: int) -> None:
    assert extraction(size, memory=peak).count < threads if threads > 1 else True
    assert extraction(size, memory=int(1.6 * peak)).count >= threads


def test_no_more_threads_than_processors_and_no_word_about_it() -> None:
    assert extraction((1600, 900), memory=64_000 * MB, cpus=3) == Threads(count=3)


def test_fewer_threads_than_processors_are_a_warning_with_the_memory_for_all() -> None:
    fitted = extraction((1600, 900), memory=1500 * MB, cpus=4)
    assert fitted.count == 2
    assert fitted.warning
    assert fitted.warning.reason == "FewerThreads"
    assert "used 2 of 4 processors" in fitted.warning.message
    assert "limits.memory of 2.1Gi has room for all" in fitted.warning.message
    assert extraction((1600, 900), memory=int(2.1 * 2**30), cpus=4) == Threads(count=4)


def test_memory_without_room_for_one_thread_ends_the_stage_with_the_amount() -> None:
    with pytest.raises(StageFailure) as caught:
        extraction((6000, 4000), memory=900 * MB)
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.OUT_OF_MEMORY, ExitCode.NEEDS_MORE)
    assert "needs 1.0Gi of memory, and the container has 0.9Gi" in caught.value.error.message
    assert extraction((6000, 4000), memory=int(1.0 * 2**30)).count == 1


def test_a_guided_comparison_takes_the_square_of_the_features_and_a_plain_one_next_to_nothing() -> None:
    def threads(features: list[int], *, guided: bool, memory: int) -> int:
        preset = HIGH if guided else MEDIUM
        return matching_threads(features, preset, Device.CPU, cpus=4, memory=memory).count

    assert threads([8192] * 3, guided=False, memory=1000 * MB) == 4
    assert threads([8192, 8192, 10], guided=True, memory=4000 * MB) == 3
    assert threads([8192, 10, 10], guided=True, memory=1000 * MB) == 4
    assert threads([], guided=True, memory=1000 * MB) == 4
    with pytest.raises(StageFailure, match="Comparing photos"):
        threads([13657] * 2, guided=True, memory=3146 * MB)


def test_fusion_needs_room_for_the_largest_view_however_many_there_are() -> None:
    sizes = [(1600, 1200), (100, 100)]
    needed = 300 * MB + 10 * 1600 * 1200 + 20_000 * 1600
    for count in (1, 1000):
        check_fusion(sizes * count, memory=needed)
        with pytest.raises(StageFailure, match="Fusing depth maps") as caught:
            check_fusion(sizes * count, memory=needed - 1)
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.OUT_OF_MEMORY, ExitCode.NEEDS_MORE)
    assert "limits.memory to 0.4Gi" in caught.value.error.remedy


def test_patch_match_on_processors_keeps_photos_in_what_a_view_leaves() -> None:
    assert patch_match_images(100 * MB, 1000 * MB) == 600 * MB
    with pytest.raises(StageFailure, match="Computing the depth of photos"):
        patch_match_images(800 * MB, 1000 * MB)


def test_patch_match_caches_half_of_what_is_left_and_never_colmaps_32_gigabytes() -> None:
    assert patch_match_cache(8300 * MB) == pytest.approx(4.0)
    assert patch_match_cache(500 * MB) == pytest.approx(0.5), "it reads again what has no room"


def test_on_a_gpu_the_containers_memory_does_not_count() -> None:
    assert extraction_threads([(9000, 9000)], HIGH, Device.CUDA, cpus=4, memory=1) == Threads(count=4)
    assert matching_threads([9000, 9000], HIGH, Device.CUDA, cpus=4, memory=1) == Threads(count=4)
