"""The control plane that the integration tests stand on is a real one, and is gone when they are."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tools.cluster import build
from tools.cluster.controlplane import ControlPlane
from tools.cluster.errors import ClusterError
from tools.cluster.host import command
from tools.cluster.processes import process_identity, wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(tmp_path_factory.mktemp("control-plane")) as cluster:
        yield cluster


def kubectl(cluster: ControlPlane, *arguments: str) -> str:
    return command([str(build.programs() / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), *arguments])


def test_two_side_by_side_know_nothing_of_each_other(cluster: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane.start(tmp_path) as other:
        kubectl(cluster, "create", "namespace", "first")
        kubectl(other, "create", "namespace", "second")
        assert cluster.api.get("/api/v1/namespaces/first")
        assert other.api.get("/api/v1/namespaces/second")
        assert cluster.api.get("/api/v1/namespaces/second") is None
        assert other.api.get("/api/v1/namespaces/first") is None


def test_its_controllers_make_the_pods_of_a_job(cluster: ControlPlane) -> None:
    kubectl(cluster, "create", "job", "work", "--image=anything")
    pods = "/api/v1/namespaces/default/pods?labelSelector=job-name%3Dwork"
    wait_until(lambda: bool(cluster.api.get(pods)["items"]), what="the Job's pod", seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("component", ["etcd", "kube-apiserver"])
def test_objects_outlive_a_crash(cluster: ControlPlane, component: str) -> None:
    kubectl(cluster, "create", "configmap", f"before-{component}-died")
    cluster.kill(component)
    cluster.restart(component)
    path = f"/api/v1/namespaces/default/configmaps/before-{component}-died"
    wait_until(lambda: cluster.api.get(path) is not None, what="the object to be there again", seconds=PATIENCE_SECONDS)


def test_ensure_starts_what_has_died_and_nothing_else(cluster: ControlPlane) -> None:
    pids = {daemon.name: daemon.pid() for daemon in cluster.daemons()}
    cluster.kill("kube-scheduler")
    cluster.ensure()
    changed = {daemon.name for daemon in cluster.daemons() if daemon.pid() != pids[daemon.name]}
    assert changed == {"kube-scheduler"}


def test_a_token_for_another_service_is_worthless_at_the_api_server(cluster: ControlPlane) -> None:
    def authenticated(token: str) -> bool:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        create = [str(build.programs() / "kubectl"), "--kubeconfig", str(cluster.kubeconfig)]
        answer = command([*create, "create", "--filename=-", "--output=json"], stdin=json.dumps(review))
        return bool(json.loads(answer)["status"].get("authenticated", False))

    assert authenticated(kubectl(cluster, "create", "token", "default").strip())
    assert not authenticated(kubectl(cluster, "create", "token", "default", "--audience=pointcloud-store").strip())


def test_a_component_that_cannot_start_is_named_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "etcd").write_text("a file where etcd wants its folder")
    with pytest.raises(ClusterError, match=r"(?s)etcd has died; the last lines of .*etcd\.log:.*not a directory"):
        ControlPlane.start(tmp_path)


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tools.cluster.controlplane import ControlPlane\n"
        f"cluster = ControlPlane.start(Path({str(tmp_path)!r}))\n"
        "print(*[daemon.pid() for daemon in cluster.daemons()], flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 4
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(process_identity, pids)), what="the components to end", seconds=PATIENCE_SECONDS)
