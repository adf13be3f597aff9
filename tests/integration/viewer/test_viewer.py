"""The viewer page in a real browser: points in their colours at their places, and words where something is wrong."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pointcloud_api.resource import Encoding
from tests.fixtures.wall import BLUE, GREEN, RED, SETTLE_MS, SETTLED, Wall, close, colour_around, lay_out, pixels

FRAMES = """() => new Promise((done) => {
  let left = 60;
  const next = () => (left-- ? requestAnimationFrame(next) : done());
  next();
})"""


@dataclass
class Server:
    """A folder on loopback, with what may be wrong about a server."""

    folder: Path
    honours_range: bool = True
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""


@contextmanager
def serve(server: Server) -> Iterator[Server]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            path = server.folder / self.path.lstrip("/")
            path = path / "index.html" if path.is_dir() else path
            server.requests[path.name] += 1
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            part = data
            if wanted and server.honours_range:
                part = data[int(wanted[1]) : int(wanted[2]) + 1]
                if not part:
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {wanted[1]}-{int(wanted[1]) + len(part) - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_: object) -> None:
            """Keep the test's output to itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server.url = f"http://127.0.0.1:{httpd.server_port}/"
        yield server
        httpd.shutdown()


def settle(page: Page, server: Server) -> None:
    page.on("pageerror", lambda error: pytest.fail(f"the page threw an error that it does not show: {error}"))
    page.goto(server.url)
    page.wait_for_function(SETTLED, timeout=SETTLE_MS)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("offset", [0.0, 4.5e6], ids=["local", "georeferenced"])
def test_points_show_in_their_colours_at_their_places(
    tmp_path: Path, viewer_page: Path, page: Page, encoding: Encoding, offset: float
) -> None:
    wall = Wall.build(offset=offset)
    folder = lay_out(tmp_path, viewer_page, wall, encoding=encoding)
    (folder / "view.json").write_text(json.dumps(wall.view(offset)))
    with serve(Server(folder)) as server:
        settle(page, server)
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
        picture = pixels(page)

    assert state["error"] is None
    assert state["points"] == len(wall.positions)
    assert page.title() == "Wall"
    assert close(colour_around(picture, 400, 350), RED)
    assert close(colour_around(picture, 560, 350), GREEN)
    assert close(colour_around(picture, 480, 300 - 130), BLUE)
    assert max(colour_around(picture, 900, 550)) < 60


def test_the_panel_tells_scale_place_and_how_good_the_reconstruction_is(
    tmp_path: Path, viewer_page: Path, page: Page
) -> None:
    wall = Wall.build()
    folder = lay_out(tmp_path, viewer_page, wall)
    (folder / "view.json").write_text(json.dumps({**wall.view(), "units": "metres"}))
    report = {
        "figures": {"imagesRegistered": 15, "imagesUsable": 16, "meanReprojectionError": 0.374, "density": "dense"},
        "dense": {"views": 15, "withoutMaps": [{"name": "a.jpg", "why": "it stands alone"}]},
        "georeference": {
            "origin": {"latitude": 46.84266, "longitude": -91.994003, "altitude": 0},
            "crs": "EPSG:32615",
            "residuals": {"rms": 0.437},
        },
        "removed": {"uncertain": 7, "lonely": 29},
    }
    (folder / "report.json").write_text(json.dumps(report))
    with serve(Server(folder)) as server:
        settle(page, server)
        expect(page.locator("#extent")).to_have_text(re.compile(r"^[\d.]+( \S [\d.]+){2}\sm$"))
        page.get_by_text("Report", exact=True).click()
        rows = page.locator("#report-rows")
        expect(rows).to_have_text(
            "Photos15 of 16Reprojection error0.37 pxDensitydensePhotos with depth14 of 15Outliers removed36"
            "GPS residual0.44 mOrigin46.842660, -91.994003MapEPSG:32615"
        )
        page.get_by_role("link", name="All of it").click()
        page.wait_for_url("**/report.json")


