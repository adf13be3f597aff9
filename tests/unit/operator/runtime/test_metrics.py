"""Which stages ended between two statuses, and what is rendered."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase, PointcloudJobStatus, StageStatus
from pointcloud_operator.runtime.metrics import Metrics, ends

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGUN + timedelta(minutes=10)


def status(phase: Phase, *, attempt: int = 1, started: bool = True, completed: datetime | None = None) -> Any:
    record = StageStatus(
        name=StageName.RECONSTRUCT,
        key="0123456789",
        settings={},
        job="j",
        phase=phase,
        attempt=attempt,
        start_time=BEGUN if started else None,
        completion_time=completed,
    )
    return PointcloudJobStatus(stages=(record,))


def test_a_stage_ends_once() -> None:
    running, succeeded = status(Phase.RUNNING), status(Phase.SUCCEEDED, completed=BEGUN + timedelta(seconds=90))
    assert list(ends(running, succeeded, NOW)) == [(StageName.RECONSTRUCT, "succeeded", 90.0)]
    assert list(ends(succeeded, succeeded, NOW)) == []


def test_a_failed_stage_ends_now() -> None:
    assert list(ends(status(Phase.RUNNING), status(Phase.FAILED), NOW)) == [(StageName.RECONSTRUCT, "failed", 600.0)]


def test_the_next_attempts_end_is_another_one() -> None:
    before, after = status(Phase.FAILED), status(Phase.FAILED, attempt=2)
    assert [outcome for _, outcome, _ in ends(before, after, NOW)] == ["failed"]


def test_a_stage_that_never_ran_has_no_duration() -> None:
    before = PointcloudJobStatus()
    assert list(ends(before, status(Phase.SUCCEEDED, started=False, completed=NOW), NOW)) == []


class Cluster:
    """Two PointcloudJobs, one of which is new."""

    leading = True

    def pointcloud_jobs(self) -> Iterable[dict[str, Any]]:
        return [{"status": {"phase": "Succeeded"}}, {}]

    def queue(self) -> tuple[int, float]:
        return 3, 4.5

    def gpu_seconds(self) -> tuple[float, float]:
        return 60.0, 7.0

    def watch_ages(self) -> dict[str, float]:
        return {"jobs": 1.5}


def rendered(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Each sample's value by its name and its labels' values, in the order of the labels' names."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_the_leader_tells_of_the_cluster_and_a_standby_does_not() -> None:
    metrics, cluster = Metrics(), Cluster()
    metrics.watch(cluster)
    figures = rendered(metrics)
    assert figures["pointcloud_operator_leader",] == 1
    assert figures["pointcloud_operator_jobs", "Succeeded"] == 1
    assert figures["pointcloud_operator_jobs", "Pending"] == 1
    assert figures["pointcloud_operator_jobs", "Failed"] == 0
    assert figures["pointcloud_operator_gpu_used_seconds_total",] == 60
    assert figures["pointcloud_operator_gpu_waited_seconds_total",] == 7
    assert figures["pointcloud_operator_queue_depth",] == 3
    cluster.leading = False
    figures = rendered(metrics)
    assert figures["pointcloud_operator_leader",] == 0
    assert not {"pointcloud_operator_jobs", "pointcloud_operator_gpu_used_seconds_total"} & {
        name for name, *_ in figures
    }
    assert figures["pointcloud_operator_watch_age_seconds", "jobs"] == 1.5


def test_what_happens_is_counted() -> None:
    metrics = Metrics()
    metrics.answered("PUT", "409")
    metrics.answered("PUT", "409")
    metrics.reconciled("superseded", 0.2)
    metrics.taken(0.004)
    metrics.written(status(Phase.RUNNING), status(Phase.SUCCEEDED, completed=NOW), NOW)
    figures = rendered(metrics)
    assert figures["pointcloud_operator_api_requests_total", "409", "PUT"] == 2
    assert figures["pointcloud_operator_reconcile_duration_seconds_count", "superseded"] == 1
    assert figures["pointcloud_operator_queue_latency_seconds_count",] == 1
    assert figures["pointcloud_operator_stage_duration_seconds_sum", "succeeded", "reconstruct"] == 600
