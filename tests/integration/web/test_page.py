"""The page itself: who it lets in, what it refuses before a byte is sent, keyboards, phones, its policy."""

from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, FileChooser, Page, ViewportSize, expect

from tests.integration.conftest import until
from tests.integration.web.conftest import SECRET, Site, photo

PHONE: ViewportSize = {"width": 360, "height": 740}
FOCUSED = """() => {
  const { ariaLabel, labels, textContent } = document.activeElement;
  return ariaLabel || labels?.[0]?.textContent || textContent || '';
}"""


def sign_in(page: Page, site: Site, secret: str) -> None:
    page.goto(f"{site.gateway.public}/")
    page.get_by_label("Access token or API key").fill(secret)
    page.get_by_role("button", name="Sign in").click()


def test_an_unknown_key_is_refused_in_words_and_may_be_corrected(site: Site, page: Page) -> None:
    sign_in(page, site, "not-a-key-of-anybodys")
    expect(page.get_by_role("alert")).to_contain_text("This token or key is not known, or no longer valid.")
    page.get_by_label("Access token or API key").fill("with a space")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("has no spaces or accents")
    page.get_by_label("Access token or API key").fill(f"  {SECRET}\n")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Point clouds")).to_be_focused()


def test_only_who_asks_for_it_stays_signed_in_and_signing_out_forgets_the_key(site: Site, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    device = browser.new_context()
    first = device.new_page()
    sign_in(first, site, SECRET)
    expect(first.get_by_role("heading", name="Point clouds")).to_be_visible()
    another = device.new_page()
    another.goto(f"{site.gateway.public}/")
    another.get_by_label("Keep me signed in on this device").check()
    another.get_by_label("Access token or API key").fill(SECRET)
    another.get_by_role("button", name="Sign in").click()
    expect(another.get_by_role("heading", name="Point clouds")).to_be_visible()

    third = device.new_page()
    third.goto(f"{site.gateway.public}/")
    expect(third.get_by_role("heading", name="Point clouds")).to_be_visible()
    third.get_by_text("⋯").click()
    third.get_by_role("button", name="Sign out").click()
    expect(third.get_by_label("Access token or API key")).to_be_visible()
    assert third.evaluate("() => [...Object.values(localStorage), ...Object.values(sessionStorage)]") == []


def test_what_the_install_does_not_take_is_said_before_it_is_sent(site: Site, visitor: Page, tmp_path: Path) -> None:
    site.kill()
    site.start(MAX_FILE_BYTES="1000", MAX_FILES="2")
    visitor.goto(f"{site.gateway.public}/#/new")
    visitor.reload()
    chooser = visitor.locator("input[type=file]").first
    send = visitor.get_by_role("button", name="Send")
    chooser.set_input_files([photo(tmp_path / "large.mp4", 2500)])
    expect(visitor.get_by_role("alert")).to_have_text(
        "large.mp4 has 2.5 kB; one file may have 1.0 kB. Split it, or choose another."
    )
    expect(send).to_be_disabled()
    visitor.get_by_role("button", name="Remove all").click()
    chooser.set_input_files([photo(tmp_path / f"{letter}.jpg", 10) for letter in "abc"])
    expect(visitor.get_by_role("alert")).to_contain_text("These are 3 files; a point cloud takes 2.")
    visitor.get_by_role("button", name="Remove all").click()
    chooser.set_input_files([photo(tmp_path / "empty.jpg", 0)])
    expect(visitor.get_by_role("alert")).to_contain_text("empty.jpg is empty.")
    visitor.get_by_role("button", name="Remove all").click()
    expect(send).to_be_enabled()


def test_a_name_that_is_taken_is_answered_in_words_and_what_was_chosen_stays(
    site: Site, visitor: Page, tmp_path: Path
) -> None:
    site.namespace.submit("wall")
    visitor.goto(f"{site.gateway.public}/#/new")
    visitor.locator("input[type=file]").first.set_input_files([photo(tmp_path / "Wall.jpg", 10)])
    expect(visitor.get_by_label("Name", exact=True)).to_have_value("wall")
    visitor.get_by_role("button", name="Send 1 file").click()
    expect(visitor.get_by_role("alert")).to_contain_text("There is a job of this name.")
    visitor.get_by_label("Name", exact=True).fill("Wall (2)")
    visitor.get_by_role("button", name="Send 1 file").click()
    expect(visitor.get_by_role("heading", name="wall-2")).to_be_visible()
    assert site.job("wall-2")


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the focus is on what has that name."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused.strip().startswith(name):
            return
    pytest.fail(f"{name} cannot be reached by Tab")


def choose(page: Page) -> FileChooser:
    """What Enter opens. Headless Chromium passes over a key now and then right after a page has changed."""
    chosen: list[FileChooser] = []
    page.on("filechooser", lambda chooser: chosen.append(chooser))  # noqa: PLW0108 - it wants a function of Python's

    def pressed() -> bool:
        page.keyboard.press("Enter")
        page.wait_for_timeout(1000)  # lets the browser's events come in
        return bool(chosen)

    until(pressed, "the file chooser")
    return chosen[0]


def test_a_cloud_is_made_with_the_keyboard_alone(site: Site, page: Page, tmp_path: Path) -> None:
    page.goto(f"{site.gateway.public}/")
    expect(page.get_by_role("heading", name="Photos in")).to_be_focused()
    tab_to(page, "Access token or API key")
    page.keyboard.type(SECRET)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Point clouds")).to_be_focused()
    expect(page.get_by_role("link", name="Choose photos")).to_be_visible()
    tab_to(page, "Choose photos")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New point cloud")).to_be_focused()
    expect(page.get_by_role("radio", name="medium")).to_be_checked()  # the form is whole
    tab_to(page, "Choose files")
    expect(page.get_by_role("button", name="Choose files")).to_be_focused()
    choose(page).set_files([photo(tmp_path / "Door.jpg", 1000)])
    expect(page.get_by_text("1 file, 1.0 kB")).to_be_visible()
    tab_to(page, "medium")
    page.keyboard.press("ArrowUp")
    tab_to(page, "Send 1 file")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="door")).to_be_focused()
    assert site.job("door")["spec"]["reconstruction"]["quality"] == "low"
    tab_to(page, "Delete")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    until(lambda: site.uploaded("door"), "the file")


@pytest.mark.parametrize("path", ["#/", "#/new", "#/jobs/a-name-of-all-the-characters-there-are"])
def test_nothing_is_wider_than_a_phone(site: Site, visitor: Page, path: str) -> None:
    name = "a-name-of-all-the-characters-there-are"[:37]
    site.namespace.submit(name)
    expect(visitor.get_by_role("link", name=name)).to_be_visible()
    visitor.set_viewport_size(PHONE)
    visitor.goto(f"{site.gateway.public}/{path[: len('#/jobs/') + 37]}")
    expect(visitor.get_by_role("heading", level=1)).to_be_focused()
    assert visitor.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_documentation_shows_every_operation_and_neither_page_asks_anything_of_elsewhere(
    site: Site, visitor: Page
) -> None:
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    asked: list[str] = []
    visitor.on("console", note)
    visitor.on("request", lambda request: asked.append(request.url))
    visitor.goto(f"{site.gateway.public}/#/new")
    visitor.goto(f"{site.gateway.public}/docs")
    expect(visitor.get_by_text("/process/{job_id}")).to_be_visible()
    expect(visitor.get_by_text("/jobs/{job_id}/uploads", exact=True).first).to_be_visible()
    assert complaints == []
    assert {url for url in asked if not url.startswith((site.gateway.public, "data:"))} == set()
