"""A real control plane, and the real gateway process beside it."""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

ROOT = Path(__file__).parents[3]
OPERATOR_ACCOUNT = "system:serviceaccount:default:pointcloud-operator"


@dataclass(frozen=True)
class Gateway:
    """A running gateway: base URLs of both ports, the folder of its store, and its process."""

    public: str
    store: str
    folder: Path
    process: subprocess.Popen[str]


@contextmanager
def run_gateway(*, kubeconfig: Path, folder: Path) -> Iterator[Gateway]:
    """`python -m pointcloud_gateway` on free ports."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}/operator:{ROOT}/images/gateway",
        "KUBECONFIG": str(kubeconfig),
        "POINTCLOUD_STORE": folder.as_uri(),
        "POINTCLOUD_PORT": "0",
        "POINTCLOUD_STORE_PORT": "0",
        "POINTCLOUD_STORE_READERS": OPERATOR_ACCOUNT,
    }
    command = [sys.executable, "-m", "pointcloud_gateway"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            public, store = _announced_ports(process)
            yield Gateway(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{store}", folder, process)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _announced_ports(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stderr is not None
    log = []
    for line in process.stderr:
        if found := re.search(r"pages on port (\d+), store on port (\d+)", line):
            return found[1], found[2]
        log.append(line)
    raise AssertionError("the gateway ended: " + "".join(log))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One control plane for this folder's tests, with the PointcloudJob resource installed."""
    with ControlPlane.start(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[httpx.Client]:
    """The API server as the administrator, with the PointcloudJob resource and the namespaces a and b."""
    server = control_plane.api
    trust = ssl.create_default_context(cafile=server.authority)
    trust.load_cert_chain(server.certificate, server.key)
    with httpx.Client(base_url=server.url, verify=trust, event_hooks={"response": [_expect_success]}) as session:
        (definition,) = (ROOT / "crds").glob("*.yaml")
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        made = session.post(definitions, json=yaml.safe_load(definition.read_text())).json()
        address = f"{definitions}/{made['metadata']['name']}"
        wait_until(lambda: _established(session.get(address).json()), what="the resource", seconds=30)
        for namespace in ("a", "b"):
            session.post("/api/v1/namespaces", json={"metadata": {"name": namespace}})
            wait_until(partial(_has_account, session, namespace), what="the default service account", seconds=30)
        yield session


def _expect_success(response: httpx.Response) -> None:
    if response.is_error:
        raise AssertionError(f"{response.request.url}: {response.status_code} {response.read().decode()}")


def _has_account(session: httpx.Client, namespace: str) -> bool:
    return bool(session.get(f"/api/v1/namespaces/{namespace}/serviceaccounts").json()["items"])


def _established(definition: Any) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture(scope="session")
def gateway(
    control_plane: ControlPlane, api: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One gateway for this folder's tests."""
    del api  # only for its order
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=tmp_path_factory.mktemp("store")) as running:
        yield running
