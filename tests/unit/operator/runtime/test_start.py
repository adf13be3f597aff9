"""What the operator makes of a cluster that it cannot work for, and of a configuration that is wrong."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from pointcloud_kube.api import ApiServer
from pointcloud_operator.__main__ import CannotStartError, _passing_trouble, read_config

Answering = Callable[[int], Awaitable[ApiServer]]


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    """Makes an API server that answers everything with that status."""
    servers: list[TestServer] = []
    apis: list[ApiServer] = []

    async def make(status: int) -> ApiServer:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"reason": "", "message": "the server's words"}, status=status)

        application = web.Application()
        application.router.add_get("/{path:.*}", answer)
        servers.append(TestServer(application))
        await servers[-1].start_server()
        apis.append(ApiServer(ApiClient(Configuration(host=str(servers[-1].make_url("/")).rstrip("/")))))
        return apis[-1]

    yield make
    for api in apis:
        await api.close()
    for server in servers:
        await server.close()


async def test_a_cluster_that_answers_is_no_trouble(answering: Answering) -> None:
    assert await _passing_trouble(await answering(200)) is None


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_cluster_in_trouble_is_asked_again(answering: Answering, status: int) -> None:
    assert "the server's words" in str(await _passing_trouble(await answering(status)))


@pytest.mark.parametrize(("status", "advice"), [(404, "apply crds/"), (403, "refuses to list")])
async def test_a_cluster_that_will_never_do_is_said_why(answering: Answering, status: int, advice: str) -> None:
    with pytest.raises(CannotStartError, match=advice):
        await _passing_trouble(await answering(status))


@pytest.mark.parametrize("in_pod", [True, False])
async def test_a_silent_cluster_is_away_in_a_pod_and_a_mistake_elsewhere(
    monkeypatch: pytest.MonkeyPatch, *, in_pod: bool
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    if in_pod:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    api = ApiServer(ApiClient(Configuration(host="http://127.0.0.1:1")))
    try:
        if in_pod:
            assert "does not answer" in str(await _passing_trouble(api))
        else:
            with pytest.raises(CannotStartError, match="does not answer"):
                await _passing_trouble(api)
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("text", "advice"),
    [(None, "POINTCLOUD_CONFIG"), ("{", "is not YAML"), ("externalUrl: nowhere", "external_url|externalUrl")],
)
def test_a_wrong_configuration_is_said_to_be_so(tmp_path: Path, text: str | None, advice: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CannotStartError, match=advice):
        read_config(path)