def test_without_a_report_nothing_is_said_of_one_and_no_unit_of_a_scale_that_is_not_known(
    tmp_path: Path, viewer_page: Path, page: Page
) -> None:
    wall = Wall.build()
    folder = lay_out(tmp_path, viewer_page, wall)
    (folder / "view.json").write_text(json.dumps({**wall.view(), "units": "arbitrary"}))
    with serve(Server(folder)) as server:
        settle(page, server)
        expect(page.locator("#extent")).to_have_text(re.compile("in no known unit$"))
        expect(page.locator("#report")).to_be_hidden()


def test_without_a_view_the_whole_cloud_is_in_the_frame(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    with serve(Server(lay_out(tmp_path, viewer_page, Wall.build()))) as server:
        settle(page, server)
        saturated = np.ptp(pixels(page)[:, 260:], axis=2) > 60
    rows, columns = saturated.any(axis=1), saturated.any(axis=0)
    assert saturated.mean() > 0.2
    assert not rows[0]
    assert not rows[-1]
    assert not columns[-1]


def test_a_deep_tree_with_outliers_settles(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    wall = Wall.build()
    wall.positions[:3] *= 5000
    folder = lay_out(tmp_path, viewer_page, wall)
    (folder / "view.json").write_text(json.dumps(wall.view()))
    with serve(Server(folder)) as server:
        settle(page, server)
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
        assert close(colour_around(pixels(page), 400, 350), RED)
    assert state["points"] > 0.99 * len(wall.positions)


def test_turning_the_view_loads_and_draws_anew(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    with serve(Server(lay_out(tmp_path, viewer_page, Wall.build()))) as server:
        settle(page, server)
        before = pixels(page)
        page.mouse.move(480, 300)
        page.mouse.down()
        page.mouse.move(600, 300, steps=4)
        page.mouse.up()
        page.wait_for_function(SETTLED, timeout=SETTLE_MS)
        turned = pixels(page)
        page.get_by_role("button", name="Reset view").click()
        page.wait_for_function(SETTLED, timeout=SETTLE_MS)
    assert (before[:, 260:] != turned[:, 260:]).any(axis=2).mean() > 0.05


def remove_metadata(server: Server) -> None:
    (server.folder / "metadata.json").unlink()


def damage_metadata(server: Server) -> None:
    (server.folder / "metadata.json").write_text('{"version": ')


def remove_points(server: Server) -> None:
    (server.folder / "octree.bin").unlink()


def cut_points(server: Server) -> None:
    points = server.folder / "octree.bin"
    points.write_bytes(points.read_bytes()[:-1])


def cut_hierarchy(server: Server) -> None:
    (server.folder / "hierarchy.bin").write_bytes(b"")


def ignore_range(server: Server) -> None:
    server.honours_range = False


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (remove_metadata, ("metadata.json is not here (404).", "look at its PointcloudJob")),
        (damage_metadata, ("metadata.json is damaged.", "Run the conversion again.")),
        (remove_points, ("octree.bin is not here (404).", "look at its PointcloudJob")),
        (cut_points, ("octree.bin is cut short.", "Copy the folder again")),
        (cut_hierarchy, ("hierarchy.bin is cut short.", "Copy the folder again")),
        (ignore_range, ("The server ignores Range requests", "supports byte ranges")),
    ],
)
def test_what_is_wrong_is_told_once_with_what_to_do(
    tmp_path: Path, viewer_page: Path, page: Page, harm: Callable[[Server], None], told: tuple[str, str]
) -> None:
    with serve(Server(lay_out(tmp_path, viewer_page, Wall.build()))) as server:
        harm(server)
        settle(page, server)
        alert = page.get_by_role("alert")
        for words in told:
            expect(alert).to_contain_text(words)
        asked = server.requests.total()
        page.evaluate(FRAMES)
        assert server.requests.total() == asked
