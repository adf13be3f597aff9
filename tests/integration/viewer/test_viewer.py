"""The viewer page in a real browser: points in their colours at their places, and what is told beside them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pointcloud_api.resource import Encoding
from tests.fixtures.wall import BLUE, GREEN, RED, Wall, close, colour_around, lay_out, pixels
from tests.integration.viewer.site import Server, serve, settle, settled


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
        settled(page)
        turned = pixels(page)
        page.get_by_role("button", name="Reset view").click()
        settled(page)
    assert (before[:, 260:] != turned[:, 260:]).any(axis=2).mean() > 0.05
