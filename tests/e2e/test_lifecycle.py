"""A job's life beside its straight way: deleted, made again, and an operator that dies in the middle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import succeeded, until
from tools.install import NAMESPACE
from tools.kubectl import Kubectl

Submit = Callable[..., str]
QUICK = {"quality": "low", "density": "sparse"}


def reconstructing(state: dict[str, Any]) -> bool:
    """Whether COLMAP has begun to tell of its progress."""
    status = state.get("status", {})
    return (status.get("stage"), status.get("phase")) == ("reconstruct", "Running")


def test_operator_killed_in_the_middle_carries_on_without_a_second_job(
    cluster: Kubectl, namespace: Kubectl, submit: Submit, scene: Path
) -> None:
    name = submit("survivor", scene / "photos", reconstruction=QUICK)
    until(namespace, name, reconstructing)
    selector = "app.kubernetes.io/component=operator"
    cluster.within(NAMESPACE)("delete", "pod", "-l", selector, "--grace-period=0", "--force")
    until(namespace, name, succeeded)
    jobs = [j["metadata"]["name"] for j in namespace.items("jobs") if j["metadata"]["name"].startswith(f"{name}-")]
    assert len(jobs) == 3, jobs
    assert all(job.endswith("-1") for job in jobs), jobs


def test_deleted_in_the_middle_takes_its_jobs_and_pods_with_it(namespace: Kubectl, submit: Submit, scene: Path) -> None:
    name = submit("deleted", scene / "photos", reconstruction=QUICK)
    until(namespace, name, reconstructing)
    namespace("delete", "pcj", name)
    selector = f"pointcloud.stitchsketch.io/job={name}"
    namespace("wait", "--for=delete", "job,pod", "-l", selector, "--timeout=90s")
    assert namespace.items("jobs", "-l", selector) == []


def test_made_again_with_other_photos_shows_the_new_ones(
    namespace: Kubectl, submit: Submit, scene: Path, tmp_path: Path
) -> None:
    photos = sorted((scene / "photos").iterdir())
    clouds = []
    for count in (8, 10):
        folder = tmp_path / f"first-{count}"
        folder.mkdir()
        for photo in photos[:count]:
            (folder / photo.name).write_bytes(photo.read_bytes())
        namespace("delete", "pcj", "again", "--ignore-not-found")
        namespace("delete", "pvc", "again", "--ignore-not-found")
        submit("again", folder, reconstruction=QUICK)
        clouds.append(until(namespace, "again", succeeded)[-1]["status"])
    assert [cloud["images"]["found"] for cloud in clouds] == [8, 10]
    assert clouds[0]["published"] != clouds[1]["published"]
