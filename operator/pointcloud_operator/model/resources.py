"""What the container of an attempt is given: the install's, over it the spec's, and more of what was too little before.

A pod whose requests exceed its limits is refused, so where the spec names one of the two, the install's other follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pointcloud_api.names import StageName
from pointcloud_api.resource import AttemptStatus, PointcloudJob, Quantity
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.growth import Growth
from pointcloud_operator.model.quantities import amount, quantity
from pointcloud_operator.model.variant import variant_of

MEMORY: Final = "memory"
EPHEMERAL_STORAGE: Final = "ephemeral-storage"

_Amounts = dict[str, Quantity]


@dataclass(frozen=True)
class Given:
    """What an attempt's pod is given."""

    limits: _Amounts
    """Of its container."""
    requests: _Amounts
    scratch_size: Quantity

    @property
    def resources(self) -> dict[str, _Amounts]:
        """Limits and requests as a container states them."""
        return {
            kind: dict(sorted(amounts.items()))
            for kind, amounts in (("limits", self.limits), ("requests", self.requests))
            if amounts
        }


def given(job: PointcloudJob, stage: StageName, config: InstallConfig, earlier: Sequence[AttemptStatus]) -> Given:
    """What the attempt after those earlier ones is given."""
    limits, requests = _settled(job, stage, config)
    memory = memory_growth(job, stage, config, earlier)
    if memory and memory.now > memory.base:
        _raise(limits, requests, MEMORY, memory)
    scratch = scratch_growth(stage, config, earlier)
    if scratch.now > scratch.base:
        _raise(limits, requests, EPHEMERAL_STORAGE, scratch)
        return Given(limits, requests, quantity(scratch.now))
    return Given(limits, requests, config.stages.of(stage).scratch_size)


def memory_growth(
    job: PointcloudJob, stage: StageName, config: InstallConfig, earlier: Sequence[AttemptStatus]
) -> Growth | None:
    """How a stage's memory limit grows, None where it has none."""
    base = _settled(job, stage, config)[0].get(MEMORY)
    tried = (attempt.memory for attempt in earlier)
    return Growth.of(base, config.stages.of(stage).max_memory, tried) if base and amount(base) else None


def scratch_growth(stage: StageName, config: InstallConfig, earlier: Sequence[AttemptStatus]) -> Growth:
    """How the size of a stage's scratch grows."""
    settings = config.stages.of(stage)
    return Growth.of(settings.scratch_size, settings.max_scratch_size, (each.scratch_size for each in earlier))


def _settled(job: PointcloudJob, stage: StageName, config: InstallConfig) -> tuple[_Amounts, _Amounts]:
    """Limits and requests by the settings alone."""
    default, variant = config.stages.of(stage).resources, variant_of(job, stage, config).resources
    wished = job.spec.stages.of(stage).resources
    own_limits, own_requests = (wished and wished.limits) or {}, (wished and wished.requests) or {}
    limits = {**default.limits, **variant.limits, **own_limits}
    requests = {**default.requests, **variant.requests, **own_requests}
    for name in limits.keys() & requests.keys():
        if amount(requests[name]) <= amount(limits[name]):
            continue
        if name not in own_requests:
            requests[name] = limits[name]
        elif name not in own_limits:
            limits[name] = requests[name]
    return limits, requests


def _raise(limits: _Amounts, requests: _Amounts, name: str, growth: Growth) -> None:
    """Raises a limit, if there is one, to what it has grown to, and the request to what was too little."""
    if name in limits:
        limits[name] = quantity(max(amount(limits[name]), growth.now))
    short = max((had for had in growth.tried if had < growth.now), default=Decimal(0))
    requests[name] = quantity(max(amount(requests.get(name, 0)), short))
