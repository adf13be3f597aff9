"""How many threads the container's memory has room for: COLMAP takes as many as there are processors, and is killed.

Peaks of resident memory with COLMAP 4.2.1 on the CPU, in MB, 87 of which are the program itself:

| extracting features | 1 thread | 2 threads | 4 threads |
|---|---|---|---|
| 1600x900, as it is | 548 | 981 | 1,840 |
| 6000x4000, scaled to 1600 | 762 | 1,274 | 2,304 |
| 6000x4000, scaled to 2400, affine shapes | 1,059 | 1,989 | |
| 6000x4000, scaled to 3200 | 2,200 | 4,278 | |
| 6000x4000, scaled to 3200, affine shapes, domain-size pooling | 1,786 | | |

| comparing photos | 1 thread | 2 threads | 4 threads |
|---|---|---|---|
| of 8,192 features | 136 | | 184 |
| of 8,192 features, guided | 1,211 | 2,306 | 3,879 |
| of 13,657 features, guided | 3,146 | | |

Mapping the 18 photos of 1600x900 that these figures are of peaks at 315, in one process with all that came before.

So a thread takes some 300 bytes per pixel of the scaled photo, whose pyramid begins at twice the size, and whatever the
number of threads a few photos wait decoded. A guided comparison holds matrices of every feature against every other.
Fewer threads give the same result later; smaller photos or fewer features would give another result for the same
settings, so that is left to who sets the quality.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pointcloud_api.stages import ExitCode, Reason, StageWarning
from pointcloud_colmap.device import Device
from pointcloud_colmap.presets import Preset
from pointcloud_stage import StageFailure
from pointcloud_stage.limits import gib

_RESERVE: Final = 300_000_000
"""Bytes for the process itself, the supervisor, COLMAP's queues and what is kept for later attempts."""
_WAITING: Final = 8
"""Bytes per pixel of the largest photo, for those that wait decoded: 6.7 measured."""
_PYRAMID: Final = 320
"""Bytes that extraction takes per pixel of a scaled photo and thread: 303 measured."""
_PAIR: Final = 25_000_000
"""Bytes that a plain comparison takes: 20 million measured."""
_GUIDED: Final = 18
"""Bytes that a guided comparison takes per feature of one photo times feature of the other: 17 measured."""


_FUSED: Final = 10
"""Bytes that fusion takes per pixel of the largest view, for its photo, beside what it maps into memory."""
_FUSED_COLUMN: Final = 20_000
"""Bytes that it takes per column of that view, for the points of the rows at hand."""
_CACHED: Final = 0.5
"""Of the memory that is left, for COLMAP's cache in patch match."""
_LEAST_CACHE: Final = 500_000_000


@dataclass(frozen=True, kw_only=True)
class Threads:
    """How many threads a step is to use."""

    count: int
    warning: StageWarning | None = None
    """When that is less than there are processors."""


def extraction_threads(
    sizes: Iterable[tuple[int, int]], preset: Preset, device: Device, *, cpus: int, memory: int
) -> Threads:
    """How many photos of these sizes (width, height; pixels) to extract features from at once.

    As many as there are processors, unless `memory` (bytes) has no room for so many. On a GPU its own memory counts.
    Raises StageFailure(OUT_OF_MEMORY), with how much is needed, when there is no room for one: at once, instead of
    later by the kernel.
    """
    if device is Device.CUDA:
        return Threads(count=cpus)
    known = list(sizes)
    scaled = max((_scaled_pixels(width, height, preset.max_image_size) for width, height in known), default=0)
    largest = max((width * height for width, height in known), default=0)
    need = _Need("Extracting features", fixed=_RESERVE + _WAITING * largest, a_thread=_PYRAMID * max(scaled, 1))
    return need.fitted(cpus, memory)


def matching_threads(features: Iterable[int], preset: Preset, device: Device, *, cpus: int, memory: int) -> Threads:
    """How many pairs of photos with these numbers of features to compare at once; as `extraction_threads`."""
    if device is Device.CUDA:
        return Threads(count=cpus)
    first, second = [0, 0, *sorted(features)][-2:]
    a_pair = max(_PAIR, _GUIDED * first * second) if preset.guided_matching else _PAIR
    return _Need("Comparing photos", fixed=_RESERVE, a_thread=a_pair).fitted(cpus, memory)


def patch_match_cache(memory: int) -> float:
    """How many gigabytes of photos and maps COLMAP's patch match may hold beside what the GPU holds.

    COLMAP would take 32 whatever there is.
    """
    return max((memory - _RESERVE) * _CACHED, _LEAST_CACHE) / 1e9


def patch_match_images(beside: int, memory: int) -> int:
    """Bytes of photos that our patch match may keep, when it takes `beside` bytes for one view.

    Raises StageFailure(OUT_OF_MEMORY), with how much is needed, when there is no room for one view.
    """
    left = memory - _RESERVE - beside
    if left < 0:
        raise too_little_memory("Computing the depth of photos", _RESERVE + beside, memory)
    return left


def check_fusion(sizes: Iterable[tuple[int, int]], *, memory: int) -> None:
    """See that maps of these sizes (width, height; pixels) can be fused with `memory` (bytes), however many they are.

    Raises StageFailure(OUT_OF_MEMORY), with how much is needed, when they cannot: before they are made, and not after.
    """
    needed = _RESERVE + max((_FUSED * width * height + _FUSED_COLUMN * width for width, height in sizes), default=0)
    if needed > memory:
        raise too_little_memory("Fusing depth maps", needed, memory)


def _scaled_pixels(width: int, height: int, max_image_size: int) -> int:
    scale = min(1.0, max_image_size / max(width, height))
    return int(width * height * scale * scale)


@dataclass(frozen=True)
class _Need:
    """What a step takes of memory, in bytes."""

    step: str
    fixed: int
    a_thread: int

    def fitted(self, cpus: int, memory: int) -> Threads:
        count = min(cpus, (memory - self.fixed) // self.a_thread)
        if count < 1:
            raise too_little_memory(self.step, self.fixed + self.a_thread, memory)
        return Threads(count=count, warning=self._fewer(count, cpus, memory) if count < cpus else None)

    def _fewer(self, count: int, cpus: int, memory: int) -> StageWarning:
        needed = gib(self.fixed + cpus * self.a_thread)
        return StageWarning(
            reason="FewerThreads",
            message=f"{self.step} used {count} of {cpus} processors, because more do not fit into {gib(memory)} of "
            f"memory: the result is the same, but later. spec.stages.reconstruct.resources.limits.memory of {needed} "
            "has room for all.",
        )


def too_little_memory(step: str, needed: int, memory: int) -> StageFailure:
    """A step needs more bytes than the container has; the operator tries again with more."""
    return StageFailure(
        Reason.OUT_OF_MEMORY,
        f"{step} of this size at this quality needs {gib(needed)} of memory, and the container has {gib(memory)}.",
        f"Raise spec.stages.reconstruct.resources.limits.memory to {gib(needed)} or more, or choose a lower "
        "spec.reconstruction.quality.",
        exit_code=ExitCode.NEEDS_MORE,
    )
