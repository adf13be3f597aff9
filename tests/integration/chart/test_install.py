"""The chart and the manifests install into a namespace whose Pod Security is restricted, and leave what is people's."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import until
from tools.cluster.build import programs
from tools.cluster.controlplane import ControlPlane

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = "pointcloud-system"


class Cluster:
    """A control plane of the test's own, as an administrator with kubectl and helm has it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig

    def run(self, program: str, *words: str) -> str:
        command = [str(programs() / program), "--kubeconfig", str(self._kubeconfig), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def items(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("kubectl", "get", kind, "-n", SYSTEM, "-o", "json"))["items"]
        return found

    def components_with_pods(self) -> set[str]:
        return {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in self.items("pods")}

    def wait_for_pods(self) -> None:
        """The pods exist, so they were admitted: a control plane alone starts none."""
        until(lambda: self.components_with_pods() == {"operator", "gateway"}, "pods of both Deployments")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ControlPlane.start(tmp_path) as control_plane:
        cluster = Cluster(control_plane.kubeconfig)
        cluster.run("kubectl", "apply", "--filename", str(ROOT / "manifests/namespace.yaml"))
        yield cluster


def test_kustomize_installs_it(cluster: Cluster) -> None:
    cluster.run("kubectl", "apply", "--server-side", "--kustomize", str(ROOT / "manifests"))
    cluster.wait_for_pods()


def test_helm_installs_it_and_upgrades_it_and_leaves_jobs_and_clouds_when_it_goes(cluster: Cluster) -> None:
    release = ("pointcloud-operator", str(ROOT / "charts/pointcloud-operator"), "--namespace", SYSTEM)
    cluster.run("helm", "install", *release)
    cluster.wait_for_pods()
    cluster.run("helm", "upgrade", *release, "--set", "retryLimit=4")
    (config,) = (item for item in cluster.items("configmaps") if item["metadata"]["name"] == "pointcloud-operator")
    assert "retryLimit: 4" in config["data"]["config.yaml"]
    cluster.run("helm", "uninstall", "pointcloud-operator", "--namespace", SYSTEM)
    assert cluster.items("deployments") == []
    assert [claim["metadata"]["name"] for claim in cluster.items("persistentvolumeclaims")] == [
        "pointcloud-operator-store"
    ]
    cluster.run("kubectl", "get", "pointcloudjobs", "--all-namespaces")
    cluster.run("helm", "install", *release)


def test_the_service_accounts_may_do_what_they_must_and_no_more(cluster: Cluster) -> None:
    cluster.run("kubectl", "apply", "--server-side", "--kustomize", str(ROOT / "manifests"))

    def may(account: str) -> set[tuple[str, str]]:
        user = f"system:serviceaccount:{SYSTEM}:{account}"
        table = cluster.run("kubectl", "auth", "can-i", "--list", "--no-headers", "-n", "elsewhere", "--as", user)
        rows = [line.split() for line in table.splitlines()]
        return {(row[0], " ".join(row[3:])) for row in rows if not row[0].startswith(("[", "self"))}

    assert may("pointcloud-operator-gateway") == {
        ("pointcloudjobs.stitchsketch.io", "[get list watch create patch delete]"),
        ("tokenreviews.authentication.k8s.io", "[create]"),
        ("subjectaccessreviews.authorization.k8s.io", "[create]"),
        ("pods", "[list]"),
        ("pods/log", "[get]"),
    }
    assert may("pointcloud-operator") == {
        ("pointcloudjobs.stitchsketch.io", "[get list watch patch delete]"),
        ("pointcloudjobs.stitchsketch.io/status", "[get patch update]"),
        ("pointcloudjobs.stitchsketch.io/finalizers", "[update]"),
        ("jobs.batch", "[get list watch create delete]"),
        ("pods", "[get list watch delete]"),
        ("pods/status", "[patch]"),
        ("pods/log", "[get]"),
        ("events", "[create patch list]"),
    }
