"""The page and its octree in a bucket of a real S3 server that whoever has the address may read."""

import json
import mimetypes
from pathlib import Path

import httpx
import obstore
import pytest
from playwright.sync_api import Page

from tests.fixtures.wall import BLUE, GREEN, RED, Wall, close, colour_around, lay_out, pixels
from tests.integration.viewer.site import settled
from tools.s3 import Bucket, run_bucket

PREFIX = "clouds/wall"


def upload(folder: Path, bucket: Bucket) -> None:
    """As the tools of object stores do, which tell a file's type by the end of its name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        store = obstore.store.from_url(bucket.url)
    for file in folder.rglob("*"):
        if file.is_file():
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            obstore.put(store, f"{PREFIX}/{file.relative_to(folder)}", file, attributes={"Content-Type": kind})


def test_the_page_works_from_a_bucket_that_all_may_read(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    wall = Wall.build()
    folder = lay_out(tmp_path / "wall", viewer_page, wall)
    (folder / "view.json").write_text(json.dumps(wall.view()))
    answers: list[tuple[str, int]] = []
    page.on("response", lambda answer: answers.append((answer.url.rpartition("/")[2], answer.status)))
    with run_bucket(tmp_path / "s3") as bucket:
        upload(folder, bucket)
        address = f"{bucket.address}/{PREFIX}/index.html"
        assert httpx.get(address).status_code == 403, "it may be read before this is allowed"
        bucket.let_all_read()
        page.goto(address)
        settled(page)
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
        picture = pixels(page)
        assert httpx.get(bucket.address).status_code == 403, "all may list it"
        assert httpx.put(f"{bucket.address}/{PREFIX}/view.json", content=b"{}").status_code == 403, "all may write"

    assert state["error"] is None
    assert state["points"] == len(wall.positions)
    assert {status for name, status in answers if name in {"hierarchy.bin", "octree.bin"}} == {206}
    assert page.title() == "Wall"
    assert close(colour_around(picture, 400, 350), RED)
    assert close(colour_around(picture, 560, 350), GREEN)
    assert close(colour_around(picture, 480, 300 - 130), BLUE)
