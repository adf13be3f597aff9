"""The gateway's process: when it is ready, how it ends, and what it says when it cannot go on."""

import signal
import socket
import threading
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway, run_gateway
from tests.integration.gateway.rest import Event, RestJob, events
from tests.integration.gateway.rights import EDITING, Account, bearer
from tools.cluster.controlplane import ControlPlane


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    return made


def test_it_is_ready_once_everything_that_requests_need_is_there(rest: Gateway) -> None:
    until(lambda: httpx.get(f"{rest.public}/readyz").text == "ok\n", "the gateway to be ready")
    assert httpx.get(f"{rest.public}/healthz").text == "ok\n"


def test_it_is_not_ready_without_the_api_server_and_lives(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {token: t}}],"
        f" clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}],"
        " contexts: [{name: c, context: {cluster: c, user: u}}]}"
    )
    with run_gateway(kubeconfig=kubeconfig, folder=folder) as gateway:
        answer = httpx.get(f"{gateway.public}/readyz")
        assert (answer.status_code, answer.text) == (503, "the PointcloudJobs are not known yet\n")
        assert httpx.get(f"{gateway.public}/healthz").status_code == 200
        problem = httpx.get(f"{gateway.public}/job/statue", headers=bearer("anything"))
        assert (problem.status_code, problem.headers["content-type"]) == (503, "application/problem+json")
        assert int(problem.headers["retry-after"]) > 0


def test_a_lost_database_takes_history_alone(
    control_plane: ControlPlane, api: httpx.Client, folder: Path, rest_job: RestJob, credentials: dict[str, str]
) -> None:
    del api
    with run_gateway(
        kubeconfig=control_plane.kubeconfig,
        folder=folder,
        settings={"DATABASE": "postgresql+asyncpg://nobody@127.0.0.1:1/none", "DEFAULT_NAMESPACE": "a"},
    ) as gateway:
        until(lambda: httpx.get(f"{gateway.public}/readyz").is_success, "the gateway to be ready")
        job = httpx.get(f"{gateway.public}/job/{rest_job.name}", headers=credentials)
        assert (job.status_code, job.json()["status"]) == (200, "pending")
        live = httpx.get(f"{gateway.public}/jobs", headers=credentials, params={"archived": "false"})
        assert rest_job.name in [each["name"] for each in live.json()["items"]]
        listed = httpx.get(f"{gateway.public}/jobs", headers=credentials)
        assert (listed.status_code, listed.headers["content-type"]) == (503, "application/problem+json")


def test_a_signal_ends_streams_and_then_the_process(
    control_plane: ControlPlane, api: httpx.Client, folder: Path
) -> None:
    token = Account.make(api).may(EDITING, "a").token()
    settings = {"DEFAULT_NAMESPACE": "a"}
    with run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings=settings) as gateway:
        with httpx.Client(base_url=gateway.public, headers=bearer(token), timeout=30) as client:
            job = RestJob.make(api, client)
            told: list[Event] = []
            begun = threading.Event()

            def follow() -> None:
                with client.stream("GET", "/events") as response:
                    for event in events(response):
                        told.append(event)
                        begun.set()

            reader = threading.Thread(target=follow)
            reader.start()
            assert begun.wait(30)
            gateway.process.send_signal(signal.SIGTERM)
            reader.join(30)
        assert gateway.process.wait(30) == 0
        assert told[0].name == "present"
        assert "Traceback" not in gateway.log.read_text()
    job.delete()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"DATABASE": "mysql://x"}, "The gateway ends: "),
        ({"STORE": "nonsense://x"}, "The gateway ends: the store nonsense://x cannot be opened"),
        ({"RATE_LIMIT": "often"}, "The gateway's environment is wrong"),
    ],
)
def test_what_keeps_it_from_going_on_is_said_in_a_sentence(
    control_plane: ControlPlane, folder: Path, setting: dict[str, str], says: str
) -> None:
    with (
        pytest.raises(AssertionError, match="the gateway ended"),
        run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings=setting),
    ):
        pass
    sentences = folder.with_name("store.log").read_text().splitlines()
    assert [line for line in sentences if line.startswith(says)]


def test_a_port_that_is_taken_is_named(control_plane: ControlPlane, folder: Path) -> None:
    with (
        socket.create_server(("", 0)) as taken,
        pytest.raises(AssertionError, match=f"the port {taken.getsockname()[1]} cannot be listened at"),
        run_gateway(kubeconfig=control_plane.kubeconfig, folder=folder, settings={"PORT": str(taken.getsockname()[1])}),
    ):
        pass
