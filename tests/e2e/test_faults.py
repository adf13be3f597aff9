"""What a job survives on a real node: every program of the cluster, and its own pods at every step, killed in turn."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pointcloud_api.names import JOB_LABEL, STAGE_LABEL, StageName
from pointcloud_api.stages import Progress
from pointcloud_operator.model.progress import last_progress
from tests.e2e.conftest import Job, phase, succeeded, until
from tests.fixtures.faults import Ledger, Ledgers
from tools.cluster.backends import Cluster, brought_up
from tools.cluster.paths import state_directory
from tools.install import NAMESPACE
from tools.kubectl import Kubectl

Submit = Callable[..., str]
OPERATOR = "app.kubernetes.io/component=operator"
STEPS = ("extract", "match", "map")
SPARSE = {"density": "sparse"}


@pytest.fixture
def node(cluster: Kubectl) -> Iterator[Cluster]:
    """The local cluster's programs; what a test has killed of them runs again afterwards."""
    del cluster  # has to be up
    yield brought_up(state_directory())
    mend()


def mend() -> None:
    subprocess.run([sys.executable, "-m", "tools.cluster", "up"], check=True, stdout=subprocess.DEVNULL)


def running_pod(namespace: Kubectl, name: str, stage: StageName) -> Job | None:
    """The stage's pod that runs, if one does."""
    pods = namespace.items("pods", "-l", f"{JOB_LABEL}={name},{STAGE_LABEL}={stage}")
    stays = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"])
    return next((pod for pod in stays if pod["status"]["phase"] == "Running"), None)


def steps_of(namespace: Kubectl, pod: Job) -> Iterator[Progress]:
    """Every progress that a pod's log tells, as it tells it, until the pod ends."""
    command = namespace.command("logs", "--follow", pod["metadata"]["name"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if told := last_progress(line, pod_uid=pod["metadata"]["uid"]):
                    yield told
        finally:
            process.terminate()


def reached(namespace: Kubectl, name: str, step: str) -> tuple[Job, Progress]:
    """The pod of the reconstruct stage that is in the middle of a step, and what it has told."""
    for _ in until_stage_runs(namespace, name):
        pod = running_pod(namespace, name, StageName.RECONSTRUCT)
        if pod is None:
            continue
        for told in steps_of(namespace, pod):
            if told.step == step and told.done:
                return pod, told
    raise AssertionError(f"{name} ended before its step {step}")


def until_stage_runs(namespace: Kubectl, name: str) -> Iterator[Job]:
    """States of the job while it has not ended, for as long as somebody asks."""
    for state in namespace.watch("pcj", f"--field-selector=metadata.name={name}"):
        if phase(state) in {"Succeeded", "Failed"}:
            pytest.fail(f"{name} ended: {state['status']}")
        yield state


def recorded(status: dict[str, Any], stage: StageName) -> dict[str, Any]:
    return next(entry for entry in status["stages"] if entry["name"] == stage)


@pytest.fixture
def ledger(ledgers: Ledgers) -> Ledger:
    return ledgers.of("node")


def test_its_pod_killed_at_every_step_does_no_finished_work_again(
    namespace: Kubectl, node: Cluster, submit: Submit, scene: Path, ledger: Ledger
) -> None:
    name = submit("struck", scene / "photos", reconstruction=SPARSE, retryLimit=len(STEPS))
    with ExitStack() as faults:
        for step in STEPS:
            pod, _ = reached(namespace, name, step)
            node.kill_pod(pod["metadata"]["uid"])
            faults.enter_context(ledger.injecting("stage pod killed", f"reconstruct: {step}"))
        status = until(namespace, name, succeeded)[-1]["status"]
        assert status["images"]["registered"] == status["images"]["usable"]
        assert status["images"]["reused"] == status["images"]["usable"], "features were extracted again"


def test_the_cluster_s_programs_killed_in_turn_lose_nothing(
    namespace: Kubectl, node: Cluster, submit: Submit, scene: Path, ledger: Ledger
) -> None:
    name = submit("besieged", scene / "photos", reconstruction=SPARSE)
    _, told = reached(namespace, name, "extract")
    with ExitStack() as faults:
        for component in ("kubelet", "containerd", "etcd", "kube-apiserver"):
            faults.enter_context(ledger.injecting(f"{component} killed", f"reconstruct: from {told.step} on"))
            node.kill(component)
            mend()
        faults.enter_context(ledger.injecting("operator killed", "reconstruct"))
        namespace.within(NAMESPACE)("delete", "pod", "-l", OPERATOR, "--grace-period=0", "--force")
        status = until(namespace, name, succeeded)[-1]["status"]
        assert status["images"]["registered"] == status["images"]["usable"]
        stage = recorded(status, StageName.RECONSTRUCT)
        assert (stage["attempt"], stage.get("retries", 0)) == (1, 0), stage


def test_suspended_in_the_middle_it_goes_on_where_it_was(
    namespace: Kubectl, submit: Submit, scene: Path, ledger: Ledger
) -> None:
    name = submit("paused", scene / "photos", reconstruction=SPARSE)
    _, told = reached(namespace, name, "match")
    with ledger.injecting("suspended and resumed", "reconstruct: match"):
        namespace("patch", "pcj", name, "--type=merge", "-p", '{"spec": {"suspend": true}}')
        until(namespace, name, lambda state: phase(state) == "Suspended")
        namespace("wait", "--for=delete", "pod", "-l", f"{JOB_LABEL}={name},{STAGE_LABEL}=reconstruct", "--timeout=60s")
        namespace("patch", "pcj", name, "--type=merge", "-p", '{"spec": {"suspend": false}}')
        status = until(namespace, name, succeeded)[-1]["status"]
        assert status["images"]["reused"] == status["images"]["usable"], f"extracted again, though {told} was reached"
        assert recorded(status, StageName.RECONSTRUCT)["attempt"] == 2
