"""Every property of a PointcloudJob's spec, set, set wrongly, changed and set back wherever the job may be.

Four oracles judge without knowing the property: what is declared is found in the cluster (consistency); the state
reached equals the state reached from scratch with the last spec (differential); setting it back recovers (rollback); a
wrong value is refused and leaves alone what runs (misoperation). Then everything stays quiet.
"""

import asyncio
import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from pointcloud_operator.model.plan import TRIES_NOTHING
from tests.fixtures.faults import FOLDER_VARIABLE, Injection, Ledgers
from tests.fixtures.store import StoreServer
from tests.integration.conftest import Json
from tests.integration.operator.conftest import Kubelet, Operator, configuration, make_operator
from tests.integration.operator.faults.rig import differences
from tests.integration.operator.faults.world import World
from tests.integration.operator.properties.life import Life, Moment, looked_after
from tests.integration.operator.properties.premises import furnished
from tests.integration.operator.properties.seen import UNSEEN, found
from tests.integration.operator.properties.values import (
    CLAIMS,
    PRIORITY_CLASSES,
    Property,
    properties,
    value_at,
    with_value,
)
from tools.cluster.controlplane import ControlPlane

EVERYTHING: Final = bool(os.environ.get("POINTCLOUD_ALL_FAULTS") or os.environ.get(FOLDER_VARIABLE))
"""Whether every property is tried at every moment, as where an account is kept, or at some in turn."""
MOMENTS_IN_TURN: Final = 1
SIDE_BY_SIDE: Final = 32
SOURCES: Final[dict[str, Json]] = {
    "urls": {"urls": ["https://example.com/photos.zip"]},
    "persistentVolumeClaim": {"persistentVolumeClaim": {"claimName": CLAIMS[0]}},
    "upload": {"upload": {"revision": 1}},
}
REVISION: Final = ("source", "upload", "revision")


def base(known: Property, moment: Moment) -> Json:
    """A spec in which the property can be set, and with which the moment comes."""
    kind = known.path[1] if known.path[0] == "source" and known.path[1] in SOURCES else "urls"
    source: Json = {"upload": {}} if moment is Moment.AWAITING_UPLOAD else SOURCES[kind]
    return {"source": copy.deepcopy(source)}


def edited(spec: Json, known: Property, value: Any) -> Json:
    """The spec with another value of the property, and with no source but its own."""
    kind = known.path[1] if known.path[0] == "source" else ""
    if kind in SOURCES and kind not in spec["source"]:
        spec = {**spec, "source": copy.deepcopy(SOURCES[kind])}
    return with_value(spec, known.path, value)


def chosen() -> Iterator[tuple[Property, Moment]]:
    """What is tried: by turns, every property meets some moments, and every moment some properties of each kind."""
    moments = list(Moment)
    for number, known in enumerate(properties()):
        turns = range(len(moments) if EVERYTHING else MOMENTS_IN_TURN)
        yield from ((known, moments[(number + 3 * turn) % len(moments)]) for turn in turns)


def arrived(spec: Json) -> Json:
    """The spec once the gateway has received a file, if it awaits one."""
    awaits = "upload" in spec["source"] and value_at(spec, REVISION) is None
    return with_value(spec, REVISION, 1) if awaits else spec


@dataclass
class Trials:
    """All trials of a run of the tests, and the states that they are compared to."""

    world: World
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SIDE_BY_SIDE))
    lives: list[Life] = field(default_factory=list)
    injections: list[Injection] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _scratch: dict[str, asyncio.Task[Life]] = field(default_factory=dict)

    def begin(self, moment: Moment) -> Life:
        """A PointcloudJob of its own."""
        life = Life(self.world.run(f"life{len(self.lives)}"), moment)
        self.lives.append(life)
        return life

    async def from_scratch(self, spec: Json) -> Life:
        """A PointcloudJob that never had another spec, at its end."""
        key = json.dumps(spec, sort_keys=True)
        if key not in self._scratch:
            self._scratch[key] = asyncio.create_task(self._live(spec))
        return await self._scratch[key]

    async def _live(self, spec: Json) -> Life:
        life = self.begin(Moment.SUCCEEDED)
        await life.submit(spec)
        await looked_after(life, life.run.phase("Succeeded"))
        return life

    async def attempt(self, known: Property, moment: Moment) -> None:
        """One property at one moment; what came of it is entered."""
        async with self.turn:
            trial = Trial(self, known, moment, self.begin(moment))
            try:
                await looked_after(trial.life, trial.go())
            except Exception as error:  # noqa: BLE001 - all others are to be tried too
                trial.faults.append(f"{type(error).__name__}: {error}")
        trial.faults += [breach for breach in trial.life.run.breaches if "was made twice" not in breach]
        trial.faults += [f"{name} was complete and is made again" for name in trial.life.made_again()]
        for kind, times in trial.done.items():
            self.injections.append(Injection(kind, f"{moment}", survived=not trial.faults, times=times))
        if trial.faults:
            self.failures.append(f"spec.{known} while {moment} ({trial.life.run.name}): {'; '.join(trial.faults)}")

    async def disquiet(self) -> list[str]:
        """PointcloudJobs that are still written to while another one goes through its whole life."""
        before = {life.run.name: len(life.run.versions) for life in self.lives}
        await self._live({"source": SOURCES["urls"]})
        return [life.run.name for life in self.lives if len(life.run.versions) > before.get(life.run.name, 1 << 62)]


