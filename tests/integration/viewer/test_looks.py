"""What of the cloud is shown, how, and that a link shows the same again."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.wall import Wall, close, colour_around, lay_out, pixels
from tests.integration.viewer.site import HEIGHT, WIDTH, Server, on_screen, serve, settle, settled

GREY = (150, 150, 150)
HEIGHTS = (0.0, 1.0, 2.0)
RAMP = ((0x44, 0x01, 0x54), (0x21, 0x91, 0x8C), (0xFD, 0xE7, 0x25))
"""Viridis at its beginning, middle and end."""
VIEW = {"eye": (0.0, -0.05, 8.0), "target": (0.0, 0.0, 1.0), "up": (0.0, 0.0, 1.0)}
PHOTO = "DJI_0007.JPG"
PHOTO_PLACE = (1.5, 1.5, 3.0)


@pytest.fixture
def stairs(tmp_path: Path, viewer_page: Path) -> Iterator[Server]:
    """Three steps of grey, side by side from west to east, at `HEIGHTS`; a photo was taken from above them."""
    places = np.random.default_rng(3).uniform([-3, -2, 0], [3, 2, 0], (60_000, 3))
    places[:, 2] = np.digitize(places[:, 0], [-1, 1])
    folder = lay_out(tmp_path, viewer_page, Wall(positions=places, colours=np.full(places.shape, 150, np.uint8)))
    view = {
        "up": VIEW["up"],
        "position": VIEW["eye"],
        "target": VIEW["target"],
        "core": {"min": [-3, -2, 0], "max": [3, 2, 2]},
        "units": "metres",
    }
    pose = np.eye(4)
    pose[:3, 3] = PHOTO_PLACE
    frame = {"file_path": f"images/{PHOTO}", "transform_matrix": pose.tolist(), "w": 40, "h": 30}
    frames = {"frames": [{**frame, "fl_x": 35.0, "fl_y": 35.0}]}
    listed = [{"path": "transforms.json", "size": 12_345, "sha256": "0"}]
    report = {"images": [{"name": PHOTO, "points": 1234, "reprojectionError": 0.5, "coverage": 0.8}]}
    for name, content in {
        "view.json": view, "transforms.json": frames, "outputs.json": {"files": listed}, "report.json": report,
    }.items():  # fmt: skip
        (folder / name).write_text(json.dumps(content))
    with serve(Server(folder)) as server:
        yield server


def steps(page: Page) -> list[list[int]]:
    """The colours of the three steps."""
    picture = pixels(page)
    places = [(x, 0.8, z) for x, z in zip((-1.3, 0.0, 2.0), HEIGHTS, strict=True)]
    return [colour_around(picture, *on_screen(place, **VIEW)) for place in places]


def test_elevation_has_the_colours_of_its_legend(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    assert all(close(colour, GREY) for colour in steps(page))
    page.get_by_label("Colours").select_option(label="by elevation")
    settled(page)
    assert all(close(colour, expected) for colour, expected in zip(steps(page), RAMP, strict=True)), steps(page)
    expect(page.locator("#legend")).to_have_text(re.compile(r"^\s*0\sm2\sm\s*$"))
    ramp = page.locator("#ramp").evaluate("(it) => getComputedStyle(it).backgroundImage")
    stops = [tuple(map(int, stop)) for stop in re.findall(r"rgb\((\d+), (\d+), (\d+)\)", ramp)]
    assert (stops[0], stops[len(stops) // 2], stops[-1]) == RAMP


def test_what_is_outside_the_box_is_neither_seen_nor_measured(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    page.get_by_label("Cut out a box").check()
    page.get_by_label("Top").fill("700")
    settled(page)
    low, middle, high = steps(page)
    assert close(low, GREY)
    assert close(middle, GREY)
    assert max(high) < 60
    page.get_by_role("button", name="Distance", exact=True).click()
    page.mouse.click(*on_screen((2.0, 0.8, 2.0), **VIEW))
    page.mouse.click(*on_screen((0.0, 0.8, 1.0), **VIEW))
    expect(page.locator("#lines circle:not(.hover)")).to_have_count(1)
    page.get_by_label("Cut out a box").uncheck()
    settled(page)
    assert close(steps(page)[2], GREY)


def test_shading_darkens_edges_of_depth_and_can_be_switched_off(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    shaded = pixels(page)
    page.get_by_label("Shade by depth").uncheck()
    settled(page)
    plain = pixels(page)
    x, y = on_screen((-1.0, 0.8, 1.0), **VIEW)
    edge = np.s_[y - 40 : y + 40, x - 8 : x + 8]
    assert shaded[edge].mean() < 0.97 * plain[edge].mean()
    assert close(colour_around(shaded, *on_screen((0.0, 0.8, 1.0), **VIEW)), GREY)


def test_a_link_shows_the_same_again(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    page.get_by_label("Colours").select_option(label="by elevation")
    page.get_by_label("Cut out a box").check()
    page.get_by_label("East").fill("800")
    page.get_by_label("Show photo positions").check()
    page.get_by_role("button", name="Distance", exact=True).click()
    page.mouse.click(*on_screen((0.0, 0.8, 1.0), **VIEW))
    page.mouse.click(*on_screen((0.6, -0.8, 1.0), **VIEW))
    page.get_by_role("button", name="Stop").click()
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("-")
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_url(re.compile("#eye="))
    measured = page.locator("#measured li span").all_text_contents()
    expect(page.locator("#names")).to_be_visible()

    assert page.context.browser is not None
    other = page.context.browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    other.goto(page.url)
    expect(other.locator("#names")).to_be_visible()
    settled(other)
    assert other.locator("#measured li span").all_text_contents() == measured
    assert len(measured) == 1
    settled(page)
    scene = np.s_[:480, 300:]
    assert (pixels(page)[scene] != pixels(other)[scene]).any(axis=2).mean() < 0.002
    other.goto(f"{stairs.url}#eye=1,2&distance=nonsense")
    settled(other)
    assert other.evaluate("() => window.pointcloudViewer.error") is None


def test_a_photos_place_tells_its_name_and_figures(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    page.get_by_label("Show photo positions").check()
    expect(page.locator("#names")).to_be_visible()
    settled(page)
    page.mouse.click(*on_screen(PHOTO_PLACE, **VIEW))
    photo = page.locator("#photo")
    expect(photo.get_by_role("heading")).to_have_text(PHOTO)
    expect(photo.locator("dl")).to_have_text("Points1,234Reprojection error0.50 pxCovered by points80 %")
    page.get_by_role("button", name="Look from here").click()
    settled(page)
    page.get_by_role("button", name="Copy link").click()
    page.wait_for_url(re.compile(r"#eye=1\.5,1\.5,3&"))


def test_what_there_is_to_keep_is_offered(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    page.get_by_text("Downloads", exact=True).click()
    expect(page.locator("#files")).to_have_text("transforms.json 12 kB")
    with page.expect_download() as told:
        page.get_by_role("link", name="transforms.json").click()
    assert told.value.suggested_filename == "transforms.json"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(stairs: Server, page: Page) -> None:
    settle(page, stairs)
    page.get_by_label("Cut out a box").check()
    wanted = page.evaluate("""() => {
      const all = document.querySelectorAll('button, input, select, summary, a, canvas');
      return [...all].filter((it) => it.checkVisibility() && !it.disabled).map((it) => {
        it.dataset.number = String(Math.random());
        return it.dataset.number;
      });
    }""")
    page.evaluate("() => document.activeElement.blur()")
    reached = {}
    for _ in range(len(wanted) + 2):  # beyond the last and before the first is the page as a whole
        page.keyboard.press("Tab")
        number, outlined, name = page.evaluate("""() => {
          const it = document.activeElement;
          const name = it.ariaLabel ?? it.labels?.[0]?.textContent ?? it.textContent;
          const { outlineStyle } = getComputedStyle(it);
          return it === document.body ? [null, '', ''] : [it.dataset.number, outlineStyle, name.trim()];
        }""")
        reached[number] = (outlined, name)
    assert reached.keys() - {None} == set(wanted)
    assert all(reached[number][0] != "none" and reached[number][1] for number in wanted), reached
