"""How long GPUs are used, and how long pods wait for one: accounted from what pods look like, second by second."""

from collections.abc import Iterable
from dataclasses import dataclass

from pointcloud_kube.api import Json
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.observed import PodView


@dataclass
class _Claim:
    """A pod that asks for GPUs, from `since` on in its present state."""

    gpus: float
    running: bool
    since: float


class GpuSeconds:
    """GPU seconds since this process began to look; what pods did before that is another process's account.

    Args:
        resources: Names of the resources that are GPUs, such as nvidia.com/gpu.
    """

    def __init__(self, resources: Iterable[str]) -> None:
        self._resources = frozenset(resources)
        self._claims: dict[str, _Claim] = {}
        self._used = 0.0
        self._waited = 0.0

    def see(self, pod: Json, *, there: bool, now: float) -> None:
        """Takes notice of a pod that has changed.

        Args:
            pod: As it is, or last was.
            there: Whether it still is.
            now: Seconds on a steady clock.
        """
        gpus = self._gpus(pod)
        if not gpus:
            return
        if claim := self._claims.pop(pod["metadata"]["uid"], None):
            self._settle(claim, now)
        view = PodView.of(pod)
        if there and not view.ended and view.exit_code is None:
            self._claims[view.uid] = _Claim(gpus, running=view.running, since=now)

    def totals(self, now: float) -> tuple[float, float]:
        """GPU seconds used and waited so far."""
        for claim in self._claims.values():
            self._settle(claim, now)
        return self._used, self._waited

    def _settle(self, claim: _Claim, now: float) -> None:
        seconds = claim.gpus * (now - claim.since)
        claim.since = now
        if claim.running:
            self._used += seconds
        else:
            self._waited += seconds

    def _gpus(self, pod: Json) -> float:
        limits = (container.get("resources", {}).get("limits", {}) for container in pod["spec"]["containers"])
        return sum(float(amount) for limit in limits for name, amount in limit.items() if name in self._resources)


def gpu_resources(config: InstallConfig) -> frozenset[str]:
    """The extended resources that the install gives a GPU's pods in addition: those are its GPUs."""
    limits = config.stages.reconstruct.gpu.resources.limits
    return frozenset(name for name in limits if "/" in name)
