"""What the page's head tells those who make previews of links."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from pointcloud_potree.page import introduce

BUILT = "<!doctype html><html><head><title>Point cloud</title></head><body></body></html>"


class Head(HTMLParser):
    """Reads a page as those do."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.told: dict[str, str] = {}
        self.title = ""
        self._in_title = False
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "meta":
            values = dict(attrs)
            self.told[values.get("property") or values.get("name") or ""] = values["content"] or ""

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._in_title &= tag != "title"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "index.html"
    file.write_text(BUILT, encoding="utf-8")
    return file


@pytest.mark.parametrize("title", ["beach", "</title><script>alert(1)</script>", '"Müller & Söhne"'])
def test_a_preview_shows_title_sentence_and_picture_whatever_their_characters(page: Path, title: str) -> None:
    introduce(page, title=title, about="3 points", address="https://example.com/a&b/")
    head = Head(page)
    assert head.title == head.told["og:title"] == title
    assert head.told["description"] == head.told["og:description"] == "3 points"
    assert head.told["og:image"] == "https://example.com/a&b/thumbnail.jpg"
    assert (head.told["og:image:width"], head.told["og:image:height"]) == ("640", "400")
    assert "<script>" not in page.read_text(encoding="utf-8")


def test_without_an_address_there_is_no_picture(page: Path) -> None:
    introduce(page, title="beach", about="3 points", address=None)
    assert "og:image" not in Head(page).told


def test_a_page_that_is_not_as_it_was_built_is_refused(page: Path) -> None:
    page.write_text("<title>Something else</title>", encoding="utf-8")
    with pytest.raises(ValueError, match="build the page again"):
        introduce(page, title="beach", about="3 points", address=None)
