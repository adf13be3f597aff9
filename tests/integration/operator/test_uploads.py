"""A job whose photos are uploaded, on a real control plane: it begins when they are there, and all of them count."""

from datetime import UTC, datetime, timedelta

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import DOCUMENT_VARIABLE, STAGE_DOCUMENT, IngestDocument, ReconstructDocument, StageDocument
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import SETTLE_SECONDS, Kubelet
from tests.integration.operator.test_lifecycle import RECONSTRUCTED, condition, jobs, phase, succeed

pytestmark = pytest.mark.usefixtures("operator")


def upload(namespace: Namespace, name: str, revision: int) -> datetime:
    """Raises the revision as the gateway does; when that was."""
    received = datetime.now(UTC).replace(microsecond=0)
    source = {"upload": {"revision": revision, "receivedAt": f"{received:%Y-%m-%dT%H:%M:%SZ}"}}
    namespace.api.patch(namespace.job_path(name), {"spec": {"source": source}})
    return received


def document(pod: Json) -> StageDocument:
    """What the stage's pod is told."""
    (container,) = pod["spec"]["containers"]
    value = next(variable["value"] for variable in container["env"] if variable["name"] == DOCUMENT_VARIABLE)
    return STAGE_DOCUMENT.validate_json(value)


def revision(pod: Json) -> int | None:
    told = document(pod)
    assert isinstance(told, IngestDocument)
    return told.settings.upload_revision


def await_condition(namespace: Namespace, name: str, kind: str, reason: str) -> Json:
    def found() -> Json | None:
        conditions = namespace.job(name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if (c["type"], c["status"], c["reason"]) == (kind, "True", reason)), None)

    return until(found, f"{kind} because of {reason}")


def test_a_job_waits_for_a_file_and_says_where_to_send_it(namespace: Namespace) -> None:
    namespace.submit("ruin", source={"upload": {}})
    said = await_condition(namespace, "ruin", "AwaitingUpload", "UploadAwaited")
    assert f"/process/{namespace.name}.ruin" in said["message"]
    job = namespace.job("ruin")
    assert condition(job, "Reconciling")["status"] == "False"
    assert job["status"]["observedGeneration"] == job["metadata"]["generation"]
    assert jobs(namespace) == []


def test_files_settle_and_then_make_one_run(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin", source={"upload": {}})
    for number in (1, 2, 3):
        received = upload(namespace, "ruin", number)
        await_condition(namespace, "ruin", "Reconciling", "UploadSettling")
    pod = kubelet.bound(namespace, "ruin", StageName.INGEST)
    assert revision(pod) == 3
    (job,) = jobs(namespace)
    created = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
    assert created >= received + timedelta(seconds=SETTLE_SECONDS)


def test_a_file_for_a_finished_job_runs_it_again_beside_what_is_published(
    namespace: Namespace, kubelet: Kubelet
) -> None:
    namespace.submit("ruin", source={"upload": {}})
    upload(namespace, "ruin", 1)
    before = succeed(namespace, kubelet, "ruin")["status"]
    upload(namespace, "ruin", 2)
    assert revision(kubelet.bound(namespace, "ruin", StageName.INGEST)) == 2
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=RECONSTRUCTED)
    told = document(kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT))
    assert isinstance(told, ReconstructDocument)
    assert told.previous_key == before["stages"][1]["key"]
    meanwhile = namespace.job("ruin")["status"]
    assert (meanwhile["published"], meanwhile["url"]) == (before["published"], before["url"])
    kubelet.succeed(namespace, "ruin", StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, "ruin") == "Succeeded", "success")
    assert namespace.job("ruin")["status"]["published"] != before["published"]
    assert len(jobs(namespace)) == 6


def test_a_file_that_arrives_during_the_ingest_ends_it(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin", source={"upload": {}})
    upload(namespace, "ruin", 1)
    kubelet.run(kubelet.bound(namespace, "ruin", StageName.INGEST))
    (first,) = jobs(namespace)
    upload(namespace, "ruin", 2)
    until(lambda: first["metadata"]["uid"] not in {job["metadata"]["uid"] for job in jobs(namespace)}, "its Job to go")
    assert revision(kubelet.bound(namespace, "ruin", StageName.INGEST)) == 2
