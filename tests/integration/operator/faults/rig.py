"""Many runs side by side under one operator, each with a fault at a point of its own, and what comes of each."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final, Self

import aiohttp

from tests.fixtures.faults import Injection, Ledger
from tests.fixtures.store import StoreServer
from tests.integration.operator.conftest import Operator, configuration, make_operator
from tests.integration.operator.faults.calls import Point, api_call, store_call
from tests.integration.operator.faults.interceptor import Fault, Interceptor, administrator, write_kubeconfig
from tests.integration.operator.faults.scenarios import SCENARIOS, straight
from tests.integration.operator.faults.streams import Moment, Streams
from tests.integration.operator.faults.world import Json, Run, StuckError, World
from tools.cluster.controlplane import ControlPlane

ALL_FAULTS: Final = bool(os.environ.get("POINTCLOUD_ALL_FAULTS"))
"""Whether every point meets every fault, which takes an hour, or the points meet the faults in turn."""
HURRIED: Final = {
    "pointcloud_kube.api:REQUEST_SECONDS": 5,
    "pointcloud_kube.reflector:SILENCE_SECONDS": 4,
    "pointcloud_operator.runtime.events:TRY_SECONDS": 2,
    "pointcloud_operator.runtime.store:REQUEST_SECONDS": 2,
}
"""Gives up on an answer soon."""
HOLD_SECONDS: Final = 400
PATIENT: Final = {
    "pointcloud_kube.api:REQUEST_SECONDS": HOLD_SECONDS,
    "pointcloud_operator.runtime.events:TRY_SECONDS": HOLD_SECONDS,
    "pointcloud_operator.runtime.store:REQUEST_SECONDS": HOLD_SECONDS,
}
"""Lets calls be held for as long as it takes all runs to come to their points."""
ROOM: Final = {
    "pointcloud_operator.runtime.controller:WORKERS": 90,
    "pointcloud_operator.runtime.controller:MAX_ERASING": 90,
}
"""A run whose call is not answered occupies a worker; and a connection, of which the client has 100."""
TRIES: Final = 4
"""Calls of each run, on an average, until a server that lags has caught up..."""
LAG_SECONDS: Final = 8
"""...or seconds."""
MAX_BATCH: Final = 80
ROUNDS: Final = 3
"""How often a point that does not come is looked for: how many writes of progress there are depends on the machine."""
SETTLE_SECONDS: Final = 2
SUPERSEDED_SECONDS: Final = 1


@dataclass(frozen=True)
class Recording:
    """An undisturbed run."""

    points: tuple[Point, ...]
    """Its calls, without those that the straight run has too and that come before its script diverges from it."""
    outcome: Json
    told: Counter[str]
    """Reasons of its Events."""
    moments: tuple[Moment, ...]
    """Its events on the operator's watches, without the same."""


@dataclass(frozen=True)
class Trial:
    """A scenario with one fault at one point of it."""

    scenario: str
    point: Point | Moment
    kind: str
    """The fault's name, for the account."""
    fault: Fault | None = None
    """None at a moment: there its name says it."""

    def __str__(self) -> str:
        return f"{self.scenario}: {self.kind} at {self.point}"


@dataclass(frozen=True)
class Travel:
    """How an operator that is started again sees the past."""

    how_far: float
    """Into what had happened until then, from 0 to 1."""
    objects: bool
    """Whether single objects are read from the past too, beside lists and watches."""


