"""What a job leaves beside its point cloud: logs, the report, outputs, files, deliveries."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from pointcloud_api.names import JOB_LABEL, KEY_LABEL, STAGE_LABEL, StageName
from tests.integration.conftest import until
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.rest import KEY, RestJob
from tests.integration.gateway.rights import EDITING, Account, bearer

KEEPING = ["logs", "report", "outputs", "outputs/points.laz", "files", "deliveries"]


def stage_begun(job: RestJob, stage: str) -> None:
    until(lambda: job.document["stage"] == stage, "the stage to begin")


def test_the_log_is_that_of_the_pod_that_made_the_result(
    client: httpx.Client, rest_job: RestJob, rest: Gateway
) -> None:
    rest_job.run_stage(StageName.INGEST, rest.folder, {"log.txt": b"an earlier try"}, won=False)
    rest_job.run_stage(StageName.INGEST, rest.folder, {"log.txt": "3 Fotos süß\n".encode()})
    stage_begun(rest_job, "ingest")
    answer = client.get(f"{rest_job.path}/logs")
    assert (answer.text, answer.headers["content-type"]) == ("3 Fotos süß\n", "text/plain; charset=utf-8")
    assert client.get(f"{rest_job.path}/logs", params={"stage": "ingest"}).text == answer.text
    assert client.get(f"{rest_job.path}/logs", headers={"Range": "bytes=0-0"}).content == b"3"


def test_without_a_result_it_is_that_of_the_last_pod(client: httpx.Client, rest_job: RestJob, rest: Gateway) -> None:
    for text in (b"first", b"second"):
        rest_job.run_stage(StageName.RECONSTRUCT, rest.folder, {"log.txt": text}, won=False)
    stage_begun(rest_job, "reconstruct")
    assert client.get(f"{rest_job.path}/logs").content == b"second"


def test_the_log_of_a_pod_that_cannot_be_asked_is_what_is_stored(
    client: httpx.Client, api: httpx.Client, rest_job: RestJob, rest: Gateway
) -> None:
    """The control plane of these tests has no node, so its pods have no logs to read."""
    labels = {JOB_LABEL: rest_job.name, STAGE_LABEL: "ingest", KEY_LABEL: KEY}
    pod = {
        "metadata": {"name": rest_job.name, "labels": labels},
        "spec": {"containers": [{"name": "stage", "image": "x"}]},
    }
    api.post("/api/v1/namespaces/a/pods", json=pod)
    rest_job.run_stage(StageName.INGEST, rest.folder, {"log.txt": b"stored"}, won=False)
    begun = {"name": "ingest", "key": KEY, "settings": {}, "phase": "Running", "job": "j"}
    rest_job.set_status(phase="Running", stage="ingest", stages=[begun])
    until(lambda: [stage["phase"] for stage in rest_job.document["stages"]] == ["Running"], "the stage to run")
    for follow in ("true", "false"):
        assert client.get(f"{rest_job.path}/logs", params={"follow": follow}).content == b"stored"
    api.request("DELETE", f"/api/v1/namespaces/a/pods/{rest_job.name}", json={"gracePeriodSeconds": 0})


@pytest.mark.parametrize(
    ("stage", "says"), [({}, "No stage has begun"), ({"stage": "convert"}, "convert has not begun")]
)
def test_there_is_no_log_before_a_stage_begins(
    client: httpx.Client, rest_job: RestJob, stage: dict[str, str], says: str
) -> None:
    answer = client.get(f"{rest_job.path}/logs", params=stage)
    assert answer.status_code == 404
    assert says in answer.json()["detail"]


def test_the_report_is_kept_beyond_the_job_and_its_artefacts(
    client: httpx.Client, rest_job: RestJob, rest: Gateway
) -> None:
    assert "no report yet" in client.get(f"{rest_job.path}/report").json()["detail"]
    rest_job.run_stage(StageName.RECONSTRUCT, rest.folder, {"report.json": b'{"cameras": 7}'})
    stage_begun(rest_job, "reconstruct")
    answer = client.get(f"{rest_job.path}/report")
    assert (answer.json(), answer.headers["content-type"]) == ({"cameras": 7}, "application/json")
    begun = rest_job.resource["status"]["stages"]
    rest_job.set_status(phase="Succeeded", stages=begun)
    until(lambda: rest_job.document["status"] == "completed", "the job to be completed")
    rest_job.delete()
    rest_job.wait_until_archived()
    for report in rest.folder.rglob(f"{rest_job.name}/**/report.json"):
        report.unlink()
    assert client.get(f"{rest_job.path}/report").json() == {"cameras": 7}


def test_outputs_are_those_of_the_manifest_and_come_whole_or_in_part(
    client: httpx.Client, rest_job: RestJob, rest: Gateway
) -> None:
    assert "nothing to download yet" in client.get(f"{rest_job.path}/outputs").json()["detail"]
    listed = [{"path": path, "size": 5, "sha256": "0" * 64} for path in ("points.laz", "sparse/images.txt", "gone.zip")]
    files = {
        "outputs.json": json.dumps({"files": listed}).encode(),
        "points.laz": b"LASF!",
        "sparse/images.txt": b"# im",
        "log.txt": b"for the log's own route",
    }
    rest_job.run_stage(StageName.RECONSTRUCT, rest.folder, files)
    stage_begun(rest_job, "reconstruct")
    assert client.get(f"{rest_job.path}/outputs").json() == {"items": listed}
    answer = client.get(f"{rest_job.path}/outputs/points.laz", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.content) == (206, b"LASF")
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{rest_job.name}-points.laz"
    assert client.get(f"{rest_job.path}/outputs/sparse/images.txt").content == b"# im"
    for path in ("log.txt", "../result.json", "%2e%2e/result.json", "gone.zip", ""):
        assert client.get(f"{rest_job.path}/outputs/{path}").status_code == 404, path


def test_the_files_are_those_that_have_arrived(client: httpx.Client, rest_job: RestJob) -> None:
    assert client.get(f"{rest_job.path}/files").json() == {"items": []}
    client.post(f"/process/{rest_job.name}", files={"file": ("a.jpg", b"12345")}).raise_for_status()
    (file,) = client.get(f"{rest_job.path}/files").json()["items"]
    assert (file["name"], file["size"], len(file["id"])) == ("a.jpg", 5, 32)
    assert file["received_at"].endswith("Z")


def test_the_deliveries_are_listed(client: httpx.Client, api: httpx.Client) -> None:
    job = RestJob.make(api, client, webhooks=[{"url": "https://127.0.0.1:1/hook"}])
    assert client.get(f"{job.path}/deliveries").json() == {"items": []}
    job.set_status(phase="Failed", completionTime=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    (delivery,) = until(lambda: client.get(f"{job.path}/deliveries").json()["items"], "a delivery")
    assert delivery["url"] == "https://127.0.0.1:1/hook"
    assert delivery["status"] in {"pending", "failed"}
    client.delete(job.path)


@pytest.mark.parametrize("what", KEEPING)
def test_records_are_for_who_may_see_the_job(api: httpx.Client, rest: Gateway, rest_job: RestJob, what: str) -> None:
    stranger = bearer(Account.make(api).may(EDITING, "b").token())
    assert httpx.get(f"{rest.public}{rest_job.path}/{what}", headers=stranger).status_code == 404
    assert httpx.get(f"{rest.public}{rest_job.path}/{what}").status_code == 401
