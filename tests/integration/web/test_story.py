"""From photos to the viewer without kubectl: what the page is for."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.fixtures.wall import SETTLE_MS, SETTLED, Wall, lay_out
from tests.integration.conftest import until
from tests.integration.web.conftest import Site, ago, photo, stage

ALL_ARRIVED = "All files have arrived"


def drop(page: Page, *paths: Path) -> None:
    """Let files and folders fall onto the page, as the system's file manager would."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 480, "y": 300, "data": data})


def test_a_dropped_folder_becomes_a_cloud_that_opens(
    site: Site, visitor: Page, tmp_path: Path, viewer_page: Path
) -> None:
    folder = tmp_path / "Römische Statue"
    photo(folder / "front/a.jpg", 300_000)
    photo(folder / "back/b.JPG", 200_000)
    photo(folder / "notes.docx", 10)
    photo(folder / ".DS_Store", 10)

    drop(visitor, folder)
    expect(visitor.get_by_label("Name", exact=True)).to_have_value("romische-statue")
    expect(visitor.get_by_text("2 files, 500 kB")).to_be_visible()
    expect(
        visitor.get_by_text("1 file left out, being neither photo, video nor archive: Römische Statue/notes.docx")
    ).to_be_visible()
    visitor.get_by_label("High").check()
    visitor.get_by_role("button", name="Send 2 files").click()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    name = "romische-statue"
    assert site.uploaded(name) == {"Römische Statue/front/a.jpg": 300_000, "Römische Statue/back/b.JPG": 200_000}
    spec = site.job(name)["spec"]
    assert spec["reconstruction"]["quality"] == "high"
    assert spec["source"]["upload"]["revision"] >= 1

    estimate = {"estimatedCompletionTime": ago(-21), "estimateErrorSeconds": 300}
    progress = {"percent": 40, "display": "40%", "message": "match: 40 of 153 pairs", **estimate}
    running = [stage("ingest", "Succeeded"), stage("reconstruct", "Running")]
    site.tell(name, phase="Running", stage="reconstruct", progress=progress, stages=running, startTime=ago(11))
    expect(visitor.get_by_role("listitem").filter(has_text="Reconstruction: running")).to_have_attribute(
        "aria-current", "step"
    )
    expect(visitor.get_by_text(re.compile("about 2[0-2] min left, give or take 5 min"))).to_be_visible()
    expect(visitor.get_by_text("match: 40 of 153 pairs")).to_be_visible()
    expect(visitor).to_have_title(f"40% {name} - Point clouds")

    cloud = lay_out(tmp_path / "cloud", viewer_page, wall := Wall.build())
    (cloud / "view.json").write_text(json.dumps(wall.view()))
    files = {str(file.relative_to(cloud)): file.read_bytes() for file in cloud.rglob("*") if file.is_file()}
    site.publish(name, files)
    expect(visitor.get_by_text(f"{name} is ready.")).to_be_visible()
    with visitor.expect_popup() as opening:
        visitor.get_by_role("link", name="Open in the viewer").click()
    viewer = opening.value
    viewer.wait_for_function(SETTLED, timeout=SETTLE_MS)
    assert viewer.evaluate("() => window.pointcloudViewer.points") == len(wall.positions)

    visitor.get_by_role("link", name="Point clouds").first.click()
    gallery = visitor.get_by_role("region", name="Gallery")
    expect(gallery.get_by_role("link", name=f"Open {name} in the viewer")).to_have_attribute(
        "href", f"{site.gateway.public}/potree/{site.namespace.name}/{name}/"
    )


def test_more_photos_are_added_to_a_finished_cloud_and_equal_ones_are_not_sent_again(
    site: Site, visitor: Page, tmp_path: Path
) -> None:
    photos = [photo(tmp_path / f"{letter}.jpg", 100_000) for letter in "abc"]
    visitor.goto(f"{site.gateway.public}/#/new")
    visitor.locator("input[type=file]").first.set_input_files(photos[:2])
    visitor.get_by_label("Name", exact=True).fill("wall")
    visitor.get_by_role("button", name="Send").click()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    site.publish("wall", {})
    before = site.job("wall")["spec"]["source"]["upload"]["revision"]

    visitor.get_by_role("button", name="Add photos").click()
    visitor.locator("input[type=file]").first.set_input_files(photos)
    expect(visitor.get_by_test_id("sent")).to_contain_text(
        "1 file of 1 arrived, 100 kB of 100 kB; 2 files had arrived before"
    )
    assert set(site.uploaded("wall")) == {"a.jpg", "b.jpg", "c.jpg"}
    assert site.job("wall")["spec"]["source"]["upload"]["revision"] == before + 1
    expect(visitor.get_by_text("in progress").or_(visitor.get_by_text("about to start"))).to_be_visible()