@dataclass
class Rig:
    """The operator between an API server and a store that both are intercepted."""

    operator: Operator
    api: Interceptor
    shop: Interceptor
    """The store's."""
    http: aiohttp.ClientSession
    """To the API server itself."""
    store: Path
    streams: Streams = field(default_factory=Streams)
    batches: int = 0
    restarts: int = 0
    """How often the operator ended by itself and was started again, as a kubelet does."""
    _supervision: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls, plane: ControlPlane, store: StoreServer, folder: Path, constants: Mapping[str, float]
    ) -> AsyncIterator[Self]:
        """An operator of its own, with other constants, not started yet; it ends with the context."""
        tls = administrator(plane)
        connector = aiohttp.TCPConnector(limit=0, ssl=tls)
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            Interceptor(plane.api.url, api_call, tls).serving() as api,
            Interceptor(store.url, store_call).serving() as shop,
            aiohttp.ClientSession(plane.api.url, connector=connector, timeout=timeout, read_bufsize=1 << 22) as http,
        ):
            write_kubeconfig(folder / "kubeconfig", api.url)
            configured = {
                **configuration(shop.url, settle_seconds=SETTLE_SECONDS),
                "supersededSeconds": SUPERSEDED_SECONDS,
            }
            operator = make_operator(folder, folder / "kubeconfig", configured)
            retimed = str(Path(__file__).with_name("retimed.py"))
            operator.command = (sys.executable, retimed, json.dumps({**constants, **ROOM}))
            rig = cls(operator, api, shop, http, store.folder)
            api.watching = rig.streams.answer
            try:
                yield rig
            finally:
                rig.kill()
                sys.stdout.write(operator.log.read_text()[-20_000:])

    def start(self) -> None:
        """Starts the operator and, from now on, again whenever it ends by itself."""
        self.operator.start()
        self._supervision = asyncio.create_task(self._supervise())

    def kill(self) -> None:
        """Kills the operator, which stays dead."""
        if self._supervision:
            self._supervision.cancel()
        self.operator.kill()

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            if self.operator.process and self.operator.process.poll() is not None:
                self.restarts += 1
                self.operator.start()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """A namespace of its own, watched, and deleted at the end."""
        self.batches += 1
        name = f"batch-{id(self) % 100_000}-{self.batches}"
        world = World(self.http, name, self.store, self.api.runs, self.api.logs)
        await world.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        async with world.watched():
            await world.ready()
            yield world
        await world.call("DELETE", f"/api/v1/namespaces/{name}")

    async def known(
        self, recordings: dict[str, Recording], scenarios: Collection[str] = SCENARIOS
    ) -> dict[str, Recording]:
        """Undisturbed runs of the scenarios, `straight` among them, recorded unless they are already."""
        if not recordings.keys() >= set(scenarios):
            recordings.update(await self.record(scenarios))
        return {name: recordings[name] for name in scenarios}

    async def record(self, scenarios: Iterable[str] = SCENARIOS) -> dict[str, Recording]:
        """Undisturbed runs of the scenarios, side by side."""
        async with self.world() as world:
            before: dict[str, set[Point | Moment]] = {}
            world.on_divergence = lambda run: before.update({run.name: {*self.points(run), *self.moments(run)}})
            runs = {name: world.run(f"{name}x") for name in scenarios}
            await asyncio.gather(*(SCENARIOS[name](run) for name, run in runs.items()))
            assert not await self.unquiet(world)
            assert not [breach for run in runs.values() for breach in run.breaches]
            common = {*self.points(runs["straight"]), *self.moments(runs["straight"])}
            shared = {name: common & before.get(run.name, set()) for name, run in runs.items()}
            return {
                name: Recording(
                    tuple(point for point in self.points(run) if point not in shared[name]),
                    run.outcome(),
                    Counter(run.told),
                    tuple(moment for moment in self.moments(run) if moment not in shared[name]),
                )
                for name, run in runs.items()
            }

    def points(self, run: Run) -> Sequence[Point]:
        """All calls of a run, to both servers."""
        return (*self.api.points[run.name], *self.shop.points[run.name])

    def moments(self, run: Run) -> Sequence[Moment]:
        """All events of a run that the operator could see."""
        seen = self.streams.seen[run.name]
        return [Moment(resource, number) for resource, count in seen.items() for number in range(1, count + 1)]

    def plan(self, run: Run, trial: Trial) -> None:
        """Makes the trial's fault strike the run at its point."""
        if isinstance(trial.point, Moment):
            self.streams.plan[run.name, trial.point] = trial.kind
            return
        assert trial.fault
        server = self.shop if trial.point.kind.endswith(" store") else self.api
        server.plan[run.name, trial.point] = trial.fault

    def struck(self, run: Run) -> bool:
        """Whether it has struck."""
        return any(name == run.name for name, _ in (*self.api.struck, *self.shop.struck, *self.streams.struck))

    async def play(self, trials: Sequence[Trial], known: Mapping[str, Recording]) -> "Account":
        """Runs every trial to its end, all side by side."""
        async with self.world() as world:
            runs = self._prepare(world, trials)
            ends = await asyncio.gather(
                *(SCENARIOS[trial.scenario](run) for trial, run in zip(trials, runs, strict=True)),
                return_exceptions=True,
            )
            return await self._judge(world, trials, runs, ends, known)

    async def crash(
        self, trials: Sequence[Trial], known: Mapping[str, Recording], *, travel: "Travel | None" = None
    ) -> "Account":
        """Runs every trial to its point, where its call is held; kills the operator there; runs all to their ends.

        With `travel`, the operator that is started again sees the past at first.
        """
        async with self.world() as world:
            runs = self._prepare(world, trials)
            plays = [
                asyncio.ensure_future(SCENARIOS[trial.scenario](run)) for trial, run in zip(trials, runs, strict=True)
            ]
            world.goes_on_since = inf
            waiting = dict(zip(map(str, trials), zip(runs, plays, strict=True), strict=True))
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    await until(lambda: all(self.struck(run) or play.done() for run, play in waiting.values()))
            except TimeoutError:
                late = [name for name, (run, play) in waiting.items() if not (self.struck(run) or play.done())]
                raise StuckError(f"after {HOLD_SECONDS} s still on the way: {late}") from None
            self.kill()
            await self._start_again(world, travel)
            world.goes_on_since = monotonic()
            ends = await asyncio.gather(*plays, return_exceptions=True)
            return await self._judge(world, trials, runs, ends, known)

    async def sweep(
        self, trials: Sequence[Trial], ledger: Ledger, play: Callable[[Sequence[Trial]], Awaitable["Account"]]
    ) -> None:
        """Plays all trials, batch by batch, into the ledger; fails if one is not survived, or too many never strike.

        Those that did not strike are played again, because of all that share a watch or a worker with them.
        """
        failures, left = [], list(trials)
        for _ in range(ROUNDS):
            missed: list[Trial] = []
            for batch in batched(left):
                account = await play(batch)
                ledger.record(*account.injections)
                failures += account.failures
                missed += account.missed
            left = missed
        assert not failures, "\n".join(failures)
        assert len(left) * 10 < len(trials), f"{len(left)} of {len(trials)} points were not reached"

    async def _start_again(self, world: World, travel: "Travel | None") -> None:
        if travel is None:
            self.start()
            return
        history = sorted(version for run in world.runs.values() for version in run.versions)
        self.api.past, self.api.past_objects = history[int(travel.how_far * len(history))], travel.objects
        tried = sum(len(self.points(run)) for run in world.runs.values()) + TRIES * len(world.runs)
        self.start()
        with suppress(TimeoutError):  # some see nothing to do
            async with asyncio.timeout(LAG_SECONDS):
                await until(lambda: sum(len(self.points(run)) for run in world.runs.values()) >= tried)
        self.api.past, self.api.past_objects = None, False

    def _prepare(self, world: World, trials: Sequence[Trial]) -> list[Run]:
        runs = [world.run(f"{trial.scenario}{self.batches}x{number}") for number, trial in enumerate(trials)]
        for trial, run in zip(trials, runs, strict=True):
            self.plan(run, trial)
        return runs

    async def _judge(
        self,
        world: World,
        trials: Sequence[Trial],
        runs: Sequence[Run],
        ends: Sequence[BaseException | None],
        known: Mapping[str, Recording],
    ) -> "Account":
        noise = await self.unquiet(world)
        account = Account()
        for trial, run, end in zip(trials, runs, ends, strict=True):
            if end is not None and not isinstance(end, StuckError):
                raise end
            expected = known[trial.scenario]
            faults = [*([str(end)] if end else ()), *run.breaches, *noise.get(run.name, ())]
            faults += differences(expected.outcome, run.outcome())
            lost = sorted((expected.told - Counter(run.told)).elements())
            account.enter(trial, faults, struck=self.struck(run), lost=lost)
        return account

    async def unquiet(self, world: World) -> dict[str, list[str]]:
        """What runs that have ended still write while another PointcloudJob goes through a whole life."""
        await until(lambda: not (self.api.open or self.shop.open))
        ended = list(world.runs)
        await straight(world.run(f"first{self.batches}"))
        before = {name: len(self._writes(name)) for name in ended}
        await straight(world.run(f"second{self.batches}"))
        late = {name: self._writes(name)[before[name] :] for name in ended}
        return {name: [f"it is not quiet: {', '.join(writes)}"] for name, writes in late.items() if writes}

    def _writes(self, name: str) -> list[str]:
        points = (*self.api.points[name], *self.shop.points[name])
        return [str(point) for point in points if point.writes]


