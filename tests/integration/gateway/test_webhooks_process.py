"""Webhooks of the gateway as it is run."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from pointcloud_gateway.access.grants import Grants
from tests.fixtures.web import WebServer, run_web, status
from tests.integration.conftest import until
from tests.integration.gateway.conftest import run_gateway
from tests.integration.gateway.jobs import COLLECTION, JobResource
from tools.cluster.controlplane import ControlPlane

KEY = "a signing key of the test, long enough"


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with run_web() as server:
        yield server


def test_a_gateway_that_is_killed_between_two_attempts_makes_the_second_once_it_is_back(
    control_plane: ControlPlane, api: httpx.Client, receiver: WebServer, tmp_path: Path
) -> None:
    job = JobResource(api, tmp_path, "job-told-twice")
    spec = {"webhooks": [{"url": f"{receiver.url}/hook"}]}
    headers = {"Content-Type": "application/merge-patch+json"}
    api.patch(f"{COLLECTION}/{job.name}", content=json.dumps({"spec": spec}), headers=headers)
    settings = {"WEBHOOKS_ALLOW_PRIVATE": "true", "SIGNING_KEY": KEY}
    how = {"kubeconfig": control_plane.kubeconfig, "folder": tmp_path / "store"}

    receiver.answer = lambda handler, _: status(handler, 500)
    with run_gateway(**how, settings=settings) as gateway:
        until(lambda: httpx.get(f"{gateway.public}/readyz").is_success, "the gateway")
        ended = datetime.now(UTC) + timedelta(seconds=2)
        job.set_status(phase="Failed", completionTime=ended.strftime("%Y-%m-%dT%H:%M:%SZ"))
        until(lambda: receiver.requests, "the first attempt")
        gateway.process.kill()

    receiver.answer = lambda handler, _: status(handler, 200)
    before = len(receiver.requests)
    with run_gateway(**how, settings=settings):
        until(lambda: len(receiver.requests) > before, "another attempt")
    secret = Grants(KEY.encode()).webhook_secret("a")
    for request, body in zip(receiver.requests, receiver.bodies, strict=True):
        message = Webhook(secret).verify(body, request)
        assert message["type"] == "job.failed"
        assert message["data"]["name"] == job.name
    assert len({request["webhook-id"] for request in receiver.requests}) == 1
    job.delete()
