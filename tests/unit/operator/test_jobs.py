import json
from pathlib import Path

import pytest
import yaml

from pointcloud_api.names import StageName
from pointcloud_api.stages import DOCUMENT_VARIABLE, STAGE_DOCUMENT, URLS_VARIABLE
from pointcloud_operator.model.jobs import stage_job
from pointcloud_operator.model.plan import plan
from pointcloud_operator.model.records import intended, planned
from tests.unit.operator.builders import CONFIG, UID, Json, pointcloud_job

GOLDEN = Path(__file__).parent / "golden"
CLAIM = {"source": {"persistentVolumeClaim": {"claimName": "photos", "path": "brighton/"}}}
REVIEWED: dict[str, tuple[StageName, Json | None]] = {
    "ingest-from-claim.yaml": (StageName.INGEST, CLAIM),
    "reconstruct-on-gpu.yaml": (StageName.RECONSTRUCT, None),
}


def made(stage: StageName, spec: Json | None = None) -> Json:
    job = pointcloud_job(spec)
    found = next(each for each in plan(job.spec, uid=UID) if each.name == stage)
    record = intended(planned(found), 1, name=job.metadata.name)
    return stage_job(job, found, record, retries=CONFIG.retry_limit, config=CONFIG)


def container(job: Json) -> Json:
    found: Json = job["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(job: Json) -> dict[str, str]:
    return {variable["name"]: variable.get("value", "") for variable in container(job)["env"]}


@pytest.mark.parametrize("file", REVIEWED)
def test_jobs_are_as_reviewed(file: str) -> None:
    """After a change that is meant: `python -m tests.unit.operator.test_jobs` writes the files anew, for review."""
    assert made(*REVIEWED[file]) == yaml.safe_load((GOLDEN / file).read_text())


def test_users_resources_are_laid_over_the_installs() -> None:
    wished = {"limits": {"memory": "32Gi"}, "requests": {"cpu": 6}}
    spec = {"stages": {"reconstruct": {"resources": wished, "nodeSelector": {"zone": "a"}}}}
    job = made(StageName.RECONSTRUCT, {**spec, "reconstruction": {"device": "cpu"}})
    assert container(job)["resources"] == {"limits": {"memory": "32Gi"}, "requests": {"cpu": 6, "memory": "4Gi"}}
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "fast", "zone": "a"}


def test_only_a_reconstruction_on_the_gpu_asks_for_one() -> None:
    on_cpu = made(StageName.RECONSTRUCT, {"reconstruction": {"device": "cpu"}})
    assert container(on_cpu)["image"] == "example.com/colmap:1"
    for job in (on_cpu, made(StageName.INGEST), made(StageName.CONVERT)):
        assert "nvidia.com/gpu" not in container(job)["resources"].get("limits", {})
        assert "nvidia.com/gpu" not in {each["key"] for each in job["spec"]["template"]["spec"]["tolerations"]}


def test_signatures_reach_the_ingest_pod_and_nothing_else() -> None:
    spec = {"source": {"urls": ["https://example.com/a.zip?signature=5ecret"]}}
    ingest = environment(made(StageName.INGEST, spec))
    assert json.loads(ingest[URLS_VARIABLE]) == ["https://example.com/a.zip?signature=5ecret"]
    assert "5ecret" not in ingest[DOCUMENT_VARIABLE]
    for stage in (StageName.RECONSTRUCT, StageName.CONVERT):
        assert "5ecret" not in json.dumps(made(stage, spec))


@pytest.mark.parametrize("stage", StageName)
def test_the_document_is_one_that_stages_read(stage: StageName) -> None:
    document = STAGE_DOCUMENT.validate_json(environment(made(stage))[DOCUMENT_VARIABLE])
    assert document.stage == stage
    assert document.uid == UID


if __name__ == "__main__":
    for name, (stage_made, spec_made) in REVIEWED.items():
        without_aliases = json.loads(json.dumps(made(stage_made, spec_made)))
        (GOLDEN / name).write_text(yaml.safe_dump(without_aliases, sort_keys=False))
