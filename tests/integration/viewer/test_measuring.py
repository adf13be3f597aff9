"""Measuring on a cloud whose points are known: what is clicked is what is measured."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.wall import Wall, lay_out
from tests.integration.viewer.site import Server, on_screen, serve, settle, settled

A, B, C, D, TOP = (0, 0, 0), (3, 0, 0), (3, 4, 0), (0, 4, 0), (0, 0, 2)
VIEW = {"eye": (6.0, -6.0, 7.0), "target": (1.5, 1.5, 0.5), "up": (0.0, 0.0, 1.0)}
MEASURED = "#measured li span"


@pytest.fixture
def folder(tmp_path: Path, viewer_page: Path) -> Path:
    places = np.array([A, B, C, D, TOP], float)
    marks = Wall(positions=places, colours=np.full((len(places), 3), 230, np.uint8))
    return lay_out(tmp_path, viewer_page, marks)


def look(folder: Path, **told: object) -> None:
    view = {"up": VIEW["up"], "position": VIEW["eye"], "target": VIEW["target"], **told}
    (folder / "view.json").write_text(json.dumps(view))


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    look(folder, units="metres")
    with serve(Server(folder)) as server:
        yield server


def click(page: Page, *places: tuple[float, float, float]) -> None:
    for place in places:
        x, y = on_screen(place, **VIEW)
        # Not quite at the point: a hand is not exact either.
        page.mouse.click(x + 3, y - 3)


def test_each_tool_tells_the_true_value(server: Server, page: Page) -> None:
    settle(page, server)
    tools = {"Distance": (A, C), "Height": (B, TOP), "Area": (A, B, C, D), "Angle": (B, A, C)}
    for tool, places in tools.items():
        page.get_by_role("button", name=tool, exact=True).click()
        click(page, *places)
    expect(page.locator(MEASURED)).to_have_count(3)  # an area takes corners until Done, and none was pressed
    page.get_by_role("button", name="Area", exact=True).click()
    click(page, *tools["Area"])
    page.get_by_role("button", name="Done").click()
    click(page, A, B)
    x, y = on_screen(C, **VIEW)
    page.mouse.dblclick(x, y)
    values = ["Distance: 5\u00a0m", "Height: 2\u00a0m", "Angle: 53.13°", "Area: 12\u00a0m²", "Area: 6\u00a0m²"]
    expect(page.locator(MEASURED)).to_have_text(values)
    settled(page)
    assert page.locator("#labels span").all_text_contents() == [value.split(": ")[1] for value in values]


def test_measurements_are_taken_back_and_cleared(server: Server, page: Page) -> None:
    settle(page, server)
    distance = page.get_by_role("button", name="Distance", exact=True)
    distance.click()
    click(page, A, B, A, C, A)
    dots = page.locator("#lines circle:not(.hover)")
    expect(dots).to_have_count(5)
    page.keyboard.press("Escape")
    expect(dots).to_have_count(4)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(MEASURED)).to_have_text(["Distance: 3\u00a0m"])
    page.keyboard.press("Escape")
    expect(distance).to_have_attribute("aria-pressed", "false")
    click(page, A, D)
    expect(page.locator(MEASURED)).to_have_count(1)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#measurements")).to_be_hidden()
    expect(dots).to_have_count(0)


def test_without_a_scale_nobody_speaks_of_metres(folder: Path, page: Page) -> None:
    look(folder, units="arbitrary")
    with serve(Server(folder)) as server:
        settle(page, server)
        page.get_by_role("button", name="Distance", exact=True).click()
        click(page, A, C)
        expect(page.locator(MEASURED)).to_have_text(["Distance: 5\u00a0units"])


def test_the_keyboard_measures_at_the_cross(folder: Path, page: Page) -> None:
    look(folder, target=A, units="metres")
    with serve(Server(folder)) as server:
        settle(page, server)
        page.get_by_role("button", name="Distance", exact=True).press("Enter")
        page.locator("#canvas").focus()
        page.keyboard.press("Enter")
        page.mouse.click(*on_screen(TOP, **{**VIEW, "target": A}))
        expect(page.locator(MEASURED)).to_have_text(["Distance: 2\u00a0m"])
