"""Finds out what COLMAP can really run on, because a GPU that is silently not used costs hours and money."""

import ctypes
import os
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal

import pycolmap

from pointcloud_api.stages import StageWarning
from pointcloud_stage.limits import memory_limit

_BYTES_PER_PIXEL: Final = 320
"""Of memory that SIFT takes on a CPU per pixel of the (scaled) photo: 295 measured on photos of 1600x900, where two
threads peaked at 950 MB. The pyramid begins at twice the photo's size, hence the many."""
_BYTES_PER_PIXEL_DECODED: Final = 6
"""Per pixel of the photo as it is: decoded in RGB, and a copy."""
_RESERVE: Final = 300_000_000
"""Bytes for the process itself and COLMAP's queues."""


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


def sift_threads(sizes: Iterable[tuple[int, int]], *, max_image_size: int, cpus: int, memory: int) -> int:
    """How many photos of these sizes (width, height; pixels) to extract features from at once on the CPU.

    As many as there are processors, unless `memory` (bytes) has no room for so many; at least one.
    """
    largest = max((_sift_bytes(width, height, max_image_size) for width, height in sizes), default=1)
    return max(1, min(cpus, (memory - _RESERVE) // largest))


def available_memory() -> int:
    """Bytes that the process may use: the container's limit, or the machine's memory where there is none."""
    return memory_limit() or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _sift_bytes(width: int, height: int, max_image_size: int) -> int:
    scale = min(1.0, max_image_size / max(width, height))
    pixels = width * height
    return int(pixels * scale * scale * _BYTES_PER_PIXEL) + pixels * _BYTES_PER_PIXEL_DECODED