@dataclass
class Trial:
    """One property at one moment of one PointcloudJob."""

    trials: Trials
    known: Property
    moment: Moment
    life: Life
    done: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def ends(self) -> str:
        """The phase in which it ends: what has failed stays so when nothing is to be tried again."""
        return "Failed" if self.moment is Moment.FAILED and self.known.path[0] in TRIES_NOTHING else "Succeeded"

    async def go(self) -> None:
        life, (first, second) = self.life, self.known.good
        begun = base(self.known, self.moment)
        await life.submit(begun)
        await life.arrive(suspended=False)
        await self._set(edited(begun, self.known, first), "a property set")
        await life.arrive(suspended=self.known.path == ("suspend",))
        await self._set_wrongly(edited(begun, self.known, first))
        life.let_go()
        await self._set(edited(begun, self.known, second), "a property changed")
        await self._end(arrived(edited(begun, self.known, second)))
        if self.known.path == REVISION:
            message = await life.refused(arrived(begun))
            assert "never goes back" in message
            return
        await self._set(arrived(begun), "a property set back")
        await self._end(arrived(begun))
        if self.ends == "Failed":
            recovering = {**begun, "rerun": "recover"}
            await life.edit(recovering)
            await life.run.phase("Succeeded")
            await self._compare(recovering)

    async def _set(self, spec: Json, kind: str) -> None:
        await self.life.edit(spec)
        self.done[kind] = 1

    async def _set_wrongly(self, spec: Json) -> None:
        """Every wrong value is refused with words that name the place, and nothing is disturbed."""
        at_work, generation = self.life.at_work(), (self.life.run.job or {})["metadata"]["generation"]
        for place, value in self.known.wrong:
            if place == REVISION[:-1] and value_at(spec, REVISION) is None:
                continue  # nothing has arrived that could be counted back
            message = await self.life.refused(with_value(spec, place, value))
            assert f"spec.{place[0]}" in message, message
            self.done["a property set wrongly"] = self.done.get("a property set wrongly", 0) + 1
        current = await self.life.read()
        assert current["metadata"]["generation"] == generation
        assert self.life.at_work() == at_work, "a wrong value harms what runs"
        assert not self.moment.runs or self.known.path == ("suspend",) or at_work

    async def _end(self, spec: Json) -> None:
        await self.life.edit(spec)
        await self.life.run.phase(self.ends)
        if self.ends == "Succeeded":
            await self._compare(spec)

    async def _compare(self, spec: Json) -> None:
        """To the state that is reached from scratch, and that to what is declared."""
        scratch = await self.trials.from_scratch(spec)
        assert not (different := differences(scratch.state(), self.life.state())), "; ".join(different)
        declared = value_at(spec, self.known.path)
        if declared is not None and (there := found(scratch, self.known)) is not UNSEEN:
            assert normal(there) == normal(declared), f"{declared} is declared and {there} is found"


def normal(value: Any) -> Any:
    """Quantities may be numbers or text."""
    return {name: str(each) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.fixture
def thorough(control_plane: ControlPlane, kubelet: Kubelet, store: StoreServer, tmp_path: Path) -> Operator:
    """An operator whose install allows what values ask for."""
    del kubelet  # the resource has to be there
    configured = {**configuration(store.url, settle_seconds=0), "priorityClasses": list(PRIORITY_CLASSES)}
    return make_operator(tmp_path, control_plane.kubeconfig, configured)


async def test_every_property_may_be_set_wrongly_changed_and_set_back_wherever_the_job_may_be(
    control_plane: ControlPlane, store: StoreServer, thorough: Operator, ledgers: Ledgers
) -> None:
    thorough.start()
    try:
        async with furnished(control_plane, store.folder) as world:
            trials = Trials(world)
            await asyncio.gather(*(trials.attempt(*each) for each in chosen()))
            noisy = await trials.disquiet()
    finally:
        thorough.kill()
    ledgers.of("properties").record(*trials.injections)
    assert not trials.failures, "\n".join(trials.failures)
    assert not noisy
