"""Tells those who only read the page's head what it shows: whoever makes a preview of a link does not run scripts.

The words are those of the Open Graph protocol (https://ogp.me), which asks for absolute addresses.
"""

from html import escape
from pathlib import Path
from typing import Final

from pointcloud_api.stages import THUMBNAIL_FILE
from pointcloud_potree.thumbnail import SIZE

_TITLE: Final = "<title>Point cloud</title>"
"""As the built page has it."""


def introduce(page: Path, *, title: str, about: str, address: str | None) -> None:
    """Put a title, a sentence and the picture into the page's head.

    Args:
        page: The built index.html; changed.
        title: Of any characters.
        about: A sentence.
        address: Of the folder that the page will be in, with a trailing slash; without it there is no picture.

    Raises:
        ValueError: The page is not as it was built.
    """
    text = page.read_text(encoding="utf-8")
    if _TITLE not in text:
        msg = f"{page} has no {_TITLE}: build the page again"
        raise ValueError(msg)
    told = {"og:type": "website", "og:title": title, "og:description": about}
    if address is not None:
        width, height = map(str, SIZE)
        picture = {"og:image": f"{address}{THUMBNAIL_FILE}", "og:image:width": width, "og:image:height": height}
        told |= {"og:url": address, **picture}
    lines = [f"<title>{escape(title)}</title>", f'<meta name="description" content="{escape(about)}" />']
    lines += [f'<meta property="{name}" content="{escape(content)}" />' for name, content in told.items()]
    page.write_text(text.replace(_TITLE, "\n    ".join(lines)), encoding="utf-8")
