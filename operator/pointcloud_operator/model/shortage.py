"""A pod that had too little memory or scratch, and what its stage's next attempt has."""

import re
from dataclasses import dataclass

from pointcloud_api.resource import PointcloudJob, StageStatus
from pointcloud_api.stages import ExitCode, Reason
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.growth import listed
from pointcloud_operator.model.observed import PodView
from pointcloud_operator.model.quantities import amount, quantity
from pointcloud_operator.model.resources import memory_growth, scratch_growth


@dataclass(frozen=True)
class Raise:
    """That the next attempt has more."""

    reason: Reason
    """What there was too little of: OutOfMemory or OutOfScratch."""
    had: str
    has: str


def shortage(pod: PodView) -> Reason | None:
    """Of what a pod that failed had too little: OutOfMemory, OutOfScratch or nothing.

    The stage's own word comes first: a child process may be killed for memory while the stage fails of something else.
    """
    if pod.phase != "Failed" or pod.disruption:
        return None
    if error := pod.termination.error:
        return next((r for r in (Reason.OUT_OF_MEMORY, Reason.OUT_OF_SCRATCH) if r == error.reason), None)
    if pod.status.reason == "Evicted" and re.search("ephemeral|emptydir", pod.status.message, re.IGNORECASE):
        return Reason.OUT_OF_SCRATCH
    return Reason.OUT_OF_MEMORY if pod.exit_reason == "OOMKilled" or pod.exit_code == ExitCode.NEEDS_MORE else None


def answer(
    reason: Reason, pod: PodView, job: PointcloudJob, record: StageStatus, config: InstallConfig
) -> Raise | Remedied:
    """More for the next attempt, or why there is no more to give."""
    stage, earlier = record.name, record.earlier_attempts
    if reason is Reason.OUT_OF_MEMORY:
        growth = memory_growth(job, stage, config, earlier)
        told = pod.memory_limit
    else:
        growth = scratch_growth(stage, config, earlier)
        told = pod.scratch_size
    had = amount(told or 0)
    cap = growth.cap if growth else amount(config.stages.of(stage).max_memory)
    if growth and had and (grown := growth.after(had)):
        return Raise(reason, quantity(had), quantity(grown.now))
    tried = listed([*(growth.tried if growth else ()), had]) if had else ()
    most = quantity(max(cap, had))
    if reason is Reason.OUT_OF_MEMORY:
        said = pod.termination.error.message if pod.termination.error else ""
        return diagnosis.out_of_memory(stage, tried, most, said)
    return diagnosis.out_of_scratch(stage, tried, most)
