"""The public port over real PointcloudJobs: which octree is shown when, and how its files are served."""

import json
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.jobs import JobResource
from tools.cluster.processes import wait_until

KEY = "9d1e44b07c"
OTHER_KEY = "1122334455"
HTML = {"Accept": "text/html"}


@pytest.fixture
def browser(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.public) as session:
        yield session


@pytest.fixture
def page(browser: httpx.Client, job: JobResource) -> Callable[..., httpx.Response]:
    """Fetches a path below the job's address."""

    def fetch(path: str = "", **arguments: Any) -> httpx.Response:
        return browser.request(arguments.pop("method", "GET"), f"/potree/a/{job.name}/{path}", **arguments)

    return fetch


Page = Callable[..., httpx.Response]


def published(page: Page, key: str) -> None:
    wait_until(lambda: page().headers.get("location") == f"{key}/", what=f"{key} to be shown", seconds=PATIENCE_SECONDS)


def test_the_address_leads_to_what_is_published(job: JobResource, page: Page) -> None:
    job.finish(KEY, {"index.html": b"<p>first", "metadata.json": b"1"})
    job.finish(OTHER_KEY, {"index.html": b"<p>second", "metadata.json": b"2"})
    job.set_status(published=KEY)
    published(page, KEY)
    assert page().headers["cache-control"] == "no-store"
    shown = page(follow_redirects=True)
    assert (shown.text, shown.headers["content-type"]) == ("<p>first", "text/html; charset=utf-8")
    assert page("metadata.json").content == b"1"
    job.set_status(published=OTHER_KEY)
    published(page, OTHER_KEY)
    assert page("metadata.json").content == b"2"
    assert page(f"{KEY}/metadata.json").content == b"1"  # a page opened before goes on


def test_a_recreated_job_never_shows_its_predecessors_cloud(job: JobResource, page: Page) -> None:
    job.finish(KEY, {"metadata.json": b"old"})
    job.set_status(published=KEY)
    published(page, KEY)
    job.recreate()
    job.set_status(published=KEY)
    wait_until(lambda: page("metadata.json").content != b"old", what="the old cloud to go", seconds=PATIENCE_SECONDS)
    assert page(f"{KEY}/metadata.json").status_code == 404
    job.finish(KEY, {"metadata.json": b"new"})
    assert page("metadata.json").content == b"new"


def test_what_is_removed_is_gone_with_a_sentence_and_what_is_made_again_is_shown(
    job: JobResource, page: Page, gateway: Gateway
) -> None:
    job.finish(KEY, {"metadata.json": b"1"})
    job.finish(OTHER_KEY, {"metadata.json": b"2"})
    job.set_status(published=OTHER_KEY)
    published(page, OTHER_KEY)
    assert page(f"{KEY}/metadata.json").content == b"1"
    shutil.rmtree(gateway.folder / f"potree/a/{job.name}/{job.uid}/{KEY}")
    for _ in range(2):
        answer = page(f"{KEY}/metadata.json")
        assert (answer.status_code, answer.json()["title"]) == (404, "Not there any more")
    assert page(f"{OTHER_KEY}/missing.json").json()["title"] == "Nothing here"
    job.finish(KEY, {"metadata.json": b"3"}, pod_uid="another")
    assert page(f"{KEY}/metadata.json").content == b"3"
    job.finish(OTHER_KEY, {"metadata.json": b"4"}, pod_uid="another")
    shutil.rmtree(gateway.folder / f"potree/a/{job.name}/{job.uid}/{OTHER_KEY}/winner")
    assert page(f"{OTHER_KEY}/metadata.json").content == b"4", "a folder that is gone is remembered"


def test_an_unfinished_job_says_how_far_it_is(job: JobResource, page: Page) -> None:
    progress = {"percent": 41, "display": "41%", "message": "registered 7 of <18> images"}
    job.set_status(phase="Running", progress=progress)
    wait_until(
        lambda: "registered" in page(headers=HTML).text, what="the progress to be seen", seconds=PATIENCE_SECONDS
    )
    answer = page(headers=HTML)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "registered 7 of &lt;18&gt; images" in answer.text
    assert 'value="41"' in answer.text
    problem = page()
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["detail"] == "registered 7 of <18> images"


def test_a_failed_job_says_why(job: JobResource, page: Page) -> None:
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "NoOverlap",
        "message": "The photos do not overlap.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    job.set_status(phase="Failed", conditions=[failed])
    wait_until(lambda: page().status_code == 404, what="the failure to be seen", seconds=PATIENCE_SECONDS)
    assert page().json()["detail"] == "The photos do not overlap."


