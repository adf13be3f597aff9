"""The real control plane, and the real gateway process beside it."""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.conftest import Api, until
from tests.integration.gateway.jobs import JobResource
from tests.integration.gateway.rest import RestJob
from tests.integration.gateway.rights import EDITING, Account, bearer
from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

ROOT = Path(__file__).parents[3]
OPERATOR_ACCOUNT = "system:serviceaccount:default:pointcloud-operator"


@dataclass(frozen=True)
class Gateway:
    """A running gateway: base URLs of both ports, the folder of its store, its process and its log."""

    public: str
    store: str
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def run_gateway(*, kubeconfig: Path, folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """`python -m pointcloud_gateway` on free ports.

    Args:
        kubeconfig: Of the control plane.
        folder: Of the store; log and archive lie beside it.
        settings: Environment variables without their prefix POINTCLOUD_. Unless one says so, no rate is limited.
    """
    chosen = {
        "STORE": folder.as_uri(),
        "DATABASE": f"sqlite+aiosqlite:///{folder}.db",
        "PORT": "0",
        "STORE_PORT": "0",
        "STORE_READERS": OPERATOR_ACCOUNT,
        "RATE_LIMIT": "",
        **(settings or {}),
    }
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}/operator:{ROOT}/images/gateway",
        "KUBECONFIG": str(kubeconfig),
        **{f"POINTCLOUD_{name}": value for name, value in chosen.items()},
    }
    log = folder.with_name(f"{folder.name}.log")
    command = [sys.executable, "-m", "pointcloud_gateway"]
    with log.open("wb") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as process:
        try:
            public, store = _announced_ports(process, log)
            yield Gateway(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{store}", folder, process, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _announced_ports(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    def announcement() -> re.Match[str] | None:
        found = re.search(r"pages on port (\d+), store on port (\d+)", log.read_text())
        assert found or process.poll() is None, f"the gateway ended: {log.read_text()}"
        return found

    found = until(announcement, "the gateway to announce its ports")
    return found[1], found[2]


@pytest.fixture(scope="session")
def api(api: Api, control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """The API server as the administrator, with the namespaces a and b; what is not success fails the test."""
    del api  # it has installed the resource
    server = control_plane.api
    trust = ssl.create_default_context(cafile=server.authority)
    trust.load_cert_chain(server.certificate, server.key)
    with httpx.Client(base_url=server.url, verify=trust, event_hooks={"response": [_expect_success]}) as session:
        for namespace in ("a", "b"):
            session.post("/api/v1/namespaces", json={"metadata": {"name": namespace}})
            wait_until(
                partial(_has_account, session, namespace), what="the default service account", seconds=PATIENCE_SECONDS
            )
        yield session


def _expect_success(response: httpx.Response) -> None:
    if response.is_error:
        raise AssertionError(f"{response.request.url}: {response.status_code} {response.read().decode()}")


def _has_account(session: httpx.Client, namespace: str) -> bool:
    return bool(session.get(f"/api/v1/namespaces/{namespace}/serviceaccounts").json()["items"])


@pytest.fixture(scope="session")
def gateway(
    control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for this folder's tests."""
    del api  # only for its order
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def job(api: httpx.Client, gateway: Gateway, request: pytest.FixtureRequest) -> Iterator[JobResource]:
    """A PointcloudJob in the namespace a, of the test's own."""
    resource = JobResource(api, gateway.folder, f"job-{abs(hash(request.node.name)) % 10**8}")
    yield resource
    resource.delete()


@pytest.fixture(scope="session")
def rest(control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests of the REST service, whose default namespace is `a`."""
    del api  # only for its order
    folder = tmp_path_factory.mktemp("rest")
    with run_gateway(
        kubeconfig=control_plane.kubeconfig, folder=folder, settings={"DEFAULT_NAMESPACE": "a"}
    ) as running:
        yield running


@pytest.fixture(scope="session")
def credentials(api: httpx.Client) -> dict[str, str]:
    """Of who may do everything with the PointcloudJobs in the namespace a, and nothing elsewhere."""
    return bearer(Account.make(api).may(EDITING, "a").token())


@pytest.fixture
def client(rest: Gateway, credentials: dict[str, str]) -> Iterator[httpx.Client]:
    """The REST service, for who may do everything in the namespace a."""
    with httpx.Client(base_url=rest.public, headers=credentials, timeout=30) as session:
        yield session


@pytest.fixture
def rest_job(api: httpx.Client, client: httpx.Client) -> Iterator[RestJob]:
    """A job that waits for files, whose operator the test plays."""
    made = RestJob.make(api, client)
    yield made
    client.delete(made.path)
