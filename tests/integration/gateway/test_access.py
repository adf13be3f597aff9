"""Who calls and what they may do, as a real API server says: tokens, API keys, roles."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import load_kube_config
from starlette.requests import Request

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.api_keys import GROUP, ApiKeys
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.cluster import Cluster, ClusterUnavailableError
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.problems import JobNotFound, Problem
from pointcloud_kube.api import ApiServer
from tests.integration.gateway.rights import EDITING, VIEWING, Account, grant
from tools.cluster.controlplane import ControlPlane

KEY = "an-api-key-of-some-length"
JOB_IN_A, JOB_IN_B = JobId("a", "wall"), JobId("b", "wall")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A Secret's volume, as the kubelet lays it out."""
    first = tmp_path / "..2026_01"
    first.mkdir()
    (first / "scanner").write_text(f"{KEY}\n")
    (tmp_path / "..data").symlink_to(first.name)
    (tmp_path / "scanner").symlink_to("..data/scanner")
    return tmp_path


@pytest.fixture
async def access(api: httpx.Client, control_plane: ControlPlane, keys: Path) -> AsyncIterator[Access]:
    del api  # only for its order
    await load_kube_config(config_file=str(control_plane.kubeconfig))  # type: ignore[no-untyped-call]
    server = ApiServer(ApiClient())
    yield Access(Cluster(server), api_keys=ApiKeys(keys), default_namespace="a")
    await server.close()


@pytest.fixture
def account(api: httpx.Client) -> Account:
    return Account.make(api)


def request(credential: str | None) -> Request:
    headers = [] if credential is None else [(b"authorization", f"Bearer {credential}".encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers})


async def refusal(access: Access, credential: str | None, verb: str, job_id: JobId) -> Problem:
    with pytest.raises(Problem) as raised:
        await access.require(request(credential), verb, job_id)
    return raised.value


@pytest.mark.parametrize("audience", ["pointcloud-gateway", None])
async def test_a_token_of_this_service_or_of_the_api_server_says_who_calls(
    access: Access, account: Account, audience: str | None
) -> None:
    user = await access.user(request(account.token(audience)))
    assert user.name == account.username
    assert "system:serviceaccounts:a" in user.groups


@pytest.mark.parametrize("audience", ["pointcloud-store", "elsewhere"])
async def test_a_token_made_for_another_service_is_refused(access: Access, account: Account, audience: str) -> None:
    account.may(EDITING, "a")
    problem = await refusal(access, account.token(audience), "get", JOB_IN_A)
    assert (problem.status, problem.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


@pytest.mark.parametrize("credential", [None, "", "invented", "eyJhbGciOiJub25lIn0.e30.", "x" * 20_000])
async def test_who_shows_nothing_that_counts_is_nobody(access: Access, credential: str | None) -> None:
    problem = await refusal(access, credential, "get", JOB_IN_A)
    assert problem.status == 401
    assert problem.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_namespace_that_a_caller_may_not_see_does_not_exist_for_them(access: Access, account: Account) -> None:
    token = account.may(EDITING, "a").token()
    await access.require(request(token), "delete", JOB_IN_A)
    hidden = await refusal(access, token, "get", JOB_IN_B)
    assert isinstance(hidden, JobNotFound)
    assert hidden.document() == (await refusal(access, token, "delete", JOB_IN_B)).document()
    assert "'b.wall'" in hidden.detail
    assert isinstance(await refusal(access, token, "get", JobId("no-such-namespace", "wall")), JobNotFound)
    user = await access.user(request(token))
    assert await access.namespaces(user, ["a", "b", "none"]) == {"a"}


async def test_who_may_look_may_not_touch(access: Access, account: Account) -> None:
    token = account.may(VIEWING, "a").token()
    await access.require(request(token), "get", JOB_IN_A)
    for verb in ("create", "patch", "delete"):
        problem = await refusal(access, token, verb, JOB_IN_A)
        assert problem.status == 403
        assert f"{account.username} may not {verb} pointcloudjobs in the namespace a." in problem.detail


async def test_a_role_may_name_one_job(access: Access, account: Account) -> None:
    token = account.may(EDITING, "a", names=["wall"]).token()
    await access.require(request(token), "patch", JOB_IN_A)
    assert isinstance(await refusal(access, token, "get", JobId("a", "another")), JobNotFound)


async def test_an_administrator_of_the_cluster_sees_every_namespace(access: Access) -> None:
    assert await access.namespaces(User("root", ("system:masters",)), ["a", "b"]) == {"a", "b"}


async def test_an_api_key_has_the_rights_of_its_own_name_and_of_all_keys(access: Access, api: httpx.Client) -> None:
    assert await access.user(request(KEY)) == User("pointcloud:api-key:scanner", (GROUP, "system:authenticated"))
    grant(api, {"kind": "User", "name": "pointcloud:api-key:scanner"}, EDITING, "a")
    await access.require(request(KEY), "create", JOB_IN_A)
    assert isinstance(await refusal(access, KEY, "get", JOB_IN_B), JobNotFound)


async def test_rolebindings_may_name_the_group_of_all_api_keys(access: Access, api: httpx.Client) -> None:
    grant(api, {"kind": "Group", "name": GROUP}, VIEWING, "kube-public")
    await access.require(request(KEY), "get", JobId("kube-public", "wall"))


async def test_a_credential_is_known_once_it_has_been_accepted(access: Access, account: Account) -> None:
    token = account.token()
    assert access.known(token) is None
    await access.user(request(token))
    known = access.known(token)
    assert known is not None
    assert known.name == account.username
    assert (await refusal(access, "invented", "get", JOB_IN_A)).status == 401
    assert access.known("invented") is None


async def test_a_gateway_that_may_not_ask_blames_nobody_else(account: Account, control_plane: ControlPlane) -> None:
    configuration = Configuration(host=control_plane.api.url, ssl_ca_cert=str(control_plane.api.authority))
    configuration.api_key["BearerToken"] = f"Bearer {account.token(audience=None)}"
    server = ApiServer(ApiClient(configuration))
    access = Access(Cluster(server), api_keys=ApiKeys(None), default_namespace="a")
    with pytest.raises(ClusterUnavailableError, match="refuses to say"):
        await access.user(request(account.token()))
    with pytest.raises(ClusterUnavailableError, match="refuses to say"):
        await access.may(User("jane"), "get", "a")
    await server.close()
