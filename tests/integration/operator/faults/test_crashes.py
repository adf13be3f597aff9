"""The operator killed before and after every write of every scenario: always the same end, and nothing made twice.

The runs of a batch go on side by side until the write of each that was chosen is held, before or after the server has
acted; then the operator is killed, once for all of them, and started again.
"""

from functools import partial
from typing import Final

import pytest

from tests.fixtures.faults import Ledgers
from tests.integration.operator.faults.conftest import MakeRig
from tests.integration.operator.faults.interceptor import Exchange, Fault
from tests.integration.operator.faults.rig import PATIENT, Recording, Trial
from tests.integration.operator.faults.scenarios import SCENARIOS

USUAL: Final = ("straight", "removed")

CRASHES: Final[dict[str, Fault]] = {
    "killed before a write": Exchange.unanswered,
    "killed after a write": Exchange.unacknowledged,
}


def crashes(known: dict[str, Recording]) -> list[Trial]:
    return [
        Trial(scenario, point, kind, crash)
        for scenario, recording in known.items()
        for point in recording.points
        if point.writes
        for kind, crash in CRASHES.items()
    ]


@pytest.mark.parametrize(
    "scenarios", [USUAL, pytest.param(tuple(SCENARIOS), marks=pytest.mark.exhaustive)], ids=["usual", "all"]
)
async def test_killed_at_every_write_it_arrives_at_the_same_end(
    scenarios: tuple[str, ...], make_rig: MakeRig, recordings: dict[str, Recording], ledgers: Ledgers
) -> None:
    async with make_rig(PATIENT) as rig:
        rig.start()
        known = await rig.known(recordings, scenarios)
        await rig.sweep(crashes(known), ledgers.of("crashes"), partial(rig.crash, known=known))
