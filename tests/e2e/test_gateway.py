"""From photos to the viewer by HTTP alone, as the README shows it, on a running cluster."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import coloured_share, open_viewer
from tests.fixtures.network import Network
from tools import gateway
from tools.kubectl import Kubectl

ROOT = Path(__file__).parents[2]
JOB = "my-first"
LONGEST = 420
"""Seconds that a small job may take on this machine before the test gives up."""
SLOW = 500_000
"""Bytes a second of a network on which eight photos take some seconds."""


def readme_commands() -> str:
    """The README's block of curl commands."""
    section = (ROOT / "README.md").read_text().partition("## Without kubectl")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found, "the README shows no commands"
    return found[1]


@pytest.fixture(scope="module")
def service(cluster: Kubectl) -> tuple[str, str]:
    """The gateway's address, and a token for it."""
    return gateway.url(cluster), gateway.token(cluster)


@pytest.fixture(scope="module")
def rest(service: tuple[str, str]) -> Iterator[httpx.Client]:
    """The REST service; an answer that is an error fails the test."""
    address, token = service
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def few_photos(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos of the scene, of which the last two are to come later."""
    folder = tmp_path_factory.mktemp("few")
    for photo in sorted((scene / "photos").iterdir())[:10]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    return folder


@pytest.fixture(scope="module")
def by_curl(
    cluster: Kubectl, few_photos: Path, tmp_path_factory: pytest.TempPathFactory, rest: httpx.Client
) -> Iterator[list[str]]:
    """What the README's commands print, line by line, for eight photos."""
    eight = tmp_path_factory.mktemp("eight")
    for photo in sorted(few_photos.iterdir())[:8]:
        (eight / photo.name).write_bytes(photo.read_bytes())
    cluster("delete", "pcj", JOB, "--ignore-not-found")
    environment = {**os.environ, "PHOTOS": str(eight)}
    done = subprocess.run(
        ["bash", "-eu", "-c", readme_commands()], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    yield done.stdout.replace("}{", "}\n{").splitlines()
    rest.delete(f"/jobs/{JOB}").raise_for_status()


@pytest.fixture
def new_name(cluster: Kubectl) -> Iterator[str]:
    """A name that no job has, not even one that a run before, cut off, left on the cluster; free again afterwards."""
    name = "by-hand"
    cluster("delete", "pcj", name, "--ignore-not-found")
    yield name
    cluster("delete", "pcj", name, "--ignore-not-found")


def completed(rest: httpx.Client) -> dict[str, Any]:
    """The job as its stream of events tells of it once it has completed; fails when it ends otherwise."""
    with rest.stream("GET", f"/jobs/{JOB}/events", timeout=LONGEST) as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                job: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if job["status"] == "completed":
                    return job
                assert job["status"] in {"pending", "processing"}, job
    raise AssertionError("the stream of events ended")


def test_photos_sent_one_by_one_by_curl_become_one_run_and_a_cloud_in_the_browser(
    by_curl: list[str], cluster: Kubectl, rest: httpx.Client, page: Page, tmp_path: Path
) -> None:
    answers = [json.loads(line) for line in by_curl]
    assert answers[0]["status"] == "pending"
    assert answers[1:9] == [{"message": "Job queued for processing"}] * 8
    assert answers[9] == {"id": JOB, "status": "processing"}

    completed(rest)
    final = rest.get(f"/job/{JOB}").json()
    assert (final["id"], final["status"]) == (JOB, "completed")
    jobs = [j["metadata"]["name"] for j in cluster.items("jobs") if j["metadata"]["name"].startswith(f"{JOB}-ingest")]
    assert len(jobs) == 1, "photos that came within the settling time started more than one run"
    viewer = open_viewer(page, final["potree_url"], tmp_path / "cloud.png")
    assert viewer["error"] is None
    assert viewer["points"] > 300
    assert coloured_share(tmp_path / "cloud.png") > 0.005


def test_a_photo_sent_to_a_finished_job_starts_a_run_with_all_that_extracts_the_new_ones_alone(
    by_curl: list[str], service: tuple[str, str], rest: httpx.Client, few_photos: Path
) -> None:
    del by_curl
    completed(rest)
    address, token = service
    files = [word for photo in sorted(few_photos.iterdir())[8:] for word in ("-F", f"file=@{photo}")]
    command = ["curl", "-sS", "-H", f"Authorization: Bearer {token}", *files, f"{address}/process/{JOB}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"message": "Job queued for processing"}
    assert rest.get(f"/job/{JOB}").json() == {"id": JOB, "status": "processing"}
    images = completed(rest)["images"]
    assert (images["found"], images["reused"]) == (10, 8)


def test_a_job_that_nobody_made_is_not_found(service: tuple[str, str], few_photos: Path) -> None:
    address, token = service
    photo = next(few_photos.iterdir())
    for words in (("-F", f"file=@{photo}", f"{address}/process/nobodys"), (f"{address}/job/nobodys",)):
        command = ["curl", "-sS", "-w", " %{http_code}", "-H", f"Authorization: Bearer {token}", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == '{"error":"Job not found"} 404'


def test_a_person_without_kubectl_sends_photos_over_a_network_that_breaks_and_opens_the_cloud(  # noqa: PLR0917 - fixtures
    service: tuple[str, str], rest: httpx.Client, few_photos: Path, new_name: str, page: Page, tmp_path: Path
) -> None:
    address, token = service
    network = Network(page)
    page.goto(f"{address}/")
    page.get_by_label("Access token or API key").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="New").first.click()
    page.locator("input[type=file]").first.set_input_files(sorted(few_photos.iterdir())[:8])
    page.get_by_label("Name", exact=True).fill(new_name)
    page.get_by_role("radio", name=re.compile("^low")).check()
    network.slow(bytes_per_second=SLOW)
    page.get_by_role("button", name="Send").click()
    bar = page.get_by_role("progressbar", name="All files")
    expect(bar).to_have_attribute("value", re.compile(r"[1-9]\d{5,}"), timeout=60_000)
    network.cut()
    expect(page.get_by_text("You are offline.")).to_be_visible()
    network.restore()
    expect(page.get_by_role("heading", name="All files have arrived")).to_be_visible(timeout=60_000)
    assert len(rest.get(f"/jobs/{new_name}/files").json()["items"]) == 8

    expect(page.get_by_text(f"{new_name} is ready.")).to_be_visible(timeout=LONGEST * 1000)
    page.screenshot(path=str(tmp_path / "page.png"))
    with page.expect_popup() as opening:
        page.get_by_role("link", name="Open in the viewer").click()
    viewer = open_viewer(opening.value, opening.value.url, tmp_path / "cloud.png")
    assert viewer["error"] is None
    assert viewer["points"] > 100
