"""Moving about with mouse, fingers and keys: what is under the pointer stays there or comes nearer."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.fixtures.wall import BLUE, GREEN, RED, Wall, close, colour_around, lay_out, pixels
from tests.integration.viewer.site import Server, on_screen, serve, settle, settled

CORNER = (0.0, -0.5, 0.0)
"""Where the wall's three colours meet."""
WALL_VIEW = {"eye": (0, 0, -3), "target": (0, 0, 0), "up": (0, -1, 0)}


@pytest.fixture
def wall(tmp_path: Path, viewer_page: Path) -> Server:
    wall = Wall.build()
    folder = lay_out(tmp_path, viewer_page, wall)
    (folder / "view.json").write_text(json.dumps(wall.view()))
    return Server(folder)


def colours_meet_at(page: Page, x: int, y: int) -> bool:
    picture = pixels(page)
    return (
        close(colour_around(picture, x - 30, y + 30), RED)
        and close(colour_around(picture, x + 30, y + 30), GREEN)
        and close(colour_around(picture, x, y - 30), BLUE)
    )


def coloured(page: Page) -> float:
    """Share of the picture, without the panel, that the wall takes."""
    return float((np.ptp(pixels(page)[:, 300:].astype(int), axis=2) > 60).mean())


def test_the_wheel_zooms_to_the_point_below_and_home_goes_back(wall: Server, page: Page) -> None:
    with serve(wall) as server:
        page.emulate_media(reduced_motion="reduce")
        settle(page, server)
        page.get_by_label("Point size").fill("10")
        page.locator("#canvas").focus()
        settled(page)
        x, y = on_screen(CORNER, **WALL_VIEW)
        start, before = pixels(page), coloured(page)
        page.mouse.move(x, y)
        for _ in range(3):
            page.mouse.wheel(0, -200)
            settled(page)
        assert coloured(page) > 1.2 * before
        assert colours_meet_at(page, x, y)
        page.keyboard.press("Home")
        settled(page)
        assert (pixels(page) != start).any(axis=2).mean() < 0.002


def test_dragging_turns_about_the_point_below(wall: Server, page: Page) -> None:
    with serve(wall) as server:
        settle(page, server)
        x, y = on_screen(CORNER, **WALL_VIEW)
        page.get_by_label("Shade by depth").uncheck()
        settled(page)
        before = pixels(page)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 90, y, steps=3)
        page.mouse.up()
        settled(page)
        assert (before[:, 300:] != pixels(page)[:, 300:]).any(axis=2).mean() > 0.05
        assert colours_meet_at(page, x, y)


def test_dragging_with_the_right_button_moves_the_point_along(wall: Server, page: Page) -> None:
    with serve(wall) as server:
        settle(page, server)
        x, y = on_screen(CORNER, **WALL_VIEW)
        page.mouse.move(x, y)
        page.mouse.down(button="right")
        page.mouse.move(x + 120, y + 60, steps=3)
        page.mouse.up(button="right")
        settled(page)
        assert colours_meet_at(page, x + 120, y + 60)


def test_a_double_click_goes_to_the_point(wall: Server, page: Page) -> None:
    with serve(wall) as server:
        settle(page, server)
        page.get_by_label("Point size").fill("10")  # from near, small dots would leave gaps
        page.mouse.dblclick(*on_screen(CORNER, **WALL_VIEW))
        settled(page)
        assert colours_meet_at(page, 480, 300)


def test_keys_turn_move_and_zoom(wall: Server, page: Page) -> None:
    with serve(wall) as server:
        settle(page, server)
        page.locator("#canvas").focus()
        for keys in (["Shift+ArrowDown"] * 2, ["+"] * 2, ["ArrowLeft"]):
            before = pixels(page)
            for key in keys:
                page.keyboard.press(key)
            settled(page)
            assert (before[:, 300:] != pixels(page)[:, 300:]).any(axis=2).mean() > 0.02, keys


def test_two_fingers_on_a_phone_bring_it_nearer(wall: Server, page: Page) -> None:
    assert page.context.browser is not None
    phone = page.context.browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    with serve(wall) as server:
        settle(phone, server)
        touch = phone.context.new_cdp_session(phone)
        before = pixels(phone)
        for kind, spread in (("touchStart", 40), ("touchMove", 60), ("touchMove", 90), ("touchEnd", None)):
            fingers = [] if spread is None else [{"x": 195 + side * spread, "y": 422, "id": side} for side in (-1, 1)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
        settled(phone)
        after = pixels(phone)
        assert phone.evaluate("() => document.documentElement.scrollWidth") == 390
        for button in phone.locator("#toolbar button").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
    wall_of = [(np.ptp(picture.astype(int), axis=2) > 60).mean() for picture in (before, after)]
    assert 0.1 < wall_of[0] < wall_of[1] / 1.5
