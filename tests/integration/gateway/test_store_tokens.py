"""The store with real tokens of real pods, judged by a real API server."""

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from pointcloud_api.names import STORE_AUDIENCE
from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.rights import request_token
from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

KEY = "job/0c9d2c5e/5f0c2a91d4"
CREATE_ONLY = {"If-None-Match": "*"}


@dataclass(frozen=True)
class Pod:
    """A pod that no node runs, and what it does at the store."""

    api: httpx.Client
    store: str
    namespace: str
    name: str
    uid: str

    def token(self, audience: str | None = STORE_AUDIENCE) -> str:
        """A token bound to this pod; None asks for the API server's own audience."""
        reference = {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}
        spec = {"audiences": [audience] if audience else [], "boundObjectRef": reference}
        return request_token(self.api, self.namespace, "default", spec)

    def session(self, token: str | None = None) -> httpx.Client:
        """HTTP with this pod's token; addresses are relative to the objects."""
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return httpx.Client(base_url=f"{self.store}/v1/objects/", headers=headers)

    def folder(self, namespace: str | None = None) -> str:
        """Where this pod may write."""
        return f"raw/{namespace or self.namespace}/{KEY}/{self.uid}"

    def force_delete(self) -> None:
        """Remove the pod from the API, as for an unreachable node: nobody tells the container."""
        address = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.api.delete(address, params={"gracePeriodSeconds": 0})


MakePod = Callable[[str], Pod]


@pytest.fixture
def make_pod(api: httpx.Client, gateway: Gateway) -> MakePod:
    def make(namespace: str) -> Pod:
        pod = {"metadata": {"generateName": "stage-"}, "spec": {"containers": [{"name": "stage", "image": "none"}]}}
        made = api.post(f"/api/v1/namespaces/{namespace}/pods", json=pod).json()["metadata"]
        return Pod(api, gateway.store, namespace, made["name"], made["uid"])

    return make


def test_a_pod_uses_its_own_namespace_and_no_other(make_pod: MakePod) -> None:
    mine, theirs = make_pod("a"), make_pod("b")
    with mine.session() as session, theirs.session() as other:
        assert session.put(f"{mine.folder()}/photos.json", content=b"mine").status_code == 201
        assert session.get(f"{mine.folder()}/photos.json").content == b"mine"
        assert other.get(f"{mine.folder()}/photos.json").status_code == 403
        assert other.get(f"{mine.store}/v1/objects", params={"prefix": "raw/a/"}).status_code == 403
        assert other.put(f"{theirs.folder(namespace='a')}/x", content=b"").status_code == 403
        assert other.put(f"raw/a/{KEY}/result.json", content=b"", headers=CREATE_ONLY).status_code == 403


def test_a_token_for_the_api_server_is_useless_at_the_store(make_pod: MakePod) -> None:
    pod = make_pod("a")
    with pod.session(pod.token(audience=None)) as session:
        assert session.put(f"{pod.folder()}/x", content=b"").status_code == 401
        assert session.get(f"{pod.folder()}/x").status_code == 401


def test_a_token_for_the_store_is_useless_at_the_api_server(make_pod: MakePod, control_plane: ControlPlane) -> None:
    pod = make_pod("a")
    trust = ssl.create_default_context(cafile=control_plane.api.authority)
    with httpx.Client(base_url=control_plane.api.url, verify=trust) as session:
        statuses = {
            audience: session.get("/api", headers={"Authorization": f"Bearer {token}"}).status_code
            for audience, token in {"store": pod.token(), "api": pod.token(audience=None)}.items()
        }
    assert statuses == {"store": 401, "api": 200}


def test_the_operator_reads_and_removes_everything_and_writes_nothing(
    make_pod: MakePod, api: httpx.Client, gateway: Gateway
) -> None:
    pod = make_pod("a")
    with pod.session() as session:
        assert session.put(f"{pod.folder()}/x", content=b"x").status_code == 201
    api.post("/api/v1/namespaces/default/serviceaccounts", json={"metadata": {"name": "pointcloud-operator"}})
    token = request_token(api, "default", "pointcloud-operator", {"audiences": [STORE_AUDIENCE]})
    with pod.session(token) as session:
        assert session.get(f"{pod.folder()}/x").content == b"x"
        listing = session.get(f"{gateway.store}/v1/objects", params={"prefix": f"{pod.folder()}/"}).json()
        assert listing == {"objects": [{"path": f"{pod.folder()}/x", "size": 1}], "next": None}
        assert session.put(f"{pod.folder()}/x", content=b"y").status_code == 403
        assert session.put(f"raw/a/{KEY}/result.json", content=b"", headers=CREATE_ONLY).status_code == 403
        objects, key = f"{gateway.store}/v1/objects", {"prefix": f"raw/a/{KEY}/"}
        with pod.session() as of_a_pod:
            assert of_a_pod.delete(objects, params=key).status_code == 403
        assert session.delete(objects, params=key).status_code == 204
        assert session.get(f"{pod.folder()}/x").status_code == 404


