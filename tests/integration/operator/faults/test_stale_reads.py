"""An operator that is started again and sees the past: always the same end, and nothing made twice.

It is killed at every write of every scenario, as in test_crashes, and finds an API server that lags: its lists are of
some time ago, and its watches bring nothing until it has caught up. Then the same where even a single object is read as
it was, which no server does that keeps Kubernetes' promises.
"""

from functools import partial

import pytest

from tests.fixtures.faults import Ledgers
from tests.integration.operator.faults.conftest import MakeRig
from tests.integration.operator.faults.interceptor import Exchange
from tests.integration.operator.faults.rig import ALL_FAULTS, PATIENT, Recording, Travel, Trial

pytestmark = pytest.mark.exhaustive

JOURNEYS = (
    Travel(0.33, objects=False),
    Travel(0.67, objects=True),
    Travel(0.67, objects=False),
    Travel(0.33, objects=True),
)


def trials(known: dict[str, Recording], travel: Travel) -> list[Trial]:
    """A crash at every write; unless all faults are asked for, at every other one."""
    kind = "restarted on old lists, watches and objects" if travel.objects else "restarted on old lists and watches"
    writes = [(scenario, point) for scenario, recording in known.items() for point in recording.points if point.writes]
    begin, step = (0, 1) if ALL_FAULTS else (JOURNEYS.index(travel), 2)
    return [Trial(scenario, point, kind, Exchange.unacknowledged) for scenario, point in writes[begin::step]]


@pytest.mark.parametrize("travel", JOURNEYS if ALL_FAULTS else JOURNEYS[:2], ids=str)
async def test_a_restart_into_the_past_arrives_at_the_same_end(
    travel: Travel, make_rig: MakeRig, recordings: dict[str, Recording], ledgers: Ledgers
) -> None:
    async with make_rig(PATIENT) as rig:
        rig.start()
        known = await rig.known(recordings)
        restart = partial(rig.crash, known=known, travel=travel)
        await rig.sweep(trials(known, travel), ledgers.of("stale-reads"), restart)
