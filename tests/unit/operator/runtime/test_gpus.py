"""GPU seconds by what pods look like, on a clock of the test's."""

from typing import Any

from pointcloud_operator.runtime.gpus import GpuSeconds

Json = dict[str, Any]


def pod(state: str, *, gpus: int = 1, uid: str = "p") -> Json:
    """A pod that waits, runs, has ended in its container, or has ended."""
    started = "2026-01-01T00:00:00Z"
    states: dict[str, Json] = {
        "waiting": {"waiting": {"reason": "ContainerCreating"}},
        "running": {"running": {"startedAt": started}},
        "ended": {"terminated": {"exitCode": 0, "startedAt": started, "finishedAt": started}},
    }
    phase = {"waiting": "Pending", "running": "Running", "ended": "Succeeded"}[state]
    container = {"name": "stage", "resources": {"limits": {"nvidia.com/gpu": gpus, "memory": "1Gi"} if gpus else {}}}
    return {
        "metadata": {"name": uid, "uid": uid, "creationTimestamp": started},
        "spec": {"containers": [container]},
        "status": {"phase": phase, "containerStatuses": [{"name": "stage", "state": states[state]}]},
    }


def accounted(*seen: tuple[float, Json], until: float) -> tuple[float, float]:
    gpus = GpuSeconds({"nvidia.com/gpu"})
    for now, each in seen:
        gpus.see(each, there=True, now=now)
    return gpus.totals(until)


def test_a_pod_waits_then_uses_then_counts_no_more() -> None:
    seen = (0.0, pod("waiting")), (10.0, pod("running")), (70.0, pod("running")), (100.0, pod("ended"))
    assert accounted(*seen[:1], until=5) == (0, 5)
    assert accounted(*seen[:3], until=80) == (70, 10)
    assert accounted(*seen, until=500) == (90, 10)


def test_each_gpu_counts() -> None:
    assert accounted((0, pod("running", gpus=4)), (0, pod("running", uid="other")), until=10) == (50, 0)


def test_a_pod_without_a_gpu_counts_nothing() -> None:
    assert accounted((0, pod("running", gpus=0)), until=10) == (0, 0)


def test_a_pod_that_had_ended_before_anybody_looked_counts_nothing() -> None:
    assert accounted((0, pod("ended")), until=10) == (0, 0)


def test_a_pod_that_vanishes_counts_until_then() -> None:
    gpus = GpuSeconds({"nvidia.com/gpu"})
    gpus.see(pod("running"), there=True, now=0)
    gpus.see(pod("running"), there=False, now=10)
    assert gpus.totals(100) == (10, 0)


def test_asking_in_between_changes_nothing() -> None:
    gpus = GpuSeconds({"nvidia.com/gpu"})
    gpus.see(pod("running"), there=True, now=0)
    assert [gpus.totals(now) for now in (1, 2, 3)] == [(1, 0), (2, 0), (3, 0)]
