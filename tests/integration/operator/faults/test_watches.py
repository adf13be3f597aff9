"""Watches that end, break, fall silent, forget, repeat themselves or leave out what is over: always the same end.

With POINTCLOUD_ALL_FAULTS every event of every scenario meets every disturbance; without, each event meets one of each
of the two groups, and the events of each resource meet all of them in turn.
"""

from collections import Counter
from functools import partial

import pytest

from tests.fixtures.faults import Ledgers
from tests.integration.operator.faults.conftest import MakeRig
from tests.integration.operator.faults.rig import ALL_FAULTS, HURRIED, Recording, Trial
from tests.integration.operator.faults.streams import OF_EVENTS, OF_WATCHES

pytestmark = pytest.mark.exhaustive


def trials(known: dict[str, Recording], kinds: tuple[str, ...]) -> list[Trial]:
    met: Counter[str] = Counter()
    chosen = []
    for scenario, recording in known.items():
        for moment in recording.moments:
            first = met[moment.resource]
            numbers = range(first, first + (len(kinds) if ALL_FAULTS else 1))
            chosen += [Trial(scenario, moment, kinds[number % len(kinds)]) for number in numbers]
            met[moment.resource] += 1
    return chosen


@pytest.mark.parametrize("kinds", [OF_WATCHES, OF_EVENTS], ids=["watches", "events"])
async def test_every_event_may_be_disturbed(
    kinds: tuple[str, ...], make_rig: MakeRig, recordings: dict[str, Recording], ledgers: Ledgers
) -> None:
    async with make_rig(HURRIED) as rig:
        rig.start()
        known = await rig.known(recordings)
        await rig.sweep(trials(known, kinds), ledgers.of("watches"), partial(rig.play, known=known))
        assert rig.restarts == 0, "the operator ended"
