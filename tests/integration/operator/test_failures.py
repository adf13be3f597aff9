"""What a user is told when a job cannot go on."""

import subprocess
import sys

import pytest
import yaml

from pointcloud_api.names import StageName
from pointcloud_api.stages import ExitCode, Figures, Reason, StageError
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator
from tests.integration.operator.test_lifecycle import condition, events, jobs, phase

pytestmark = pytest.mark.usefixtures("operator")


def failed(namespace: Namespace, name: str) -> Json:
    until(lambda: phase(namespace, name) == "Failed", "the job to fail")
    return condition(namespace.job(name), "Failed")


def test_the_stages_own_words_are_passed_on(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("empty")
    error = StageError(reason=Reason.NO_IMAGES, message="the folder holds no photos", remedy="put photos into it")
    kubelet.fail(namespace, "empty", StageName.INGEST, error, ExitCode.NO_INPUT)
    said = failed(namespace, "empty")
    assert (said["reason"], said["message"]) == ("NoImages", "the folder holds no photos. put photos into it.")
    warned = until(lambda: [e for e in events(namespace, "empty") if e["type"] == "Warning"], "the Event")
    assert warned[0]["message"] == said["message"]
    assert len(jobs(namespace)) == 1


def test_out_of_memory_names_the_field_to_raise(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("big", stages={"ingest": {"resources": {"limits": {"memory": "64Mi"}}}})
    pod = kubelet.bound(namespace, "big", StageName.INGEST)
    kubelet.end(pod, exit_code=137, reason="OOMKilled")
    said = failed(namespace, "big")
    assert said["reason"] == "OutOfMemory"
    assert "64Mi" in said["message"]
    assert "spec.stages.ingest.resources.limits.memory" in said["message"]


def test_more_memory_gives_a_failed_stage_another_attempt(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("big")
    kubelet.end(kubelet.bound(namespace, "big", StageName.INGEST), exit_code=137, reason="OOMKilled")
    failed(namespace, "big")
    more = {"stages": {"ingest": {"resources": {"limits": {"memory": "1Gi"}}}}}
    namespace.api.patch(namespace.job_path("big"), {"spec": more})
    pod = kubelet.bound(namespace, "big", StageName.INGEST)
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
    assert pod["metadata"]["labels"]["pointcloud.stitchsketch.io/attempt"] == "2"


def test_a_cluster_without_a_gpu_says_so(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin", reconstruction={"device": "gpu"})
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=Figures())

    def message() -> str | None:
        said: str = namespace.job("ruin")["status"]["progress"]["message"]
        return said if "Insufficient nvidia.com/gpu" in said else None

    assert "spec.reconstruction.device: cpu" in until(message, "the scheduler's reason")
    assert phase(namespace, "ruin") == "Pending"
    assert condition(namespace.job("ruin"), "Reconciling")["reason"] == "Unschedulable"
    namespace.api.patch(namespace.job_path("ruin"), {"spec": {"reconstruction": {"device": "cpu"}}})
    kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT)


def test_a_quota_that_forbids_the_pod_is_named(namespace: Namespace) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    namespace.api.post(namespace.path("/api/v1", "resourcequotas"), quota)
    namespace.submit("ruin")

    def message() -> str | None:
        said: str = namespace.job("ruin").get("status", {}).get("progress", {}).get("message", "")
        return said if "exceeded quota: none" in said else None

    assert "ResourceQuota" in until(message, "the quota's refusal")


def test_a_job_of_somebody_elses_is_named(operator: Operator, namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    kubelet.bound(namespace, "ruin", StageName.INGEST)
    name = namespace.job("ruin")["status"]["stages"][0]["job"]
    operator.kill()
    container = {"name": "x", "image": "example.com/x"}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    namespace.api.delete(namespace.path("/apis/batch/v1", "jobs", name) + "?propagationPolicy=Background")
    until(lambda: not jobs(namespace), "the Job to go")
    foreign = {"metadata": {"name": name}, "spec": {"template": template}}
    namespace.api.post(namespace.path("/apis/batch/v1", "jobs"), foreign)
    operator.start()
    said = until(
        lambda: (c := condition(namespace.job("ruin"), "Reconciling"))["reason"] == "JobNameTaken" and c, "the refusal"
    )
    assert name in said["message"]


def test_an_operator_that_cannot_start_says_why(operator: Operator) -> None:
    def words(**environment: str) -> str:
        command = [sys.executable, "-m", "pointcloud_operator"]
        whole = {**operator.environment, **environment}
        ended = subprocess.run(command, env=whole, capture_output=True, check=False, timeout=60, text=True)
        assert ended.returncode == 1
        return ended.stderr.splitlines()[-1]

    assert "set POINTCLOUD_CONFIG" in words(POINTCLOUD_CONFIG="/nowhere.yaml")
    wrong = operator.log.parent / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({"externalUrl": "localhost"}))
    assert "externalUrl" in words(POINTCLOUD_CONFIG=str(wrong))
