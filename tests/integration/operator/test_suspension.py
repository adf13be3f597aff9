"""Stopping a job, going on with it and running it again, on a real control plane."""

import pytest

from pointcloud_api.names import ATTEMPT_LABEL, StageName
from tests.integration.conftest import Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator
from tests.integration.operator.test_lifecycle import (
    INGESTED,
    RECONSTRUCTED,
    condition,
    events,
    jobs,
    phase,
    succeed,
)

pytestmark = pytest.mark.usefixtures("operator")


def ask(namespace: Namespace, name: str, **fields: object) -> None:
    """Changes the spec, and waits until the operator has seen it."""
    changed = namespace.api.patch(namespace.job_path(name), {"spec": fields})
    generation = changed["metadata"]["generation"]
    until(lambda: namespace.job(name)["status"].get("observedGeneration") == generation, "the operator's answer")


def test_a_suspended_job_goes_on_with_the_next_attempt(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=INGESTED)
    kubelet.run(kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT))
    ask(namespace, "ruin", suspend=True)
    assert phase(namespace, "ruin") == "Suspended"
    assert condition(namespace.job("ruin"), "Suspended")["status"] == "True"
    until(lambda: [job["metadata"]["name"].split("-")[1] for job in jobs(namespace)] == ["ingest"], "its Job to go")

    def graces() -> list[int | None]:
        stopped = kubelet.pods(namespace, "ruin", StageName.RECONSTRUCT)
        return [pod["metadata"].get("deletionGracePeriodSeconds") for pod in stopped]

    until(lambda: graces() == [30], "its pod, which is collected after its Job, to be stopped")
    ask(namespace, "ruin", suspend=False)
    pod = kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT)
    assert pod["metadata"]["labels"][ATTEMPT_LABEL] == "2"
    kubelet.succeed(namespace, "ruin", StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, "ruin") == "Succeeded", "success")
    until(lambda: {"Suspended", "Resumed"} <= {e["reason"] for e in events(namespace, "ruin")}, "both Events")


def test_an_operator_killed_while_it_suspends_leaves_no_job(
    operator: Operator, namespace: Namespace, kubelet: Kubelet
) -> None:
    namespace.submit("ruin")
    kubelet.run(kubelet.bound(namespace, "ruin", StageName.INGEST))
    operator.kill()
    namespace.api.patch(namespace.job_path("ruin"), {"spec": {"suspend": True}})
    operator.start()
    until(lambda: not jobs(namespace), "its Job to go")
    assert phase(namespace, "ruin") == "Suspended"


def test_what_touches_no_stage_leaves_a_finished_job_as_it_was(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    before = succeed(namespace, kubelet, "ruin")["status"]
    ask(namespace, "ruin", suspend=True)
    ask(namespace, "ruin", suspend=False, webhooks=[{"url": "https://example.com/hook"}])
    ask(namespace, "ruin", stages={"convert": {"resources": {"limits": {"memory": "9Gi"}}}})
    after = namespace.job("ruin")["status"]
    told = {"observedGeneration", "observedSpec", "conditions"}
    assert {k: v for k, v in after.items() if k not in told} == {k: v for k, v in before.items() if k not in told}
    assert len(jobs(namespace)) == 3
    published = [event for event in events(namespace, "ruin") if event["reason"] == "Published"]
    assert len(published) == 1


def test_a_new_word_for_rerun_runs_everything_again(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    before = succeed(namespace, kubelet, "ruin")["status"]
    ask(namespace, "ruin", rerun="monday")
    assert namespace.job("ruin")["status"]["published"] == before["published"]
    after = succeed(namespace, kubelet, "ruin")["status"]
    assert not {stage["key"] for stage in after["stages"]} & {stage["key"] for stage in before["stages"]}
    assert after["published"] != before["published"]
    assert len(jobs(namespace)) == 6
