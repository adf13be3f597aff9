"""What is said when a GPU cannot be used."""

import pycolmap
import pytest

from pointcloud_api.resource import Quality
from pointcloud_colmap.device import Device, choose_device
from pointcloud_colmap.presets import PRESETS


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
