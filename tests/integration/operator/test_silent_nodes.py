"""A node that falls silent: its pods are taken for gone after a while, and the Job controller replaces them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointcloud_api.names import StageName
from tests.fixtures.store import StoreServer
from tests.integration.conftest import Api, Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator, configuration, make_operator
from tests.integration.operator.test_lifecycle import jobs
from tools.cluster.controlplane import ControlPlane


@pytest.fixture(autouse=True)
def hasty(api: Api, control_plane: ControlPlane, store: StoreServer, tmp_path: Path) -> Iterator[Operator]:
    """An operator that gives a pod up a second after its grace period."""
    del api  # the resource has to be there
    hasty = make_operator(tmp_path, control_plane.kubeconfig, {**configuration(store.url), "forceDeleteSeconds": 1})
    hasty.start()
    yield hasty
    hasty.kill()
    sys.stdout.write(hasty.log.read_text())


def silenced(namespace: Namespace, kubelet: Kubelet, name: str) -> Json:
    """The stage's pod, whose deletion its kubelet never confirms: as of a node from which it was evicted in vain."""
    pod = kubelet.bound(namespace, name, StageName.INGEST)
    kubelet.run(pod)
    path = namespace.path("/api/v1", "pods", pod["metadata"]["name"])
    until(lambda: namespace.job(name)["status"]["phase"] == "Running", "its start to be known")
    answer = namespace.api.http.request("DELETE", path, json={"gracePeriodSeconds": 1})
    assert answer.is_success, answer.text
    return pod


def test_its_pod_is_replaced_and_counts_as_no_retry(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    lost = silenced(namespace, kubelet, "ruin")
    successor = kubelet.bound(namespace, "ruin", StageName.INGEST)
    assert successor["metadata"]["uid"] != lost["metadata"]["uid"]
    (job,) = jobs(namespace)
    assert job["metadata"]["uid"] == successor["metadata"]["ownerReferences"][0]["uid"]
    pods = kubelet.pods(namespace, "ruin", StageName.INGEST)
    assert [pod["metadata"]["uid"] for pod in pods] == [successor["metadata"]["uid"]]
    disruptions = until(lambda: namespace.job("ruin")["status"]["stages"][0].get("disruptions"), "the account of it")
    assert [(each["podUid"], each["reason"]) for each in disruptions] == [(lost["metadata"]["uid"], "NodeLost")]
    assert namespace.job("ruin")["status"]["stages"][0].get("retries", 0) == 0
