"""What an operator writes that acts on what it saw a while ago: the API server refuses it, and nothing is harmed."""

from collections.abc import AsyncIterator

import pytest
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import load_kube_config

from pointcloud_api.names import API_VERSION, ARTEFACTS_FINALIZER, KIND
from pointcloud_api.resource import Phase, PointcloudJobStatus
from pointcloud_kube.api import ApiError, ApiServer
from pointcloud_operator.model.decision import JobReference
from pointcloud_operator.runtime.actions import Actions, Gone, Superseded
from tests.integration.conftest import Json, Namespace, until
from tools.cluster.controlplane import ControlPlane

RUNNING = PointcloudJobStatus(phase=Phase.RUNNING)


@pytest.fixture
async def actions(control_plane: ControlPlane) -> AsyncIterator[Actions]:
    await load_kube_config(config_file=str(control_plane.kubeconfig))  # type: ignore[no-untyped-call]
    api = ApiServer(ApiClient())
    yield Actions(api)
    await api.close()


@pytest.fixture
def seen(namespace: Namespace) -> Json:
    """A PointcloudJob as it was before somebody changed it."""
    before = namespace.submit("ruin")
    namespace.api.patch(namespace.job_path("ruin"), {"spec": {"suspend": True}})
    return before


@pytest.fixture
def replaced(namespace: Namespace) -> Json:
    """A PointcloudJob in whose place stands another of its name."""
    before = namespace.submit("ruin")
    namespace.api.delete(namespace.job_path("ruin"))
    until(lambda: namespace.api.get(namespace.job_path("ruin")) is None, "it to be gone")
    namespace.submit("ruin")
    return before


async def test_a_late_write_of_the_status_changes_nothing(actions: Actions, namespace: Namespace, seen: Json) -> None:
    with pytest.raises(Superseded):
        await actions.write_status(seen, RUNNING)
    assert "status" not in namespace.job("ruin")
    now = await actions.write_status(namespace.job("ruin"), RUNNING)
    assert now["status"]["phase"] == "Running"
    assert now["spec"]["suspend"]


async def test_a_late_finalizer_is_not_set(actions: Actions, namespace: Namespace, seen: Json) -> None:
    with pytest.raises(Superseded):
        await actions.set_finalizer(seen, wanted=True)
    assert "finalizers" not in namespace.job("ruin")["metadata"]
    now = await actions.set_finalizer(namespace.job("ruin"), wanted=True)
    assert now["metadata"]["finalizers"] == [ARTEFACTS_FINALIZER]
    await actions.set_finalizer(now, wanted=False)


async def test_one_that_was_changed_since_is_not_removed(actions: Actions, namespace: Namespace, seen: Json) -> None:
    with pytest.raises(Superseded):
        await actions.remove(seen)
    assert "deletionTimestamp" not in namespace.job("ruin")["metadata"]


async def test_another_of_the_same_name_is_left_alone(actions: Actions, namespace: Namespace, replaced: Json) -> None:
    with pytest.raises((Gone, Superseded)):
        await actions.write_status(replaced, RUNNING)
    with pytest.raises((Gone, Superseded)):
        await actions.remove(replaced)
    with pytest.raises(Gone):
        await actions.current(replaced)
    found = namespace.job("ruin")
    assert "status" not in found
    assert "deletionTimestamp" not in found["metadata"]


async def test_a_job_of_another_uid_is_not_deleted(actions: Actions, namespace: Namespace) -> None:
    owner = namespace.submit("ruin")
    path = namespace.path("/apis/batch/v1", "jobs")
    named = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": "ruin",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    pod = {"restartPolicy": "Never", "containers": [{"name": "stage", "image": "example.com/stage:1"}]}
    spec = {"suspend": True, "template": {"spec": pod}}
    namespace.api.post(path, {"metadata": {"name": "ours", "ownerReferences": [named]}, "spec": spec})
    namespace.api.post(path, {"metadata": {"name": "theirs"}, "spec": spec})
    await actions.delete_job(owner, JobReference("theirs", None))
    for name in ("ours", "theirs"):
        with pytest.raises(ApiError, match="precondition"):
            await actions.delete_job(owner, JobReference(name, "another"))
    assert {job["metadata"]["name"] for job in namespace.api.items(path)} == {"ours", "theirs"}
    await actions.delete_job(owner, JobReference("ours", None))
    until(lambda: [job["metadata"]["name"] for job in namespace.api.items(path)] == ["theirs"], "ours to be gone")