@pytest.mark.parametrize("path", ["/potree/a/none/", "/potree/a/NONE/", "/potree/%2e%2e/x/", "/elsewhere"])
def test_what_is_not_there_is_said_to_be_missing(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 404
    assert browser.get(path, headers=HTML).headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path",
    [
        "../other/secret",
        "%2e%2e/other/secret",
        "..%2fother%2fsecret",
        "other/..%2f..%2fother/secret",
        "%252e%252e/other/secret",
        ".hidden",
        "log.txt",
        "a//metadata.json",
        "metadata.json%00",
        "..\\other\\secret",
    ],
)
def test_no_spelling_leaves_the_winners_folder(job: JobResource, page: Page, path: str) -> None:
    job.finish(KEY, {"secret": b"secret"}, pod_uid="other")
    job.finish(KEY, {"metadata.json": b"1", ".hidden": b"secret", "log.txt": b"secret"})
    job.set_status(published=KEY)
    published(page, KEY)
    for spelling in (path, f"{KEY}/{path}"):
        answer = page(spelling)
        assert answer.status_code == 404
        assert b"secret" not in answer.content


@pytest.fixture
def octree(job: JobResource, page: Page) -> bytes:
    data = bytes(range(256)) * 40_000
    job.finish(KEY, {"octree.bin": data, "index.html": b"<p>", "assets/worker.js": b"1", "empty.bin": b""})
    job.set_status(published=KEY)
    published(page, KEY)
    return data


def test_ranges_are_served_as_the_octrees_reader_needs_them(octree: bytes, page: Page) -> None:
    whole = page(f"{KEY}/octree.bin")
    assert (whole.status_code, whole.content) == (200, octree)
    part = page(f"{KEY}/octree.bin", headers={"Range": "bytes=5000000-5000999"})
    assert (part.status_code, part.content) == (206, octree[5_000_000:5_001_000])
    assert part.headers["content-range"] == f"bytes 5000000-5000999/{len(octree)}"
    assert page(f"{KEY}/octree.bin", headers={"Range": "bytes=-7"}).content == octree[-7:]
    beyond = page(f"{KEY}/octree.bin", headers={"Range": f"bytes={len(octree)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(octree)}")
    several = page(f"{KEY}/octree.bin", headers={"Range": "bytes=0-1,5-6"})
    assert (several.status_code, several.content) == (200, octree)
    head = page(f"{KEY}/octree.bin", method="HEAD")
    assert (head.headers["content-length"], head.content) == (str(len(octree)), b"")
    assert page(f"{KEY}/empty.bin").content == b""


def test_content_below_a_key_is_kept_for_ever_and_revalidated_cheaply(octree: bytes, page: Page) -> None:
    answer = page(f"{KEY}/octree.bin", headers={"Range": "bytes=0-9"})
    assert "immutable" in answer.headers["cache-control"]
    assert page("octree.bin", headers={"Range": "bytes=0-9"}).headers["cache-control"] == "public, no-cache"
    etag = answer.headers["etag"]
    again = page(f"{KEY}/octree.bin", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    changed = page(f"{KEY}/octree.bin", headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, octree)
    same = page(f"{KEY}/octree.bin", headers={"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status_code, same.content) == (206, octree[:10])


@pytest.mark.usefixtures("octree")
def test_pages_of_other_origins_may_read_octrees(page: Page) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    answer = page(f"{KEY}/octree.bin", headers={**origin, "Range": "bytes=0-9"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "content-range" in answer.headers["access-control-expose-headers"].lower()
    asking = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range, content-type"}
    preflight = page(f"{KEY}/octree.bin", method="OPTIONS", headers={**origin, **asking})
    assert preflight.status_code == 200
    assert "range" in preflight.headers["access-control-allow-headers"].lower()


@pytest.mark.usefixtures("octree")
def test_browsers_are_told_to_run_nothing_else(page: Page) -> None:
    answer = page(f"{KEY}/assets/worker.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "worker-src 'self' blob:" in page(f"{KEY}/").headers["content-security-policy"]
    assert page(KEY).headers["location"] == f"{KEY}/"


def test_readiness_fails_while_the_store_cannot_be_written(browser: httpx.Client, gateway: Gateway) -> None:
    assert browser.get("/readyz").status_code == 200
    aside = gateway.folder.rename(gateway.folder.with_name("aside"))
    try:
        answer = browser.get("/readyz")
        assert answer.status_code == 503
        assert str(gateway.folder) in answer.text
        assert browser.get("/healthz").status_code == 200
    finally:
        aside.rename(gateway.folder)


def test_each_port_serves_its_own(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.public}/v1/objects/raw/a/x").status_code == 404
    misled = httpx.get(f"{gateway.store}/healthz", headers={"Host": gateway.public.removeprefix("http://")})
    assert misled.status_code == 404
    assert json.loads(httpx.get(f"{gateway.store}/v1/objects/raw/a/x").content)["reason"] == "Unauthorized"
