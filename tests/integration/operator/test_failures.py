"""What a user is told when a job cannot go on."""

import re
import subprocess
import sys

import pytest
import yaml

from pointcloud_api.names import StageName
from pointcloud_api.stages import ExitCode, Figures, Reason, StageError
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator
from tests.integration.operator.test_lifecycle import condition, events, jobs, phase
from tools.cluster.build import programs
from tools.cluster.controlplane import ControlPlane
from tools.kubectl import Kubectl

MAX_EVENT = 1024
"""Bytes that Kubernetes takes of an Event's message."""

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


def test_a_stage_that_ran_out_of_memory_has_twice_as_much_the_next_time(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("big", stages={"ingest": {"resources": {"limits": {"memory": "64Mi"}}}})
    kubelet.end(kubelet.bound(namespace, "big", StageName.INGEST), exit_code=137, reason="OOMKilled")
    raised = until(lambda: [e for e in events(namespace, "big") if e["reason"] == "MemoryRaised"], "the Event")
    assert "64Mi" in raised[0]["message"]
    assert "128Mi" in raised[0]["message"]
    pod = kubelet.bound(namespace, "big", StageName.INGEST)
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "128Mi"


def test_out_of_memory_at_the_cap_names_what_was_tried_and_what_to_set(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("big", stages={"ingest": {"resources": {"limits": {"memory": "64Gi"}}}})
    kubelet.end(kubelet.bound(namespace, "big", StageName.INGEST), exit_code=137, reason="OOMKilled")
    said = failed(namespace, "big")
    assert said["reason"] == "OutOfMemory"
    assert "with 64Gi" in said["message"]
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


def test_what_kubectl_describes_of_a_program_that_died_without_a_word_can_be_read(
    control_plane: ControlPlane, namespace: Namespace, kubelet: Kubelet
) -> None:
    namespace.submit("ruin", retryLimit=0)
    log = "reading a.jpg\n\x1b[31mF0504 colmap.cc:12] Check failed: `images` > 0\x1b[0m\t\u202e" + "*** Aborted " * 200
    kubelet.end(kubelet.bound(namespace, "ruin", StageName.INGEST), exit_code=134, message=log)
    said = failed(namespace, "ruin")
    until(lambda: [e for e in events(namespace, "ruin") if e["reason"] == said["reason"]], "the Event")
    kubectl = Kubectl(program=programs() / "kubectl", kubeconfig=control_plane.kubeconfig, namespace=namespace.name)
    described = kubectl("describe", "pointcloudjob", "ruin")
    assert all(line.expandtabs().isprintable() for line in described.splitlines())
    assert not re.search(r"Traceback|<class|StageName|Fact\(|Remedied\(|\bNone\b", described)
    assert "ended by SIGABRT" in said["message"]
    assert "kubectl logs ruin-ingest-" in said["message"]
    assert described.count("ended by SIGABRT") >= 3, "in the condition, in the progress and in the Event"
    assert len(said["message"].encode()) <= MAX_EVENT


def test_what_is_told_while_a_failed_try_is_tried_again(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    kubelet.end(kubelet.bound(namespace, "ruin", StageName.INGEST), exit_code=139, message="the last line")

    def told() -> Json | None:
        said = condition(namespace.job("ruin"), "Reconciling")
        return said if said["reason"] == "StageCrashed" else None

    said = until(told, "the reason")
    assert said["message"].startswith("Trying again soon. The ingest stage was ended by SIGSEGV")
    assert "“the last line”" in said["message"]
    kubelet.bound(namespace, "ruin", StageName.INGEST)


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
