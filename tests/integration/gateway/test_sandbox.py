"""What a tenant's pod wrote, shown by a real browser: the viewer works, and a hostile page reaches nothing."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from pointcloud_api.resource import Encoding
from tests.fixtures.wall import GREEN, RED, SETTLE_MS, SETTLED, Wall, close, colour_around, lay_out, pixels
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.jobs import JobResource

KEY = "9d1e44b07c"
SECRET = "the-page-at-the-root-keeps-this"  # noqa: S105 - of this test


def published(job: JobResource, folder: Path) -> str:
    """Publishes a folder; its address, to which the first request may come before the watch has told."""
    job.finish(KEY, {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    job.set_status(published=KEY)
    return f"/potree/a/{job.name}/{KEY}/"


@pytest.mark.parametrize("encoding", Encoding)
def test_the_viewer_works_in_its_sandbox(
    gateway: Gateway, job: JobResource, tmp_path: Path, *, viewer_page: Path, page: Page, encoding: Encoding
) -> None:
    wall = Wall.build()
    folder = lay_out(tmp_path, viewer_page, wall, encoding=encoding)
    (folder / "view.json").write_text(json.dumps(wall.view()))
    (folder / "report.json").write_text("{}")
    (folder / "outputs.json").write_text('{"files": []}')
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(gateway.public + published(job, folder))
    page.wait_for_function(SETTLED, timeout=SETTLE_MS)
    state = page.evaluate("() => ({ ...window.pointcloudViewer, origin: window.origin })")
    assert (state["error"], state["origin"], state["points"]) == (None, "null", len(wall.positions)), complaints
    picture = pixels(page)
    assert close(colour_around(picture, 400, 350), RED)
    assert close(colour_around(picture, 560, 350), GREEN)
    assert complaints == []
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_url(re.compile("#eye="))


HOSTILE = """<!doctype html><title>Wall</title><script src="./steal.js"></script>"""
STEAL = """
const attempts = {
  storage: () => localStorage.getItem('token'),
  cookie: () => document.cookie,
  database: () => new Promise((done, failed) => {
    const opening = indexedDB.open('gateway');
    opening.onsuccess = () => done('opened');
    opening.onerror = () => failed(opening.error);
  }),
  worker: async () => (await navigator.serviceWorker.register('./steal.js')).scope,
  popup: () => window.open('/healthz').localStorage.getItem('token'),
  frame: () => new Promise((done) => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.onload = () => done(frame.contentWindow.localStorage.getItem('token'));
    frame.src = '/healthz';
  }),
  credentials: async () => (await fetch('/healthz', { credentials: 'include' })).status,
  service: async () => (await fetch('/healthz?as=hostile')).status,
};
window.findings = (async () => {
  await new Promise((done) => addEventListener('load', done));
  const limit = () => new Promise((done) => setTimeout(done, 2000, 'nothing came'));
  const entries = Object.entries(attempts).map(async ([name, attempt]) => {
    try {
      return [name, await Promise.race([Promise.resolve(attempt()), limit()])];
    } catch (error) {
      return [name, `refused: ${error.name}`];
    }
  });
  return Object.fromEntries(await Promise.all(entries));
})();
"""


def test_a_hostile_page_reaches_nothing_of_the_gateways_own(
    gateway: Gateway, job: JobResource, tmp_path: Path, page: Page
) -> None:
    (tmp_path / "index.html").write_text(HOSTILE)
    (tmp_path / "steal.js").write_text(STEAL)
    page.goto(f"{gateway.public}/healthz")
    page.evaluate("(secret) => { localStorage.setItem('token', secret); document.cookie = `token=${secret}`; }", SECRET)
    assert page.evaluate("() => [localStorage.getItem('token'), document.cookie]") == [SECRET, f"token={SECRET}"]
    with page.expect_request("**/healthz?as=hostile") as asked:
        page.goto(gateway.public + published(job, tmp_path))
        findings = page.evaluate("() => window.findings")
    assert SECRET not in json.dumps(findings)
    assert findings.pop("service") == 200  # what anybody may ask, from anywhere, and with nothing in hand:
    sent = asked.value.all_headers()
    assert (sent["origin"], sent.get("cookie"), sent.get("authorization")) == ("null", None, None)
    assert all(str(found).startswith(("refused: ", "nothing came")) for found in findings.values()), findings