def test_a_failure_is_told_with_its_remedy_and_the_job_runs_again_on_request(site: Site, visitor: Page) -> None:
    site.namespace.submit("door")
    remedy = "The 12 photos do not overlap. Take more photos between them."
    condition = {
        "type": "Failed",
        "status": "True",
        "lastTransitionTime": ago(1),
        "reason": "NoOverlap",
        "message": remedy,
    }
    site.tell("door", phase="Failed", stage="reconstruct", conditions=[condition])

    attention = visitor.get_by_role("region", name="Need attention")
    expect(attention).to_contain_text(remedy)
    attention.get_by_role("link", name="door").click()
    expect(visitor.get_by_text("No Overlap")).to_be_visible()
    visitor.get_by_role("button", name="Run again").click()
    expect(visitor.get_by_role("button", name="Suspend")).to_be_visible()
    assert site.job("door")["spec"]["rerun"]
    visitor.get_by_role("button", name="Suspend").click()
    expect(visitor.get_by_role("button", name="Resume")).to_be_visible()
    assert site.job("door")["spec"]["suspend"]
    visitor.get_by_role("button", name="Resume").click()
    expect(visitor.get_by_role("button", name="Suspend")).to_be_visible()
    assert not site.job("door")["spec"].get("suspend")


def test_deleting_asks_first_and_the_archive_keeps_what_others_deleted(site: Site, visitor: Page) -> None:
    for name in ("kept", "gone"):
        site.namespace.submit(name)
        expect(visitor.get_by_role("link", name=name)).to_be_visible()
    visitor.get_by_role("link", name="gone").click()
    visitor.get_by_role("button", name="Delete").click()
    visitor.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(visitor.get_by_role("dialog")).to_have_count(0)
    assert site.job("gone")
    visitor.get_by_role("button", name="Delete").click()
    visitor.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(visitor.get_by_text("gone is deleted.")).to_be_visible()
    expect(visitor.get_by_role("heading", name="Point clouds")).to_be_focused()
    path = site.namespace.job_path("gone")
    until(lambda: site.namespace.api.get(path) is None, "the resource to go")

    site.namespace.api.delete(site.namespace.job_path("kept"))
    expect(visitor.get_by_role("link", name="kept")).to_have_count(0)
    until(lambda: "kept" in site.archived(), "the archive to hear of it")
    visitor.get_by_text("Archive").click()
    expect(visitor.get_by_role("link", name="kept")).to_be_visible()
    expect(visitor.get_by_role("link", name="gone")).to_have_count(0)


def test_a_shared_link_opens_without_signing_in(site: Site, visitor: Page) -> None:
    site.namespace.submit("statue")
    site.publish("statue", {"index.html": b"<!doctype html><title>Statue</title>"})
    visitor.get_by_role("link", name="statue", exact=True).click()
    visitor.get_by_role("button", name="Share").click()
    link = visitor.get_by_label("Link")
    until(link.input_value, "the link")
    assert "/shared/" in link.input_value()
    path = "/shared/" + link.input_value().partition("/shared/")[2]
    stranger = visitor.context.browser
    assert stranger is not None
    other = stranger.new_page()
    other.goto(site.gateway.public + path)
    assert other.title() == "Statue"


def test_what_the_work_went_through_and_when_it_ends_is_told(site: Site, visitor: Page) -> None:
    policy = {"activeDeadlineSeconds": 7200, "retention": {"succeededSeconds": 86400}}
    site.namespace.submit("tower", **policy)
    lost = {"pod": "tower-1", "podUid": "1", "reason": "NodeLost", "time": ago(3)}
    tried = {"attempt": 1, "reason": "OutOfMemory", "memory": "16Gi"}
    stages = [stage("reconstruct", "Running") | {"disruptions": [lost], "earlierAttempts": [tried]}]
    site.tell("tower", phase="Running", stage="reconstruct", stages=stages, activeSeconds=0, activeSince=ago(5))
    visitor.goto(f"{site.gateway.public}/#/jobs/tower")
    history = visitor.get_by_role("list", name="What the work went through")
    expect(history.get_by_text("Reconstruction lost its node and went on elsewhere")).to_be_visible()
    expect(history.get_by_text("Reconstruction ran out of 16Gi memory and was given more.")).to_be_visible()
    expect(visitor.get_by_text("unless it ends by")).to_be_visible()
    site.tell("tower", phase="Succeeded", completionTime=ago(0), activeSince=None)
    expect(visitor.get_by_role("term").filter(has_text="Removed")).to_be_visible()
    expect(visitor.get_by_text("unless it ends by")).not_to_be_visible()


def test_whether_files_go_with_the_cloud_is_chosen_when_it_is_made_and_a_deletion_is_followed(
    site: Site, visitor: Page, tmp_path: Path
) -> None:
    visitor.goto(f"{site.gateway.public}/#/new")
    visitor.locator("input[type=file]").first.set_input_files(photo(tmp_path / "a.jpg", 1000))
    visitor.get_by_label("Name", exact=True).fill("gate")
    visitor.get_by_label("delete its files from the store too").check()
    visitor.get_by_role("button", name="Send").click()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    assert site.job("gate")["spec"]["output"] == {"deletionPolicy": "Delete"}

    site.hold("gate")
    visitor.get_by_role("button", name="Delete").click()
    expect(visitor.get_by_text("its point cloud and its record are removed for everybody")).to_be_visible()
    visitor.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(visitor.get_by_text("being deleted")).to_be_visible()
    site.release("gate")
    expect(visitor.get_by_text("being deleted")).not_to_be_visible()
