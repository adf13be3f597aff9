"""The page without a graphics card: how soon it shows a dense cloud, and how fluently it turns.

    python -m tools.bench.viewer [--points 3180000] [--size 960x600] [--chosen 200000 500000] [--seconds 10]

Opens a hilly surface in Debian's Chromium, which draws in software on the processor's cores, with the number of points
that the page finds by itself, then with numbers chosen by hand. Prints seconds until all is drawn, from the start of
the page or from the choice; the points drawn; and pictures a second while the cloud turns, as the page counts those
that are done.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
from playwright.sync_api import Page, sync_playwright

from pointcloud_potree.inputs.arrays import ArrayPoints
from pointcloud_potree.octree import write_octree
from tests.fixtures.browser import ARGUMENTS
from tests.integration.viewer.site import Server, serve, settled
from tools import pages
from tools.bench.potree import surface

_ORBIT: Final = """(seconds) => new Promise((done) => {
  const state = window.pointcloudViewer;
  const [from, before] = [performance.now(), state.drawings];
  const turn = () => {
    const past = (performance.now() - from) / 1000;
    if (past >= seconds) return done((state.drawings - before) / past);
    document.getElementById("canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
})"""


def lay_out(points: int, folder: Path) -> None:
    """The page beside an octree of a surface."""
    shutil.copytree(pages.VIEWER.built(), folder, dirs_exist_ok=True)
    positions, colours = surface(np.random.default_rng(0), points)
    write_octree(ArrayPoints.coloured(positions, np.clip(colours, 0, 255).astype(np.uint8)), folder)


def measure(page: Page, name: str, begun: float, seconds: float) -> None:
    """Wait until all is drawn, turn it for so long, and print a row."""
    settled(page)
    took = time.monotonic() - begun
    state = page.evaluate("() => ({ ...window.pointcloudViewer })")
    if state["error"]:
        raise RuntimeError(state["error"])
    rate = page.evaluate(_ORBIT, seconds)
    print(f"| {name} | {took:.1f} | {state['points']:,} | {rate:.1f} |", flush=True)
    settled(page)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=3_180_000)
    parser.add_argument("--size", default="960x600")
    parser.add_argument("--chosen", nargs="*", default=["200000", "500000"])
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory() as name, serve(Server(Path(name))) as server, sync_playwright() as playwright:
        lay_out(options.points, server.folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height})
        print(f"{options.points:,} points, {options.size}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print("| points at most | seconds | drawn | a second |\n| --- | ---: | ---: | ---: |")
        begun = time.monotonic()
        page.goto(server.url)
        measure(page, "automatic", begun, options.seconds)
        for chosen in options.chosen:
            begun = time.monotonic()
            page.locator("#budget").select_option(chosen)
            measure(page, f"{int(chosen):,}", begun, options.seconds)
        browser.close()


if __name__ == "__main__":
    main()
