"""Rights as clients of the REST service meet them, and what its answers let browsers do."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.rights import EDITING, VIEWING, Account, bearer, grant
from tools.cluster.controlplane import ControlPlane
from tools.cluster.processes import wait_until

KEY, NEXT_KEY = "a-key-for-the-turntable", "the-key-that-comes-after-it"
ORIGIN = {"Origin": "https://elsewhere.example"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of API keys, with one."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "turntable").write_text(KEY)
    return folder


@pytest.fixture(scope="module")
def gateway(
    control_plane: ControlPlane, api: httpx.Client, keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with API keys, whose default namespace is `a`."""
    del api  # only for its order
    folder = tmp_path_factory.mktemp("access")
    settings = {"API_KEYS": str(keys), "DEFAULT_NAMESPACE": "a"}
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings=settings) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """Without credentials."""
    with httpx.Client(base_url=gateway.public, timeout=30) as session:
        yield session


@pytest.fixture
def job_in_b(client: httpx.Client, api: httpx.Client) -> Iterator[str]:
    """The id of a job in the namespace b."""
    owner = bearer(Account.make(api).may(EDITING, "b").token())
    made = client.post("/jobs", json={"namespace": "b"}, headers=owner).json()["id"]
    yield made
    client.delete(f"/jobs/{made}", headers=owner)


def test_who_has_a_role_in_one_namespace_finds_no_trace_of_another(
    client: httpx.Client, api: httpx.Client, job_in_b: str
) -> None:
    mine = {**bearer(Account.make(api).may(EDITING, "a").token()), "Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    for method, path in [
        ("GET", "/jobs/{}"),
        ("DELETE", "/jobs/{}"),
        ("POST", "/jobs/{}/suspend"),
        ("GET", "/jobs/{}/logs"),
        ("GET", "/jobs/{}/events"),
        ("POST", "/jobs/{}/share"),
        ("POST", "/jobs/{}/uploads"),
        ("GET", "/job/{}"),
        ("POST", "/process/{}"),
    ]:
        there, nowhere = (
            client.request(method, path.format(job_id), headers=mine) for job_id in (job_in_b, "b.invented")
        )
        assert there.status_code == nowhere.status_code == 404, path
        assert there.text.replace(job_in_b, "b.invented") == nowhere.text
    assert job_in_b not in client.get("/jobs", headers=mine).text
    assert client.get("/jobs", params={"namespace": "b"}, headers=mine).json()["items"] == []
    assert client.get("/whoami", headers=mine).json()["namespaces"] == ["a"]
    refusals = [client.post("/jobs", json={"namespace": each}, headers=mine) for each in ("b", "invented")]
    assert refusals[0].status_code == refusals[1].status_code
    assert refusals[0].json()["detail"].replace(" b", " invented") == refusals[1].json()["detail"]


def test_who_may_look_may_change_nothing(client: httpx.Client, api: httpx.Client) -> None:
    owner = bearer(Account.make(api).may(EDITING, "a").token())
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    made = client.post("/jobs", json={}, headers=owner).json()["id"]
    assert client.get(f"/jobs/{made}", headers=viewer).status_code == 200
    assert client.get(f"/job/{made}", headers=viewer).status_code == 200
    refused = [
        client.post("/jobs", json={}, headers=viewer),
        client.delete(f"/jobs/{made}", headers=viewer),
        client.post(f"/jobs/{made}/suspend", headers=viewer),
        client.post(f"/process/{made}", files={"file": b"x"}, headers=viewer),
    ]
    assert [(each.status_code, each.headers["content-type"]) for each in refused] == [
        (403, "application/problem+json")
    ] * len(refused)
    assert client.delete(f"/jobs/{made}", headers=owner).status_code == 204


@pytest.mark.parametrize("audience", ["pointcloud-store", "elsewhere"])
def test_a_token_for_another_service_opens_nothing(client: httpx.Client, api: httpx.Client, audience: str) -> None:
    token = Account.make(api).may(EDITING, "a").token(audience)
    answer = client.get("/jobs", headers=bearer(token))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert token not in answer.text


def test_an_api_key_works_until_it_is_taken_out_of_its_secret(
    client: httpx.Client, api: httpx.Client, keys: Path
) -> None:
    turntable = bearer(KEY)
    assert client.post("/jobs", json={}, headers=turntable).status_code == 403
    grant(api, {"kind": "User", "name": "pointcloud:api-key:turntable"}, EDITING, "a")
    wait_until(
        lambda: client.post("/jobs", json={}, headers=turntable).status_code == 201,
        what="the role to count",
        seconds=PATIENCE_SECONDS,
    )
    made = client.get("/jobs", headers=turntable).json()["items"][0]
    assert made["owner"] == "pointcloud:api-key:turntable"
    (keys / "turntable").write_text(NEXT_KEY)
    wait_until(
        lambda: client.get("/jobs", headers=turntable).status_code == 401,
        what="the old key to be refused",
        seconds=PATIENCE_SECONDS,
    )
    assert client.delete(f"/jobs/{made['id']}", headers=bearer(NEXT_KEY)).status_code == 204


@pytest.mark.parametrize("path", ["/api", "/jobs", "/whoami", "/job/none", "/openapi.json", "/nowhere", "/healthz"])
def test_every_answer_is_locked_down(client: httpx.Client, path: str) -> None:
    headers = client.get(path, headers=ORIGIN).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert "set-cookie" not in headers


def test_pages_of_other_origins_may_upload_with_a_credential_of_their_own(client: httpx.Client) -> None:
    asking = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,tus-resumable,upload-offset",
    }
    preflight = client.options("/jobs/x/uploads/y", headers={**ORIGIN, **asking})
    assert preflight.status_code == 200
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
