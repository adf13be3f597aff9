"""The real operator as a process, and a node whose kubelet is played by the test."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
import yaml

from pointcloud_api.names import JOB_LABEL, STAGE_LABEL, StageName
from pointcloud_api.stages import ExitCode, Figures, StageError, StageResult, StageWarning, Termination
from tests.fixtures.store import OPERATOR_TOKEN, StoreServer, run_store
from tests.integration.conftest import Api, Json, Namespace, until
from tools.cluster.controlplane import ControlPlane

ROOT = Path(__file__).parents[3]
NODE = "played"
NO_FIGURES = Figures()
SETTLE_SECONDS = 5


@dataclass
class Operator:
    """`python -m pointcloud_operator`, which can be killed and started again."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "pointcloud_operator")

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def ensure(self) -> None:
        if self.process is None or self.process.poll() is not None:
            self.start()

    def page(self, name: str) -> httpx.Response | None:
        """One of its pages: livez, readyz, metrics. None while it answers nothing."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.environment['POINTCLOUD_HEALTH_PORT']}/{name}", trust_env=False)
        except httpx.TransportError:
            return None

    def says(self, name: str) -> bool:
        """Whether a page answers that all is well: that it lives, or sees the cluster and could act."""
        page = self.page(name)
        return page is not None and page.status_code == 200

    def kill(self) -> None:
        """As a node that loses power would."""
        if self.process:
            self.process.kill()
            self.process.wait()


@dataclass
class Kubelet:
    """Does to pods what a kubelet would, when the test says so."""

    api: Api
    ended: Event = field(default_factory=Event)

    def register(self) -> None:
        """A node without a GPU."""
        self.api.post("/api/v1/nodes", {"metadata": {"name": NODE}})
        resources = {"cpu": "64", "memory": "256Gi", "pods": "500", "ephemeral-storage": "1Ti"}
        self._beat(capacity=resources, allocatable=resources)

    def beat_until_ended(self) -> None:
        """Keeps the node from being taken for dead, which happens after 40 s."""
        while not self.ended.wait(5):
            self._beat()

    def _beat(self, **status: Json) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": _now()}
        self.api.patch(f"/api/v1/nodes/{NODE}/status", {"status": {"conditions": [ready], **status}})

    def pods(self, namespace: Namespace, name: str, stage: StageName) -> list[Json]:
        selector = f"{JOB_LABEL}={name},{STAGE_LABEL}={stage}"
        return self.api.items(namespace.path("/api/v1", "pods"), labelSelector=selector)

    def bound(self, namespace: Namespace, name: str, stage: StageName) -> Json:
        """The stage's pod that is on the node and has not ended."""

        def found() -> Json | None:
            pods = self.pods(namespace, name, stage)
            return next((p for p in pods if p["spec"].get("nodeName") and p["status"]["phase"] == "Pending"), None)

        return until(found, f"a pod of the {stage} stage on the node")

    def run(self, pod: Json) -> None:
        """The container has started."""
        self._write(pod, "Running", {"running": {"startedAt": _now()}})

    def end(self, pod: Json, *, exit_code: int, message: str = "", reason: str = "") -> None:
        """The container has ended."""
        terminated = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "message": message,
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        self._write(pod, "Failed" if exit_code else "Succeeded", {"terminated": terminated})

    def succeed(
        self,
        namespace: Namespace,
        name: str,
        stage: StageName,
        *,
        figures: Figures,
        warnings: tuple[StageWarning, ...] = (),
    ) -> StageResult:
        """Runs the stage's pod to its end; its result is in the termination message."""
        pod = self.bound(namespace, name, stage)
        self.run(pod)
        result = result_of(pod, stage, figures=figures, warnings=warnings)
        self.end(pod, exit_code=0, message=Termination(result=result).encode())
        return result

    def fail(self, namespace: Namespace, name: str, stage: StageName, error: StageError, code: ExitCode) -> None:
        """Runs the stage's pod to an error."""
        pod = self.bound(namespace, name, stage)
        self.run(pod)
        self.end(pod, exit_code=code, message=Termination(error=error).encode())

    def _write(self, pod: Json, phase: str, state: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        self.api.patch(path, {"status": kubelet_report(phase, state)})


def kubelet_report(phase: str, state: Json) -> Json:
    """A pod's status with the state of its one container."""
    container = {
        "name": "stage",
        "image": "played",
        "imageID": "played",
        "ready": phase == "Running",
        "restartCount": 0,
        "state": state,
    }
    return {"phase": phase, "startTime": _now(), "containerStatuses": [container]}


def result_of(
    pod: Json, stage: StageName, *, figures: Figures = NO_FIGURES, warnings: tuple[StageWarning, ...] = ()
) -> StageResult:
    """A result that the pod might leave."""
    key = pod["metadata"]["labels"]["pointcloud.stitchsketch.io/key"]
    uid = pod["metadata"]["uid"]
    return StageResult(stage=stage, key=key, pod_uid=uid, artefacts=(), figures=figures, warnings=warnings)


def configuration(store_url: str, *, settle_seconds: int = SETTLE_SECONDS) -> Json:
    """An install's configuration."""
    return {
        "externalUrl": "http://localhost:30080",
        "storeUrl": store_url,
        "defaultDevice": "cpu",
        "uploadSettleSeconds": settle_seconds,
        "stages": {
            "ingest": {"image": "example.com/ingest:1"},
            "reconstruct": {"image": "example.com/colmap:1", "gpu": {"image": "example.com/colmap-cuda:1"}},
            "convert": {"image": "example.com/potree:1"},
        },
    }


def make_operator(folder: Path, kubeconfig: Path, configured: Json) -> Operator:
    """An operator, not yet started, whose files are in the folder."""
    (folder / "config.yaml").write_text(yaml.safe_dump(configured))
    (folder / "token").write_text(OPERATOR_TOKEN)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        "KUBECONFIG": str(kubeconfig),
        "POINTCLOUD_CONFIG": str(folder / "config.yaml"),
        "POINTCLOUD_STORE_TOKEN_FILE": str(folder / "token"),
        "POINTCLOUD_HEALTH_PORT": str(_free_port()),
    }
    return Operator(environment=environment, log=folder / "operator.log")


@pytest.fixture(scope="session")
def kubelet(api: Api) -> Iterator[Kubelet]:
    kubelet = Kubelet(api)
    kubelet.register()
    heart = Thread(target=kubelet.beat_until_ended, daemon=True)
    heart.start()
    yield kubelet
    kubelet.ended.set()
    heart.join()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """The store that the operator reads results from."""
    with run_store(tmp_path_factory.mktemp("store")) as server:
        yield server


@pytest.fixture(scope="module")
def operator_process(
    control_plane: ControlPlane, api: Api, store: StoreServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator, as the tests have left it; it ends with their file, because elsewhere tests play the operator."""
    del api  # the resource has to be there
    operator = make_operator(tmp_path_factory.mktemp("operator"), control_plane.kubeconfig, configuration(store.url))
    yield operator
    operator.kill()


@pytest.fixture
def operator(operator_process: Operator) -> Iterator[Operator]:
    """A running operator; what it logs meanwhile is shown with a failed test."""
    operator_process.ensure()
    until(lambda: operator_process.says("readyz"), "the operator to be ready")
    begin = operator_process.log.stat().st_size
    yield operator_process
    sys.stdout.write(operator_process.log.read_text()[begin:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
