"""A real control plane with the PointcloudJob resource, asked in plain JSON."""

import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any, TypeVar

import httpx
import pytest

from pointcloud_api.crd import custom_resource_definition
from pointcloud_api.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from tests.fixtures.patience import PATIENCE_SECONDS
from tools.cluster.controlplane import ControlPlane

Json = dict[str, Any]
_PAUSE = Event()
T = TypeVar("T")


def until(found: Callable[[], T | None], what: str) -> T:
    """Asks until the answer is something true, and returns it."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        if answer := found():
            return answer
        _PAUSE.wait(0.05)
    raise AssertionError(f"waited {PATIENCE_SECONDS} s in vain for {what}")


@dataclass(frozen=True)
class Api:
    """An API server as its administrator sees it."""

    http: httpx.Client

    def get(self, path: str, **query: str) -> Json | None:
        answer = self.http.get(path, params=query)
        return None if answer.status_code in {404, 429} else self._json(answer)  # 429: storage is being initialised

    def items(self, path: str, **query: str) -> list[Json]:
        return list(self._json(self.http.get(path, params=query))["items"])

    def post(self, path: str, body: Json) -> Json:
        return self._json(self.http.post(path, json=body))

    def patch(self, path: str, body: Json) -> Json:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._json(self.http.patch(path, json=body, headers=headers))

    def delete(self, path: str) -> None:
        self._json(self.http.delete(path))

    @staticmethod
    def _json(answer: httpx.Response) -> Json:
        body: Json = answer.json()
        assert answer.is_success, body.get("message")
        return body


@dataclass(frozen=True)
class Namespace:
    """A namespace and the PointcloudJobs in it."""

    api: Api
    name: str

    def path(self, group: str, plural: str, name: str = "") -> str:
        return f"{group}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def job_path(self, name: str = "") -> str:
        return self.path(f"/apis/{GROUP}/{VERSION}", PLURAL, name)

    def submit(self, name: str, **spec: Any) -> Json:
        """Creates a PointcloudJob of an archive's photos; keyword arguments are further fields of its spec."""
        source = {"urls": ["https://example.com/photos.zip"]}
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name},
            "spec": {"source": source, **spec},
        }
        return self.api.post(self.job_path(), body)

    def job(self, name: str) -> Json:
        """The PointcloudJob."""
        found = self.api.get(self.job_path(name))
        assert found is not None
        return found


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane.start(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[Api]:
    """The API server, with the resource served."""
    pki = control_plane.pki
    context = ssl.create_default_context(cafile=str(pki.certificate))
    context.load_cert_chain(pki.directory / "kubeconfig.crt", pki.directory / "kubeconfig.key")
    with httpx.Client(base_url=control_plane.api.url, verify=context, trust_env=False, timeout=30) as http:
        api = Api(http)
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        api.post(definitions, custom_resource_definition())
        until(lambda: api.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}"), "the resource to be served")
        yield api


@pytest.fixture
def namespace(api: Api) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name}})
    until(lambda: api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"), "its service account")
    yield Namespace(api, name)
    api.delete(f"/api/v1/namespaces/{name}")
