"""Every call of every scenario answered once by every fault that an answer can have: always the same end.

With POINTCLOUD_ALL_FAULTS every call meets every fault, each in a run of its own; without, each call meets one of them
and each kind of call all of them in turn.
"""

from collections import Counter
from functools import partial
from typing import Final

import pytest
from aiohttp import web

from pointcloud_api.names import MANAGER
from tests.fixtures.faults import Injection, Ledgers
from tests.integration.operator.faults.calls import Point
from tests.integration.operator.faults.conftest import MakeRig
from tests.integration.operator.faults.interceptor import Exchange, Fault
from tests.integration.operator.faults.rig import ALL_FAULTS, HURRIED, Recording, Rig, Trial, differences, until
from tests.integration.operator.faults.scenarios import straight

pytestmark = pytest.mark.exhaustive

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


async def conflict(exchange: Exchange) -> web.StreamResponse:
    return exchange.refused(409, "Conflict")


async def throttled(exchange: Exchange) -> web.StreamResponse:
    return exchange.refused(429, "TooManyRequests", **{"Retry-After": "1"})


async def broken(exchange: Exchange) -> web.StreamResponse:
    return exchange.refused(500, "InternalError")


async def lost(exchange: Exchange) -> web.StreamResponse:
    await exchange.acted()
    return await exchange.dropped()


FAULTS: Final[dict[str, Fault]] = {
    "409": conflict,
    "429 with Retry-After": throttled,
    "500": broken,
    "no answer, nothing done": Exchange.unanswered,
    "no answer, but done": Exchange.unacknowledged,
    "connection dropped, nothing done": Exchange.dropped,
    "connection dropped, but done": lost,
    "answer cut off": Exchange.cut_off,
}


def trials(known: dict[str, Recording]) -> list[Trial]:
    met: Counter[str] = Counter()
    chosen = []
    for scenario, recording in known.items():
        for point in recording.points:
            first = met[point.kind]
            for number in range(first, first + (len(FAULTS) if ALL_FAULTS else 1)):
                kind = list(FAULTS)[number % len(FAULTS)]
                chosen.append(Trial(scenario, point, kind, FAULTS[kind]))
            met[point.kind] += 1
    return chosen


async def test_every_call_may_fail_once_in_every_way(
    make_rig: MakeRig, recordings: dict[str, Recording], ledgers: Ledgers
) -> None:
    async with make_rig(HURRIED) as rig:
        rig.start()
        known = await rig.known(recordings)
        await rig.sweep(trials(known), ledgers.of("calls"), partial(rig.play, known=known))
        assert rig.restarts == 0, "the operator ended"


async def test_every_call_of_a_start_may_fail_in_every_way(
    make_rig: MakeRig, recordings: dict[str, Recording], ledgers: Ledgers
) -> None:
    """Those that belong to no PointcloudJob: one start meets all faults of each, one after the other."""
    ledger = ledgers.of("calls")
    async with make_rig(HURRIED) as rig:
        rig.start()
        known = await rig.known(recordings)
        rig.kill()
        planned = plan_start(rig)
        rig.start()
        async with rig.world() as world:
            run = world.run("afterwards")
            await straight(run)
            wrong = differences(known["straight"].outcome, run.outcome())
        for point, kind in planned.items():
            survived = ("", point) in rig.api.struck and not wrong
            ledger.record(Injection(kind, f"start: {point.kind}", survived=survived))
    assert not wrong
    assert {point for _, point in rig.api.struck} == set(planned)


async def test_every_call_about_the_lease_may_fail_in_every_way(make_rig: MakeRig, ledgers: Ledgers) -> None:
    """Each start finds no Lease and meets one fault of every kind of call; it holds the Lease all the same."""
    ledger = ledgers.of("calls")
    async with make_rig(HURRIED) as rig, rig.world() as world:
        rig.operator.environment["POINTCLOUD_NAMESPACE"] = world.namespace
        for kind, fault in FAULTS.items():
            planned = plan_lease(rig, fault)
            rig.start()
            await until(partial(renewed, rig, planned[-1]))
            rig.kill()
            for point in planned:
                ledger.record(Injection(kind, f"lease: {point.kind}", survived=("", point) in rig.api.struck))
            assert {point for _, point in rig.api.struck} >= set(planned)
            await world.call("DELETE", f"{LEASES.format(world.namespace)}/{MANAGER}")
        assert rig.restarts == 0, "the operator took the Lease for lost"


def plan_lease(rig: Rig, fault: Fault) -> list[Point]:
    """Lets the fault meet the next start's first look at the Lease, its making, and its second renewal."""
    before = Counter(point.kind for point in rig.api.points[""])
    steps = {"get leases": 1, "create leases": 1, "update leases": 2}
    planned = [Point(kind, before[kind] + further) for kind, further in steps.items()]
    rig.api.plan |= {("", point): fault for point in planned}
    return planned


def renewed(rig: Rig, struck: Point) -> bool:
    """Whether the Lease is renewed again after the renewal that a fault has met."""
    return Counter(point.kind for point in rig.api.points[""])["update leases"] > struck.ordinal


def plan_start(rig: Rig) -> dict[Point, str]:
    """Lets the next start's calls of each kind meet the faults in turn."""
    before = Counter(point.kind for point in rig.api.points[""])
    planned = {}
    for kind, calls in before.items():
        for number, fault in enumerate(FAULTS, 1):
            point = Point(kind, calls + number)
            rig.api.plan["", point] = FAULTS[fault]
            planned[point] = fault
    return planned
