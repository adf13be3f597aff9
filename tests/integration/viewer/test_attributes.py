"""A cloud with attributes of every type shows its colours and places as one without them."""

import json
import shutil
from pathlib import Path

import laspy
import numpy as np
import pytest
from playwright.sync_api import Page

from pointcloud_potree.convert import main
from tests.fixtures.wall import BLUE, GREEN, RED, Wall, close, colour_around, pixels
from tests.integration.viewer.site import Server, serve, settle


@pytest.mark.parametrize("encoding", ["brotli", "uncompressed"])
def test_a_survey_with_every_attribute_is_shown_as_it_is(
    tmp_path: Path, viewer_page: Path, page: Page, encoding: str
) -> None:
    wall = Wall.build()
    header = laspy.LasHeader(point_format=8, version="1.4")
    header.scales = np.full(3, 1e-5)
    header.add_extra_dims(
        [laspy.ExtraBytesParams(name, kind) for name, kind in [("NormalX", "f4"), ("NormalY", "f4"), ("NormalZ", "f4")]]
        + [laspy.ExtraBytesParams("signed", "i1"), laspy.ExtraBytesParams("deviation", "u2", scales=[0.1], offsets=[0])]
    )
    cloud = laspy.LasData(header)
    cloud.xyz = wall.positions
    cloud.red, cloud.green, cloud.blue = wall.colours.T.astype(np.uint16) * 257
    cloud.gps_time = np.linspace(3e8, 3e8 + 60, len(wall.positions))
    cloud.write(tmp_path / "wall.laz")
    folder = tmp_path / "shown"
    assert main([str(tmp_path / "wall.laz"), str(folder), "--encoding", encoding]) == 0
    shutil.copytree(viewer_page, folder, dirs_exist_ok=True)
    (folder / "view.json").write_text(json.dumps(Wall.view()))
    with serve(Server(folder)) as server:
        settle(page, server)
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
        picture = pixels(page)
    assert state["error"] is None
    assert state["points"] == len(wall.positions)
    assert close(colour_around(picture, 400, 350), RED)
    assert close(colour_around(picture, 560, 350), GREEN)
    assert close(colour_around(picture, 480, 300 - 130), BLUE)
