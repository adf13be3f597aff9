"""The seed's two endpoints, as a stranger with curl sees them: exactly these bodies."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.jobs import COLLECTION
from tests.integration.gateway.rest import RestJob
from tests.integration.gateway.rights import VIEWING, Account, bearer

Curl = Callable[..., tuple[int, Any]]


@pytest.fixture
def curl(rest: Gateway, credentials: dict[str, str]) -> Curl:
    """Status and body of what curl is answered."""

    def ask(
        path: str, *arguments: str, header: str = f"Authorization: {credentials['Authorization']}"
    ) -> tuple[int, Any]:
        command = ["curl", "-s", "-w", "\n%{http_code}", "-H", header, *arguments, f"{rest.public}{path}"]
        body, _, status = subprocess.run(command, capture_output=True, check=True, text=True).stdout.rpartition("\n")
        return int(status), json.loads(body)

    return ask


def test_a_job_goes_from_pending_over_processing_to_completed(rest_job: RestJob, curl: Curl, tmp_path: Path) -> None:
    photo = tmp_path / "x.jpg"
    photo.write_bytes(b"a photo")
    assert curl(f"/job/{rest_job.name}") == (200, {"id": rest_job.name, "status": "pending"})
    sent = curl(f"/process/{rest_job.name}", "-F", f"file=@{photo}")
    assert sent == (200, {"message": "Job queued for processing"})
    assert curl(f"/job/{rest_job.name}") == (200, {"id": rest_job.name, "status": "processing"})
    rest_job.succeed()
    until(lambda: curl(f"/job/{rest_job.name}")[1]["status"] == "completed", "the job to be completed")
    url = f"http://localhost:8080/potree/a/{rest_job.name}/"
    assert curl(f"/job/{rest_job.name}") == (200, {"id": rest_job.name, "status": "completed", "potree_url": url})


def test_a_failed_job_says_no_more_than_that(rest_job: RestJob, curl: Curl) -> None:
    rest_job.set_status(phase="Failed")
    until(lambda: curl(f"/job/{rest_job.name}")[1]["status"] == "failed", "the job to fail")
    assert curl(f"/job/{rest_job.name}") == (200, {"id": rest_job.name, "status": "failed"})


NOBODYS = ["nobodys", "b.wall", "a.b.c", "UPPER", "x" * 200, "%2e%2e", "%00", "%0a", "a%20b", "süd", "%ff", "{job_id}"]


@pytest.mark.parametrize("name", NOBODYS)
def test_a_job_that_is_not_there_is_not_found(curl: Curl, tmp_path: Path, name: str) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x")
    assert curl(f"/job/{name}") == (404, {"error": "Job not found"})
    assert curl(f"/process/{name}", "-F", f"file=@{file}") == (404, {"error": "Job not found"})


def test_a_job_made_with_kubectl_is_there_at_once(api: httpx.Client, curl: Curl) -> None:
    body = {"apiVersion": "stitchsketch.io/v1alpha1", "kind": "PointcloudJob", "spec": {"source": {"upload": {}}}}
    api.post(COLLECTION, json={**body, "metadata": {"name": "by-kubectl"}})
    assert curl("/job/by-kubectl") == (200, {"id": "by-kubectl", "status": "pending"})
    assert curl("/job/a.by-kubectl") == (200, {"id": "by-kubectl", "status": "pending"})  # one id, told as it is
    api.delete(f"{COLLECTION}/by-kubectl")


def test_a_job_of_the_archive_still_answers(rest_job: RestJob, curl: Curl) -> None:
    rest_job.succeed()
    until(lambda: curl(f"/job/{rest_job.name}")[1]["status"] == "completed", "the job to be completed")
    rest_job.delete()
    rest_job.wait_until_archived()
    assert curl(f"/job/{rest_job.name}")[1]["status"] == "completed"


def test_every_other_error_is_a_problem_document(
    rest_job: RestJob, curl: Curl, api: httpx.Client, rest: Gateway
) -> None:
    status, problem = curl(f"/job/{rest_job.name}", header="X: y")
    assert (status, problem["status"], problem["title"]) == (401, 401, "Unauthorized")
    viewer = bearer(Account.make(api).may(VIEWING, "a").token())
    answer = httpx.post(f"{rest.public}/process/{rest_job.name}", files={"file": b"x"}, headers=viewer)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert "may not patch" in answer.json()["detail"]
