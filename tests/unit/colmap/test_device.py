"""What SIFT may use, and what is said when a GPU cannot be used."""

import pycolmap
import pytest

from pointcloud_api.resource import Quality
from pointcloud_colmap.device import Device, choose_device, sift_threads
from pointcloud_colmap.presets import PRESETS

GIB = 2**30


@pytest.mark.parametrize(
    ("memory", "threads"),
    [
        pytest.param(64 * GIB, 16, id="as many as processors"),
        pytest.param(8 * GIB, 3, id="as many as memory holds"),
        pytest.param(GIB // 4, 1, id="one at least"),
    ],
)
def test_sift_threads_fit_processors_and_memory(memory: int, threads: int) -> None:
    assert sift_threads([(640, 480), (3200, 2400)], max_image_size=3200, cpus=16, memory=memory) == threads


def test_photos_scaled_down_take_less_memory() -> None:
    def threads(max_image_size: int) -> int:
        return sift_threads([(6000, 4000)], max_image_size=max_image_size, cpus=64, memory=16 * GIB)

    assert threads(1600) > threads(3200)


def test_a_gpu_that_cannot_be_used_is_a_warning_with_its_cause() -> None:
    if pycolmap.has_cuda:
        pytest.skip("this pycolmap is built with CUDA")
    device, warning = choose_device("gpu")
    assert device is Device.CPU
    assert warning
    assert warning.reason == "GpuNotUsed"
    assert "built without CUDA" in warning.message


def test_nobody_is_warned_who_asked_for_the_cpu() -> None:
    assert choose_device("cpu") == (Device.CPU, None)


@pytest.mark.parametrize("quality", Quality)
def test_no_preset_drives_colmap_off_the_gpu(quality: Quality) -> None:
    options = PRESETS[quality].on(Device.CUDA).extraction(num_threads=1)
    assert not options.sift.estimate_affine_shape
    assert not options.sift.domain_size_pooling
