"""One PointcloudJob's life, from its creation to its address or its end, on a real control plane."""

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import Figures, StageWarning
from tests.fixtures.store import StoreServer
from tests.integration.conftest import Json, Namespace, until
from tests.integration.operator.conftest import Kubelet, Operator, result_of

pytestmark = pytest.mark.usefixtures("operator")

INGESTED = Figures(images_found=19, images_usable=18)
RECONSTRUCTED = Figures(images_found=19, images_usable=18, images_registered=7, points=6427)


def jobs(namespace: Namespace) -> list[Json]:
    return namespace.api.items(namespace.path("/apis/batch/v1", "jobs"))


def phase(namespace: Namespace, name: str) -> str | None:
    found: str | None = namespace.job(name).get("status", {}).get("phase")
    return found


def condition(job: Json, kind: str) -> Json:
    found: Json = next(c for c in job["status"]["conditions"] if c["type"] == kind)
    return found


def events(namespace: Namespace, name: str) -> list[Json]:
    found = namespace.api.items(namespace.path("/api/v1", "events"), fieldSelector=f"involvedObject.name={name}")
    return [event for event in found if event["involvedObject"]["kind"] == "PointcloudJob"]


def succeed(namespace: Namespace, kubelet: Kubelet, name: str) -> Json:
    kubelet.succeed(namespace, name, StageName.INGEST, figures=INGESTED)
    kubelet.succeed(namespace, name, StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.succeed(namespace, name, StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, name) == "Succeeded", "success")
    return namespace.job(name)


def test_three_stages_lead_to_an_address(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    rejected = StageWarning(reason="PhotosRejected", message="1 of 19 photos cannot be read: broken.jpg")
    kubelet.succeed(namespace, "ruin", StageName.INGEST, figures=INGESTED, warnings=(rejected,))
    kubelet.succeed(namespace, "ruin", StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, "ruin") == "Succeeded", "success")
    status = namespace.job("ruin")["status"]
    assert status["url"] == f"http://localhost:30080/potree/{namespace.name}/ruin/"
    assert status["published"] == status["stages"][2]["key"]
    assert status["images"]["display"] == "7/18"
    assert status["points"] == 6427
    assert status["progress"]["display"] == "100%"
    assert status["warnings"] == ["ingest: 1 of 19 photos cannot be read: broken.jpg"]
    assert condition(namespace.job("ruin"), "Complete")["status"] == "True"
    assert len(jobs(namespace)) == 3
    until(lambda: "Published" in {e["reason"] for e in events(namespace, "ruin")}, "the last Event")
    assert {"StageStarted", "StageSucceeded", "PhotosRejected"} <= {e["reason"] for e in events(namespace, "ruin")}


def test_a_killed_operator_carries_on_without_a_second_job(
    operator: Operator, namespace: Namespace, kubelet: Kubelet
) -> None:
    namespace.submit("ruin")
    pod = kubelet.bound(namespace, "ruin", StageName.INGEST)
    kubelet.run(pod)
    operator.kill()
    kubelet.end(pod, exit_code=0, message='{"result": ' + result_of(pod, StageName.INGEST).model_dump_json() + "}")
    operator.start()
    kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT)
    operator.kill()
    operator.start()
    kubelet.succeed(namespace, "ruin", StageName.RECONSTRUCT, figures=RECONSTRUCTED)
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: phase(namespace, "ruin") == "Succeeded", "success")
    assert len(jobs(namespace)) == 3


def test_a_lost_termination_message_is_read_from_the_store(
    namespace: Namespace, kubelet: Kubelet, store: StoreServer
) -> None:
    job = namespace.submit("ruin")
    pod = kubelet.bound(namespace, "ruin", StageName.INGEST)
    result = result_of(pod, StageName.INGEST, figures=INGESTED)
    folder = store.folder / "raw" / namespace.name / "ruin" / job["metadata"]["uid"] / result.key
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result.model_dump_json())
    kubelet.end(pod, exit_code=0)
    kubelet.bound(namespace, "ruin", StageName.RECONSTRUCT)
    assert namespace.job("ruin")["status"]["images"]["usable"] == 18


def test_deletion_takes_the_jobs_along(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    kubelet.run(kubelet.bound(namespace, "ruin", StageName.INGEST))
    namespace.api.delete(namespace.job_path("ruin"))
    until(lambda: not jobs(namespace), "the Job to go")


def test_a_changed_encoding_runs_only_the_conversion_again(namespace: Namespace, kubelet: Kubelet) -> None:
    namespace.submit("ruin")
    before = succeed(namespace, kubelet, "ruin")["status"]
    namespace.api.patch(namespace.job_path("ruin"), {"spec": {"pointcloud": {"encoding": "uncompressed"}}})
    kubelet.succeed(namespace, "ruin", StageName.CONVERT, figures=RECONSTRUCTED)
    until(lambda: namespace.job("ruin")["status"]["published"] != before["published"], "the new octree")
    after = namespace.job("ruin")["status"]
    assert after["phase"] == "Succeeded"
    assert [s["key"] for s in after["stages"][:2]] == [s["key"] for s in before["stages"][:2]]
    assert len(jobs(namespace)) == 4


def test_settled_jobs_are_left_alone_by_a_restart(
    operator: Operator,
    namespace: Namespace,
    kubelet: Kubelet,
) -> None:
    namespace.submit("settled")
    settled = succeed(namespace, kubelet, "settled")
    until(lambda: any(e["reason"] == "Published" for e in events(namespace, "settled")), "the last Event")
    operator.kill()
    operator.start()
    namespace.submit("later")  # is worked on only after everything that was there before
    kubelet.bound(namespace, "later", StageName.INGEST)
    assert namespace.job("settled")["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
