"""Uploads when the network, the service, the page or the sign-in goes: they go on where they were."""

from collections import defaultdict
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fixtures.network import Network
from tests.integration.conftest import until
from tests.integration.web.conftest import MEGABYTE, SECRET, Site, begin, photo

SIZE = 12 * MEGABYTE
PACE = 4 * MEGABYTE
"""Of a slow network, in bytes each second: a file takes seconds, so that there is a middle."""
ENOUGH = 5 * MEGABYTE
"""More than one part of the store."""
ALL_ARRIVED = "All files have arrived"


def sent(page: Page) -> int:
    bar: Locator = page.get_by_role("progressbar", name="All files")
    return int(float(bar.get_attribute("value") or 0))


@pytest.fixture
def network(visitor: Page) -> Network:
    """The page's network, already slow."""
    made = Network(visitor)
    made.slow(bytes_per_second=PACE)
    return made


def assert_continued(network: Network) -> None:
    """No file that was begun was begun again; at least one went on in its middle."""
    offsets = defaultdict(list)
    for upload, offset in network.offsets:
        offsets[upload].append(offset)
    assert all(later > 0 for begun in offsets.values() for later in begun[1:]), offsets
    assert any(len(begun) > 1 for begun in offsets.values()), offsets


def test_what_the_network_cuts_goes_on_by_itself(site: Site, visitor: Page, network: Network, tmp_path: Path) -> None:
    begin(visitor, "wall", photo(tmp_path / "a.mp4", SIZE))
    until(lambda: sent(visitor) > ENOUGH, "the middle of the upload")
    network.cut()
    expect(visitor.get_by_text("You are offline.")).to_be_visible()
    expect(visitor.get_by_role("heading", name="Waiting for the network")).to_be_visible()
    network.restore()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    expect(visitor.get_by_text("You are offline.")).to_be_hidden()
    assert site.uploaded("wall") == {"a.mp4": SIZE}
    assert_continued(network)


def test_uploads_outlive_a_gateway_that_is_killed(site: Site, visitor: Page, network: Network, tmp_path: Path) -> None:
    begin(visitor, "wall", *(photo(tmp_path / f"{letter}.mp4", SIZE) for letter in "ab"))
    until(lambda: sent(visitor) > 2 * ENOUGH, "the middle of the uploads")
    site.kill()
    expect(visitor.get_by_text("The service cannot be reached.").first).to_be_visible()
    expect(visitor.get_by_text("The service does not answer at the moment.")).to_be_visible()
    site.start()
    network.restore()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible(timeout=60_000)
    expect(visitor.get_by_text("The service does not answer at the moment.")).to_be_hidden()
    assert site.uploaded("wall") == {"a.mp4": SIZE, "b.mp4": SIZE}
    assert_continued(network)


def test_after_a_reload_the_same_files_go_on_where_they_were(
    site: Site, visitor: Page, network: Network, tmp_path: Path
) -> None:
    files = [photo(tmp_path / "small.jpg", 1000), photo(tmp_path / "large.mp4", SIZE)]
    begin(visitor, "wall", *files)
    until(lambda: sent(visitor) > ENOUGH, "the middle of the upload")
    until(lambda: site.uploaded("wall"), "the small file")
    visitor.on("dialog", lambda dialog: dialog.accept())
    visitor.reload()
    expect(visitor.get_by_text("1 file sent from this device has not arrived.")).to_be_visible()
    network.restore()
    visitor.locator("input[type=file]").first.set_input_files(files)
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    expect(visitor.get_by_test_id("sent")).to_contain_text("1 file had arrived before")
    expect(visitor.get_by_text("has not arrived")).to_have_count(0)
    assert site.uploaded("wall") == {"small.jpg": 1000, "large.mp4": SIZE}
    assert_continued(network)
    assert len({upload for upload, _ in network.offsets}) == 2


def test_a_key_that_is_withdrawn_leads_to_the_sign_in_and_nothing_is_lost(
    site: Site, visitor: Page, network: Network, tmp_path: Path
) -> None:
    begin(visitor, "wall", *(photo(tmp_path / f"{number}.jpg", MEGABYTE) for number in range(40)))
    until(lambda: site.uploaded("wall"), "the first files")
    site.refuse()
    expect(visitor.get_by_label("Access token or API key")).to_be_visible()
    expect(visitor.get_by_role("alert")).to_contain_text("Your files wait, and go on once you have signed in.")
    site.allow()
    network.restore()
    visitor.get_by_label("Access token or API key").fill(SECRET)
    until(site.lets_in, "the key to be known again")
    visitor.get_by_role("button", name="Sign in").click()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    assert len(site.uploaded("wall")) == 40


def test_uploads_pause_go_on_and_are_given_up(site: Site, visitor: Page, network: Network, tmp_path: Path) -> None:
    begin(visitor, "wall", *(photo(tmp_path / f"{letter}.mp4", SIZE) for letter in "ab"))
    until(lambda: sent(visitor) > ENOUGH, "the middle of the uploads")
    visitor.get_by_role("button", name="Pause").click()
    expect(visitor.get_by_role("heading", name="Paused")).to_be_visible()
    visitor.get_by_role("button", name="Cancel a.mp4").click()
    network.restore()
    visitor.get_by_role("button", name="Resume", exact=True).click()
    expect(visitor.get_by_role("heading", name=ALL_ARRIVED)).to_be_visible()
    assert site.uploaded("wall") == {"b.mp4": SIZE}
    assert_continued(network)
