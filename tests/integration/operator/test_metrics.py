"""The operator's figures after a run, as Prometheus would read them."""

import re
from collections import Counter
from functools import partial

from prometheus_client.parser import text_string_to_metric_families

from pointcloud_api.names import GROUP, PLURAL, VERSION, StageName
from pointcloud_api.resource import Phase
from pointcloud_api.stages import Figures, Termination
from tests.integration.conftest import Api, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator, result_of
from tests.integration.operator.test_lifecycle import INGESTED, RECONSTRUCTED, phase

EVERYWHERE = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
Samples = dict[str, dict[frozenset[tuple[str, str]], float]]

NOTHING = Figures()


def samples(operator: Operator) -> Samples:
    """Each figure by its name and labels."""
    page = operator.page("metrics")
    assert page is not None
    assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found: Samples = {}
    for family in text_string_to_metric_families(page.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def value(found: Samples, name: str, **labels: str) -> float:
    return found[f"pointcloud_operator_{name}"].get(frozenset(labels.items()), 0.0)


def agrees(operator: Operator, api: Api) -> bool:
    """Whether it counts the PointcloudJobs that there are: earlier tests' may be going at this moment."""
    there = Counter(job.get("status", {}).get("phase", "Pending") for job in api.items(EVERYWHERE))
    counted = samples(operator)
    return all(value(counted, "jobs", phase=phase) == there[phase] for phase in Phase)


def succeed_in_sight(namespace: Namespace, kubelet: Kubelet, name: str) -> None:
    """Run all stages, none over before the operator has seen it run: without a start it has no duration."""
    for stage in StageName:
        pod = kubelet.bound(namespace, name, stage)
        kubelet.run(pod)
        until(partial(running, namespace, name, stage), f"the {stage} stage to be seen running")
        figures = INGESTED if stage is StageName.INGEST else RECONSTRUCTED
        result = result_of(pod, stage, figures=figures)
        kubelet.end(pod, exit_code=0, message=Termination(result=result).encode())
    until(lambda: phase(namespace, name) == "Succeeded", "success")


def running(namespace: Namespace, name: str, stage: StageName) -> bool:
    stages = namespace.job(name)["status"]["stages"]
    return any(told["name"] == stage and told["phase"] == "Running" for told in stages)


def test_a_run_is_counted_once_in_every_figure(operator: Operator, namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("earlier")
    kubelet.bound(namespace, "earlier", StageName.INGEST)
    before = samples(operator)
    namespace.submit("ruin")
    succeed_in_sight(namespace, kubelet, "ruin")
    until(lambda: agrees(operator, namespace.api), "success to be counted")
    last = {"stage": StageName.CONVERT, "outcome": "succeeded"}

    def last_is_counted() -> bool:
        """A stage is counted once its status is written, which the watch may tell earlier."""
        name = "stage_duration_seconds_count"
        return value(samples(operator), name, **last) > value(before, name, **last)

    until(last_is_counted, "the last stage to be counted")
    after = samples(operator)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    for stage in StageName:
        assert more("stage_duration_seconds_count", stage=stage, outcome="succeeded") == 1
    assert more("api_requests_total", verb="POST", code="201") >= 3
    assert more("reconcile_duration_seconds_count", outcome="done") >= 6
    assert more("queue_latency_seconds_count") >= 6
    assert value(after, "leader") == 1
    assert value(after, "jobs", phase="Pending") >= 1
    assert value(after, "jobs", phase="Succeeded") >= 1
    namespace.api.delete(namespace.job_path("ruin"))
    until(lambda: agrees(operator, namespace.api), "its end to be noticed")


def test_a_pod_that_asks_for_a_gpu_is_accounted_for(operator: Operator, namespace: Namespace, kubelet: Kubelet) -> None:
    before = samples(operator)
    namespace.submit("ruin", reconstruction={"device": "gpu"})
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=NOTHING)

    def grown(name: str) -> bool:
        return value(samples(operator), name) > value(before, name)

    until(lambda: grown("gpu_waited_seconds_total"), "the pod that no node can take to be counted as waiting")
    assert not grown("gpu_used_seconds_total")
    (pod,) = kubelet.pods(namespace, "ruin", StageName.RECONSTRUCT)
    kubelet.run(pod)
    until(lambda: grown("gpu_used_seconds_total"), "the same pod to be counted as running")


def test_names_and_labels_follow_the_conventions(operator: Operator, namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    kubelet.bound(namespace, "ruin", StageName.INGEST)
    page = operator.page("metrics")
    assert page is not None
    assert namespace.name not in page.text
    assert not re.search(r'"[^"]*\bruin\b[^"]*"', page.text)
    for family in text_string_to_metric_families(page.text):
        assert re.fullmatch("(pointcloud_operator|process)_[a-z_]+", family.name), family.name
        assert family.documentation
        for sample in family.samples:
            assert set(sample.labels) <= {"phase", "stage", "outcome", "verb", "code", "resource", "le"}, sample
