"""Whatever is wrong with files, server or network, the page says so in words, with what to do next."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.wall import Wall, lay_out
from tests.integration.viewer.site import Server, serve, settle, settled

FRAMES = """() => new Promise((done) => {
  let left = 60;
  const next = () => (left-- ? requestAnimationFrame(next) : done());
  next();
})"""


def remove_metadata(server: Server) -> None:
    (server.folder / "metadata.json").unlink()


def damage_metadata(server: Server) -> None:
    (server.folder / "metadata.json").write_text('{"version": ')


def remove_points(server: Server) -> None:
    (server.folder / "octree.bin").unlink()


def cut_points(server: Server) -> None:
    points = server.folder / "octree.bin"
    points.write_bytes(points.read_bytes()[:-1])


def damage_points(server: Server) -> None:
    points = server.folder / "octree.bin"
    points.write_bytes(bytes(points.stat().st_size))  # zeros, as after a power cut


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
        (damage_points, ("octree.bin is damaged.", "Copy the folder again")),
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


def test_what_passes_is_tried_again_and_the_picture_stays(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    with serve(Server(lay_out(tmp_path, viewer_page, Wall.build()))) as server:
        server.statuses["octree.bin"] = 503
        settle(page, server)
        expect(page.get_by_role("alert")).to_contain_text("The server answered 503 for octree.bin.")
        assert server.requests["octree.bin"] > 1
        server.statuses.clear()
        page.get_by_role("button", name="Try again").click()
        settled(page)
        expect(page.get_by_role("alert")).to_be_hidden()
        assert page.evaluate("() => window.pointcloudViewer.points") == 60_000


def test_a_network_that_comes_back_is_noticed(tmp_path: Path, viewer_page: Path, page: Page) -> None:
    with serve(Server(lay_out(tmp_path, viewer_page, Wall.build()))) as server:
        page.route("**/octree.bin", lambda route: route.abort("internetdisconnected"))
        settle(page, server)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("octree.bin could not be loaded.")
        expect(alert).to_contain_text("Check the network connection")
        page.unroute("**/octree.bin")
        page.evaluate("() => window.dispatchEvent(new Event('online'))")
        expect(page.get_by_role("alert")).to_be_hidden()
        settled(page)
        assert page.evaluate("() => window.pointcloudViewer.points") == 60_000
