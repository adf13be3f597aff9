"""The operator killed after every single write of a run, and started again: always the same end, never a second Job."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from pointcloud_api.names import PLURAL, StageName
from pointcloud_api.stages import Figures
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator
from tests.integration.operator.interceptor import Interceptor, intercept
from tools.cluster.controlplane import ControlPlane

FIGURES = Figures(images_found=19, images_usable=18, images_registered=7, points=6427)


@pytest.fixture
def interceptor(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Interceptor]:
    with intercept(control_plane, tmp_path / "kubeconfig") as interceptor:
        yield interceptor


@pytest.fixture
def fragile(operator_process: Operator, interceptor: Interceptor, tmp_path: Path) -> Iterator[Operator]:
    """An operator that reaches the API server through the interceptor; the other one rests meanwhile."""
    del interceptor  # has to be there first
    operator_process.kill()
    environment = {**operator_process.environment, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    operator = replace(operator_process, environment=environment, process=None)
    yield operator
    operator.kill()


def survive(operator: Operator, interceptor: Interceptor, run: "Run", *, crash_after: int) -> bool:
    """Run a job to its end with one crash; False when the run is over before that write comes."""
    fallen = Event()

    def strike() -> None:
        operator.kill()
        fallen.set()

    operator.ensure()
    interceptor.arm(crash_after, strike)
    playing = Thread(target=run.play, daemon=True)
    playing.start()
    until(lambda: fallen.is_set() or not playing.is_alive(), "the crash, or the end")
    if fallen.is_set():
        operator.start()
        playing.join(60)
    assert not playing.is_alive(), f"stuck after a crash after {interceptor.writes}"
    assert run.failure is None, f"after a crash after {interceptor.writes}: {run.failure}"
    return fallen.is_set()


class Run:
    """One PointcloudJob from its creation to its success, with the kubelet played."""

    def __init__(self, namespace: Namespace, kubelet: Kubelet, name: str) -> None:
        self.namespace, self.kubelet, self.name = namespace, kubelet, name
        self.failure: BaseException | None = None

    def play(self) -> None:
        try:
            self.namespace.submit(self.name)
            for stage in StageName:
                self.kubelet.succeed(self.namespace, self.name, stage, figures=FIGURES)
            until(self.settled, "success")
        except BaseException as error:  # noqa: BLE001 - asserted upon by the test
            self.failure = error

    def settled(self) -> bool:
        return bool(self.namespace.job(self.name).get("status", {}).get("phase") == "Succeeded")

    def outcome(self) -> Json:
        """The status without what differs from run to run: times, keys and names made of them."""
        status = self.namespace.job(self.name)["status"]
        for condition in status["conditions"]:
            condition.pop("lastTransitionTime")
            condition["message"] = condition["message"].replace(self.name, "x")
        status["url"] = status["url"].replace(self.name, "x")
        status["progress"]["message"] = status["progress"]["message"].replace(self.name, "x")
        kept = ("phase", "stage", "url", "images", "points", "progress", "conditions", "observedGeneration")
        stages = [{k: stage[k] for k in ("name", "phase", "attempt", "settings")} for stage in status["stages"]]
        return {**{k: status[k] for k in kept}, "stages": stages}

    def jobs(self) -> list[str]:
        found = self.namespace.api.items(self.namespace.path("/apis/batch/v1", "jobs"))
        return [job["metadata"]["name"] for job in found if job["metadata"]["name"].startswith(f"{self.name}-")]


def test_killed_after_every_write_it_arrives_at_the_same_end(
    fragile: Operator, interceptor: Interceptor, namespace: Namespace, kubelet: Kubelet
) -> None:
    undisturbed = Run(namespace, kubelet, "undisturbed")
    assert not survive(fragile, interceptor, undisturbed, crash_after=10_000)
    writes = list(interceptor.writes)
    assert sum(f"/{PLURAL}/" in write for write in writes) >= 4, writes
    assert sum("/jobs" in write for write in writes) == 3, writes

    crashes = 0
    for write in range(1, len(writes) + 1):
        run = Run(namespace, kubelet, f"write-{write}")
        crashes += survive(fragile, interceptor, run, crash_after=write)
        assert run.outcome() == undisturbed.outcome(), f"after a crash after {interceptor.writes[:write]}"
        assert len(run.jobs()) == 3, f"after a crash after {interceptor.writes[:write]}: {run.jobs()}"
    assert crashes >= len(writes) - 1, "hardly any write was struck"
