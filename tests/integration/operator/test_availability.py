"""Two replicas of the operator: one acts, the other takes over, and never do both."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from pointcloud_api.names import MANAGER, StageName
from pointcloud_api.stages import Termination
from tests.fixtures.store import StoreServer
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator, configuration, make_operator, result_of
from tests.integration.operator.recorder import Recorder, recording
from tests.integration.operator.test_lifecycle import INGESTED, RECONSTRUCTED, jobs, phase
from tools.cluster.controlplane import ControlPlane

TAKEOVER_SECONDS = 15


@dataclass
class Replica:
    """One of several operators, and what it asks the API server."""

    operator: Operator
    recorder: Recorder

    @property
    def pid(self) -> int:
        assert self.operator.process is not None
        return self.operator.process.pid

    def ready(self) -> bool:
        return self.operator.says("readyz")

    def leads(self) -> bool:
        page = self.operator.page("metrics")
        return page is not None and "pointcloud_operator_leader 1.0" in page.text

    def ended(self) -> bool:
        assert self.operator.process is not None
        return self.operator.process.poll() is not None


@pytest.fixture
def replicas(
    control_plane: ControlPlane, store: StoreServer, namespace: Namespace, tmp_path: Path
) -> Iterator[tuple[Replica, Replica]]:
    """The one that leads, and the one that waits."""
    with ExitStack() as stack:
        both = [_replica(stack, control_plane, store, namespace, tmp_path / name) for name in ("a", "b")]
        both[0].operator.start()
        until(both[0].leads, "the first to lead")
        both[1].operator.start()
        until(both[1].ready, "the second to be ready")
        yield both[0], both[1]


def _replica(stack: ExitStack, plane: ControlPlane, store: StoreServer, namespace: Namespace, folder: Path) -> Replica:
    folder.mkdir()
    recorder = stack.enter_context(recording(plane, folder / "kubeconfig", namespace=namespace.name))
    operator = make_operator(folder, folder / "kubeconfig", configuration(store.url))
    operator.environment["POINTCLOUD_NAMESPACE"] = namespace.name
    stack.callback(lambda: sys.stdout.write(operator.log.read_text()))
    stack.callback(operator.kill)
    return Replica(operator, recorder)


def lease(namespace: Namespace) -> Json:
    found = namespace.api.get(namespace.path("/apis/coordination.k8s.io/v1", "leases", MANAGER))
    assert found is not None
    spec: Json = found["spec"]
    return spec


def test_a_replica_that_waits_is_ready_and_does_nothing(
    replicas: tuple[Replica, Replica], namespace: Namespace, kubelet: Kubelet
) -> None:
    leader, standby = replicas
    namespace.submit("ruin")
    kubelet.bound(namespace, "ruin", StageName.INGEST)
    assert leader.recorder.writes
    assert not standby.recorder.writes
    assert not standby.leads()
    assert standby.ready()


def test_it_takes_over_when_the_leader_is_killed_and_makes_nothing_twice(
    replicas: tuple[Replica, Replica], namespace: Namespace, kubelet: Kubelet
) -> None:
    leader, standby = replicas
    namespace.submit("ruin")
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=INGESTED)
    pod = kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT)
    renewed = lease(namespace)["renewTime"]
    until(lambda: lease(namespace)["renewTime"] != renewed, "a renewal, the worst moment to die after")
    leader.operator.kill()
    renewed = lease(namespace)["renewTime"]
    kubelet.run(pod)
    until(lambda: standby.recorder.writes, "the other to act")
    assert _seconds(lease(namespace)["acquireTime"]) - _seconds(renewed) < TAKEOVER_SECONDS
    result = result_of(pod, StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.end(pod, exit_code=0, message=Termination(result=result).encode())
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, "ruin") == "Succeeded", "success")
    assert len(jobs(namespace)) == 3
    assert lease(namespace)["leaseTransitions"] == 1


def test_a_leader_that_was_paused_and_goes_on_does_not_act(
    replicas: tuple[Replica, Replica], namespace: Namespace, kubelet: Kubelet
) -> None:
    leader, standby = replicas
    namespace.submit("ruin")
    pod = kubelet.bound(namespace, "ruin", StageName.INGEST)
    os.kill(leader.pid, signal.SIGSTOP)
    kubelet.run(pod)  # something to do for both: its watch holds it for the one that is paused
    until(standby.leads, "the other to lead")
    until(lambda: phase(namespace, "ruin") == "Running", "the other to act")
    written, renewals = leader.recorder.writes, leader.recorder.calls["update leases"]
    os.kill(leader.pid, signal.SIGCONT)
    until(leader.ended, "the end of the one that was paused")
    assert leader.recorder.writes == written
    assert leader.recorder.calls["update leases"] == renewals, "it knows by the clock, and asks nobody"
    assert standby.leads()


def test_a_leader_that_is_asked_to_end_hands_over_at_once(
    replicas: tuple[Replica, Replica], namespace: Namespace
) -> None:
    leader, standby = replicas
    os.kill(leader.pid, signal.SIGTERM)
    until(leader.ended, "its end")
    until(standby.leads, "the other to lead")
    spec = lease(namespace)
    assert spec["leaseTransitions"] == 1
    until(lambda: lease(namespace)["renewTime"] != spec["renewTime"], "a renewal")
    assert _seconds(lease(namespace)["renewTime"]) > _seconds(spec["acquireTime"])


def test_a_leader_whose_lease_somebody_else_holds_ends(replicas: tuple[Replica, Replica], namespace: Namespace) -> None:
    leader, standby = replicas
    path = namespace.path("/apis/coordination.k8s.io/v1", "leases", MANAGER)
    namespace.api.patch(path, {"spec": {"holderIdentity": "somebody-else"}})
    until(leader.ended, "the end of the one that has lost it")
    until(standby.leads, "the other to lead once that somebody does not renew it")


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
