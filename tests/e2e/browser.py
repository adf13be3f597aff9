"""Debian's Chromium, the page of a job in it, and what its pixels show."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page

READY = "() => window.pointcloudViewer && (window.pointcloudViewer.ready || window.pointcloudViewer.error)"
IDLE = "() => window.pointcloudViewer.idle || window.pointcloudViewer.error"


def open_viewer(page: Page, url: str, screenshot: Path) -> dict[str, Any]:
    """Open the page, wait until it has drawn all it means to, keep a picture, and return its state."""
    page.goto(url)
    page.wait_for_function(READY, timeout=90_000)
    page.wait_for_function(IDLE, timeout=90_000)
    page.screenshot(path=str(screenshot))
    state = page.evaluate("() => ({...window.pointcloudViewer})")
    return dict(state)


def coloured_share(picture: Path) -> float:
    """The share of pixels that differ clearly from the picture's commonest colour, its background."""
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(np.int16)
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    background = colours[counts.argmax()]
    return float((np.abs(pixels - background).max(axis=2) > 40).mean())
