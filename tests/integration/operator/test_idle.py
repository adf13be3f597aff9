"""An operator with a thousand settled PointcloudJobs: a restart writes nothing, and then it asks for nothing."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.store import StoreServer
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator, configuration, make_operator
from tests.integration.operator.recorder import Recorder, recording
from tests.integration.operator.test_lifecycle import events, succeed
from tools.cluster.controlplane import ControlPlane

COUNT = 1000
RENEWALS = 10
"""Of the Lease, a measure of time that is not a clock: one every two seconds."""


@pytest.fixture
def settled(operator: Operator, namespace: Namespace, kubelet: Kubelet) -> str:
    """So many PointcloudJobs that have succeeded long ago: one in truth, the others with a copy of its status."""
    namespace.submit("first")
    first = succeed(namespace, kubelet, "first")
    until(lambda: any(e["reason"] == "Published" for e in events(namespace, "first")), "the last Event")
    operator.kill()

    def copy(number: int) -> None:
        name = f"copy-{number}"
        made = namespace.submit(name)
        # Keys hold the uid of the first, which is fine: a key is kept as long as its settings compare equal.
        status = json.loads(json.dumps(first["status"]).replace("/first/", f"/{name}/"))
        path = f"{namespace.job_path(name)}/status"
        answer = namespace.api.http.put(path, json={**made, "status": status})
        assert answer.is_success, answer.text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(copy, range(COUNT - 1)))
    return versions(namespace)


def versions(namespace: Namespace) -> str:
    """What changes as soon as one PointcloudJob is written to."""
    found = namespace.api.items(namespace.job_path())
    assert len(found) == COUNT
    return str(sorted((job["metadata"]["name"], job["metadata"]["resourceVersion"]) for job in found))


@pytest.fixture
def recorder(control_plane: ControlPlane, namespace: Namespace, tmp_path: Path) -> Iterator[Recorder]:
    with recording(control_plane, tmp_path / "kubeconfig", namespace=namespace.name) as recorder:
        yield recorder


@pytest.fixture
def restarted(
    settled: str, recorder: Recorder, store: StoreServer, namespace: Namespace, tmp_path: Path
) -> Iterator[Operator]:
    """An operator that has looked at each of them."""
    del settled, recorder  # have to be there
    operator = make_operator(tmp_path, tmp_path / "kubeconfig", configuration(store.url))
    operator.environment["POINTCLOUD_NAMESPACE"] = namespace.name
    operator.start()
    until(lambda: figures(operator).get("pointcloud_operator_reconcile_duration_seconds_count", 0) >= COUNT, "a look")
    yield operator
    sys.stdout.write(operator.log.read_text())
    operator.kill()


def figures(operator: Operator) -> dict[str, float]:
    """The operator's metrics, by name, summed over their labels."""
    found: dict[str, float] = {}
    page = operator.page("metrics")
    if page is None:
        return found
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_a_restart_writes_nothing_and_then_nothing_is_asked(
    restarted: Operator, settled: str, recorder: Recorder, namespace: Namespace
) -> None:
    assert not recorder.writes
    assert versions(namespace) == settled
    before, used = recorder.calls, figures(restarted)["process_cpu_seconds_total"]

    def since() -> Json:
        return {kind: count - before[kind] for kind, count in recorder.calls.items() if count > before[kind]}

    until(lambda: since().get("update leases", 0) >= RENEWALS, "time to pass")
    assert set(since()) == {"update leases"}
    figured = figures(restarted)
    print(
        f"{COUNT} settled: {figured['process_resident_memory_bytes'] / 2**20:.0f} MiB, "
        f"{used:.1f} s of CPU to start, then {figured['process_cpu_seconds_total'] - used:.2f} s in {RENEWALS * 2} s; "
        f"to start it asked {dict(sorted(before.items()))}"
    )