def test_a_force_deleted_pod_that_goes_on_writing_harms_nobody(make_pod: MakePod, gateway: Gateway) -> None:
    ghost, successor = make_pod("a"), make_pod("a")
    result = f"processed/a/{KEY}/result.json"
    with ghost.session() as haunting, successor.session() as session:
        haunting.put(f"{ghost.folder()}/points.ply", content=b"half")
        ghost.force_delete()
        assert session.put(f"{successor.folder()}/points.ply", content=b"whole").status_code == 201
        assert session.put(result, content=b"successor", headers=CREATE_ONLY).status_code == 201
        # Its token may still be believed for the seconds of the cache; even then it reaches nothing of its successor's.
        assert haunting.put(f"{successor.folder()}/points.ply", content=b"ghost").status_code in {401, 403}
        assert haunting.put(result, content=b"ghost", headers=CREATE_ONLY).status_code in {401, 412}
        wait_until(
            lambda: haunting.put(f"{ghost.folder()}/points.ply", content=b"more").status_code == 401,
            what="the ghost's token to be refused",
            seconds=PATIENCE_SECONDS,
        )
        assert session.get(f"{successor.folder()}/points.ply").content == b"whole"
        assert session.get(result).content == b"successor"
    assert (gateway.folder / result).read_bytes() == b"successor"


def test_of_pods_that_finish_at_once_one_wins(make_pod: MakePod) -> None:
    pods = [make_pod("a") for _ in range(8)]
    result = f"potree/a/{KEY}/result.json"

    def finish(pod: Pod) -> int:
        with pod.session() as session:
            assert session.put(f"{pod.folder()}/octree.bin", content=pod.uid.encode()).status_code == 201
            return session.put(result, content=pod.uid.encode(), headers=CREATE_ONLY).status_code

    with ThreadPoolExecutor(len(pods)) as threads:
        statuses = dict(zip(pods, threads.map(finish, pods), strict=True))
    (winner,) = (pod for pod, status in statuses.items() if status == 201)
    assert sorted(statuses.values()) == [201] + [412] * 7
    with winner.session() as session:
        assert session.get(result).content == winner.uid.encode()
        for pod in pods:
            assert session.get(f"{pod.folder()}/octree.bin").content == pod.uid.encode()


def test_an_upload_that_has_begun_ends_well_though_the_gateway_is_told_to_stop(
    make_pod: MakePod, control_plane: ControlPlane, tmp_path: Path
) -> None:
    pod = make_pod("a")
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=tmp_path) as leaving:
        url = httpx.URL(leaving.store)
        with socket.create_connection((url.host, url.port or 80)) as connection:
            head = (
                f"PUT /v1/objects/{pod.folder()}/x HTTP/1.1\r\nHost: store\r\nAuthorization: Bearer {pod.token()}\r\n"
            )
            connection.sendall(f"{head}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 100")  # accepted, and waiting for the body
            connection.sendall(b"12345")
            leaving.process.terminate()
            wait_until(
                lambda: not _answers(leaving.public),
                what="the gateway to take no more requests",
                seconds=PATIENCE_SECONDS,
            )
            connection.sendall(b"67890")
            assert connection.recv(4096).startswith(b"HTTP/1.1 201")
        leaving.process.wait(timeout=10)
    assert (tmp_path / pod.folder() / "x").read_bytes() == b"1234567890"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def test_without_an_api_server_a_new_token_is_asked_to_try_again(
    make_pod: MakePod, control_plane: ControlPlane
) -> None:
    pod = make_pod("a")
    with pod.session() as session:
        control_plane.kill("kube-apiserver")
        try:
            answer = session.get(f"{pod.folder()}/x")
        finally:
            control_plane.restart("kube-apiserver")
        assert (answer.status_code, answer.json()["reason"]) == (503, "ClusterUnavailable")
        wait_until(
            lambda: session.get(f"{pod.folder()}/x").status_code == 404,
            what="the API server to be asked",
            seconds=PATIENCE_SECONDS,
        )
