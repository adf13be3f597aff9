"""The operator's figures for Prometheus. No label holds an object's name: series would grow without bound."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase, PointcloudJobStatus
from pointcloud_kube.api import Json

_PREFIX: Final = "pointcloud_operator"
_STAGE_BUCKETS: Final = (1, 5, 15, 60, 150, 300, 600, 1800, 3600, 7200, 14400, 43200)
_WAIT_BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 15, 60, 300)
_ENDS: Final = {Phase.SUCCEEDED: "succeeded", Phase.FAILED: "failed"}


class Source(Protocol):
    """What is counted when somebody asks, rather than when it happens."""

    leading: bool
    """Only the leader tells of the cluster: from two replicas everything would be told twice."""

    def pointcloud_jobs(self) -> Iterable[Json]:
        """Every PointcloudJob."""

    def queue(self) -> tuple[int, float]:
        """How many keys wait, and seconds for which the oldest has waited or been worked on."""

    def gpu_seconds(self) -> tuple[float, float]:
        """GPU seconds used and waited."""

    def watch_ages(self) -> dict[str, float]:
        """Seconds since each watch was heard of, by the plural of what it brings."""


class Metrics:
    """Counts what happens, and renders it with what is counted on demand."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, of no use here
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._api_requests = Counter(
            f"{_PREFIX}_api_requests",
            "Requests to the API server; a watch counts once, as WATCH. Code is error where no answer came.",
            ["verb", "code"],
            registry=self._registry,
        )
        self._reconciles = Histogram(
            f"{_PREFIX}_reconcile_duration_seconds",
            "One look at one PointcloudJob with all that followed from it: done, superseded (it had changed), refused "
            "(by the API server or the store) or failed.",
            ["outcome"],
            buckets=_WAIT_BUCKETS,
            registry=self._registry,
        )
        self._queue_waits = Histogram(
            f"{_PREFIX}_queue_latency_seconds",
            "How long PointcloudJobs waited in the queue to be looked at.",
            buckets=_WAIT_BUCKETS,
            registry=self._registry,
        )
        self._stages = Histogram(
            f"{_PREFIX}_stage_duration_seconds",
            "From the first start of a stage's pod to the stage's end.",
            ["stage", "outcome"],
            buckets=_STAGE_BUCKETS,
            registry=self._registry,
        )
        self._leader = Gauge(f"{_PREFIX}_leader", "1 on the replica that acts, 0 on others.", registry=self._registry)
        for stage in StageName:
            for outcome in _ENDS.values():
                self._stages.labels(stage, outcome)

    def answered(self, method: str, code: str) -> None:
        """The API server has answered, or has not."""
        self._api_requests.labels(method, code).inc()

    def reconciled(self, outcome: str, seconds: float) -> None:
        """A reconcile is over."""
        self._reconciles.labels(outcome).observe(seconds)

    def taken(self, seconds: float) -> None:
        """A key has left the queue after so long."""
        self._queue_waits.observe(seconds)

    def written(self, before: PointcloudJobStatus, after: PointcloudJobStatus, now: datetime) -> None:
        """A status has been replaced: which happens once for each end of a stage, whatever restarts."""
        for stage, outcome, seconds in ends(before, after, now):
            self._stages.labels(stage, outcome).observe(seconds)

    def watch(self, source: Source) -> None:
        """Tells of what this source has from now on."""
        self._leader.set_function(lambda: float(source.leading))
        self._registry.register(_OnDemand(source))

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


def ends(
    before: PointcloudJobStatus, after: PointcloudJobStatus, now: datetime
) -> Iterator[tuple[StageName, str, float]]:
    """The stages that ended between two statuses, how, and after how many seconds; not those that never ran."""
    for stage in after.stages:
        earlier = before.stage_named(stage.name)
        same = earlier is not None and (earlier.phase, earlier.key, earlier.attempt) == (
            stage.phase,
            stage.key,
            stage.attempt,
        )
        if stage.phase in _ENDS and stage.start_time is not None and not same:
            over = stage.completion_time or now
            yield stage.name, _ENDS[stage.phase], max(0.0, (over - stage.start_time).total_seconds())


class _OnDemand(Collector):
    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        ages = GaugeMetricFamily(
            f"{_PREFIX}_watch_age_seconds",
            "Since a watch was last heard of; the API server sends a bookmark once a minute.",
            labels=["resource"],
        )
        for resource, seconds in self._source.watch_ages().items():
            ages.add_metric([resource], seconds)
        yield ages
        depth, age = self._source.queue()
        yield GaugeMetricFamily(f"{_PREFIX}_queue_depth", "PointcloudJobs that wait to be looked at.", depth)
        yield GaugeMetricFamily(
            f"{_PREFIX}_queue_oldest_seconds", "How long the oldest of them waits, or is being looked at.", age
        )
        if self._source.leading:
            yield self._jobs()
            used, waited = self._source.gpu_seconds()
            yield CounterMetricFamily(f"{_PREFIX}_gpu_used_seconds", "GPU seconds that running pods had.", used)
            yield CounterMetricFamily(f"{_PREFIX}_gpu_waited_seconds", "GPU seconds that pods waited for.", waited)

    def _jobs(self) -> Metric:
        phases = Tally(job.get("status", {}).get("phase", Phase.PENDING) for job in self._source.pointcloud_jobs())
        jobs = GaugeMetricFamily(f"{_PREFIX}_jobs", "PointcloudJobs of the cluster.", labels=["phase"])
        for phase in Phase:
            jobs.add_metric([phase], phases[phase])
        return jobs
