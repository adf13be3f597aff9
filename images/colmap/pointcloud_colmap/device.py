"""Finds out what COLMAP can really run on, because a GPU that is silently not used costs hours and money."""

import ctypes
from enum import StrEnum
from typing import Literal

import pycolmap

from pointcloud_api.stages import StageWarning


class Device(StrEnum):
    """What features are extracted and matched on."""

    CPU = "cpu"
    CUDA = "cuda"

    @property
    def colmap(self) -> pycolmap.Device:
        """COLMAP's word for it."""
        return pycolmap.Device.cuda if self is Device.CUDA else pycolmap.Device.cpu


def choose_device(given: Literal["gpu", "cpu"]) -> tuple[Device, StageWarning | None]:
    """The device to use, with a warning when the pod was given a GPU that cannot be used."""
    if given == "cpu":
        return Device.CPU, None
    obstacle = _obstacle_to_cuda()
    if obstacle is None:
        return Device.CUDA, None
    return Device.CPU, StageWarning(
        reason="GpuNotUsed",
        message=f"The pod was given a GPU, but {obstacle}: features were extracted and matched on the CPU.",
    )


def _obstacle_to_cuda() -> str | None:
    if not pycolmap.has_cuda:
        return "this image's COLMAP is built without CUDA"
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "the container has no CUDA driver (libcuda.so.1)"
    # https://docs.nvidia.com/cuda/cuda-driver-api: both calls return 0 (CUDA_SUCCESS) or an error's number.
    count = ctypes.c_int(0)
    error = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if error:
        return f"the CUDA driver answers with error {error}"
    return None if count.value else "the CUDA driver sees no device"