def batched(trials: Sequence[Trial]) -> list[Sequence[Trial]]:
    """As few batches as may be, of one size."""
    count = -(-len(trials) // MAX_BATCH)
    return [trials[number::count] for number in range(count)]


async def until(found: Callable[[], bool]) -> None:
    """Asks until the answer is true; for what nothing tells of by itself."""
    while not found():  # noqa: ASYNC110 - processes and connections set no asyncio.Event
        await asyncio.sleep(0.05)


@dataclass
class Account:
    """What came of a batch."""

    injections: list[Injection] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    missed: list[Trial] = field(default_factory=list)
    """Trials whose point did not come."""

    def enter(self, trial: Trial, faults: Sequence[str], *, struck: bool, lost: Sequence[str]) -> None:
        """Enters a trial; one whose fault never struck has to end well too."""
        if faults:
            self.failures.append(f"{trial}: {'; '.join(faults)}")
        if not struck:
            self.missed.append(trial)
            return
        what = f"Events: {', '.join(lost)}" if lost else ""
        point = f"{trial.scenario}: {trial.point}"
        self.injections.append(Injection(trial.kind, point, survived=not faults, lost=what))


def differences(expected: Json, found: Json) -> list[str]:
    """Where two outcomes differ, field by field."""
    flat, other = flattened(expected), flattened(found)
    return [
        f"{path} is {other.get(path)!r} instead of {flat.get(path)!r}"
        for path in sorted(flat.keys() | other.keys())
        if flat.get(path) != other.get(path)
    ]


def flattened(value: object, path: str = "") -> dict[str, object]:
    """The leaves of a JSON value by their paths."""
    if isinstance(value, dict):
        return {k: v for key, each in value.items() for k, v in flattened(each, f"{path}.{key}").items()}
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return {k: v for index, each in enumerate(value) for k, v in flattened(each, f"{path}[{index}]").items()}
    return {path: value}
