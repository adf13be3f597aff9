"""The operator in a small world in which everything goes wrong at any moment: pods, nodes, Jobs, the store, caches, the
operator itself, and users who change their minds.

`POINTCLOUD_FUZZ=100000` tries as many random lives instead of the suite's, which are the same each time.
"""

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final, TypeVar, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pointcloud_api.resource import Phase
from pointcloud_api.stages import Progress, Reason, StageError, Termination
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import Decision
from pointcloud_operator.model.plan import TRIES_NOTHING
from tests.fixtures.faults import Injection, Ledgers
from tests.unit.operator.builders import CONFIG, Json
from tests.unit.operator.cluster import Child
from tests.unit.operator.laws import Laws
from tests.unit.operator.world import UPLOAD, Memory, View, World

STEPS: Final = 50
"""Of one life."""
SUITE: Final = settings(max_examples=520, stateful_step_count=STEPS, deadline=None, derandomize=True, database=None)
LIVES: Final = int(os.environ.get("POINTCLOUD_FUZZ", "0"))
FUZZ: Final = settings(SUITE, max_examples=LIVES, derandomize=False, print_blob=True) if LIVES else None

INSTALL: Final = InstallConfig.model_validate(
    {**CONFIG.model_dump(), "priority_classes": ("batch",), "disruption_limit": 2}
)

CHANGES: Final[tuple[Json, ...]] = (
    {"pointcloud": {"encoding": "uncompressed"}},
    {"pointcloud": {"encoding": "brotli"}},
    {"reconstruction": {"quality": "high"}},
    {"reconstruction": {"quality": "medium"}},
    {"reconstruction": {"device": "cpu"}},
    {"stages": {"reconstruct": {"resources": {"limits": {"memory": "64Gi"}}}}},
    {"stages": {"ingest": {"nodeSelector": {"disk": "fast"}}}},
    {"webhooks": [{"url": "https://example.com/hook"}]},
    {"webhooks": []},
    {"source": {"urls": ["https://example.com/other.zip"]}},
    {"source": {"urls": ["https://example.com/ruin.zip"], "video": {"maxFrames": 10}}},
    UPLOAD,
    {"suspend": True},
    {"suspend": False},
    {"rerun": "again"},
    {"rerun": ""},
    {"retryLimit": 0},
    {"retryLimit": 5},
    {"activeDeadlineSeconds": 60},
    {"activeDeadlineSeconds": None},
    {"queueName": "photos"},
    {"queueName": None},
    {"stages": {"convert": {"priorityClassName": "batch"}}},
    {"stages": {"reconstruct": {"priorityClassName": "system-node-critical"}}},
    {"stages": {}},
    {"output": {"deletionPolicy": "Delete"}},
    {"output": {"deletionPolicy": "Retain"}},
    {"retention": {"succeededSeconds": 300, "failedSeconds": 4000}},
    {"retention": {}},
)
ERRORS: Final = (
    (65, Reason.NO_OVERLAP),
    (66, Reason.NO_IMAGES),
    (70, Reason.INTERNAL),
    (75, Reason.INTERRUPTED),
    (75, Reason.UPSTREAM_MISSING),
)
MOMENTS: Final = (1, 30, 300, 4000, 90_000)
"""Seconds."""

injected: Counter[str] = Counter()
"""How often what was done to the operator, by its name in words: faults and changes of mind, and nothing that is in the
order of things."""
lived: Counter[str] = Counter()
"""How many steps there were, all of them."""

F = TypeVar("F", bound=Callable[..., Any])


def _words(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", " ")


def counted(function: F) -> F:
    """Counts how often a rule is applied that injects something."""

    @wraps(function)
    def applied(*args: Any, **kwargs: Any) -> Any:
        injected[_words(function)] += 1
        return function(*args, **kwargs)

    return cast("F", applied)


# What may happen to a pod that has neither ended nor is about to.

PodEvent = Callable[[World, Child], object]


def pod_runs(world: World, child: Child) -> None:
    world.start(child)


def pod_tells_how_far_it_is(world: World, child: Child) -> None:
    uid = world.start(child).uid
    told = world.progress.get(uid)
    percent = min(100, told.percent + 40) if told else 20
    world.progress[uid] = Progress(nonce=uid, step="work", done=percent, unit="parts", percent=percent)


def pod_succeeds(world: World, child: Child) -> None:
    if not world.store_away:
        world.finish(child)


def pod_succeeds_and_its_message_is_lost(world: World, child: Child) -> None:
    if not world.store_away:
        world.finish(child, say=False)


def pod_crashes(world: World, child: Child) -> None:
    world.start(child)
    child.end(world.now, exit_code=139, last_words="Segmentation fault")


def fails_with(code: int, reason: str) -> PodEvent:
    def fails(world: World, child: Child) -> None:
        world.start(child)
        error = StageError(reason=reason, message="it went wrong", remedy="do better")
        child.end(world.now, exit_code=code, termination=Termination(error=error))

    fails.__name__ = f"pod fails: {reason}"
    return fails


def pod_runs_out_of_memory(world: World, child: Child) -> None:
    world.start(child)
    child.end(world.now, exit_code=137, exit_reason="OOMKilled")


def pod_is_evicted_for_the_scratch_that_it_fills(world: World, child: Child) -> None:
    world.start(child)
    child.evict_for_scratch(world.now)


def pod_is_deleted_by_hand(world: World, child: Child) -> None:
    child.take_away(world.now)


def pod_vanishes(_: World, child: Child) -> None:
    child.pods = child.pods[:-1]


def taken_away_by(reason: str) -> PodEvent:
    def is_taken_away(world: World, child: Child) -> None:
        child.take_away(world.now, disruption=reason)

    is_taken_away.__name__ = f"pod is taken away: {reason}"
    return is_taken_away


AT_WORK: Final[tuple[PodEvent, ...]] = (
    pod_runs,
    pod_tells_how_far_it_is,
    pod_succeeds,
    pod_succeeds_and_its_message_is_lost,
)
IN_ORDER: Final = (pod_runs, pod_tells_how_far_it_is, pod_succeeds)
FAILURES: Final[tuple[PodEvent, ...]] = (pod_crashes, *(fails_with(*error) for error in ERRORS))
SHORTAGES: Final[tuple[PodEvent, ...]] = (
    pod_runs_out_of_memory,
    pod_is_evicted_for_the_scratch_that_it_fills,
    fails_with(79, Reason.OUT_OF_MEMORY),
    fails_with(79, Reason.OUT_OF_SCRATCH),
)
DISRUPTIONS: Final[tuple[PodEvent, ...]] = (
    pod_is_deleted_by_hand,
    pod_vanishes,
    taken_away_by("PreemptionByScheduler"),
    taken_away_by("EvictionByEvictionAPI"),
    taken_away_by("DeletionByTaintManager"),
    taken_away_by("DeletionByPodGC"),
)


class Life(RuleBasedStateMachine):
    """A PointcloudJob's, and the operator's that looks after it."""

    def __init__(self) -> None:
        super().__init__()
        self._begin(World(config=INSTALL))

    def _begin(self, world: World) -> None:
        self.world, self.laws = world, Laws(world)
        self.views: list[View] = [world.view()]
        """What caches have shown, the newest last."""
        self.other = Memory()
        """Of another process of the operator."""

    @initialize(uploaded=st.sampled_from([False, False, True]))
    def begin(self, *, uploaded: bool) -> None:
        self._begin(World(UPLOAD if uploaded else {}, INSTALL))

    # The operator.

    @rule()
    def reconcile(self) -> None:
        """By caches that are up to date, without a crash."""
        self._reconcile()

    @rule(age=st.integers(1, 4), pods_age=st.integers(0, 3), steps=st.none() | st.integers(0, 4))
    @counted
    def reconcile_by_late_caches(self, age: int, pods_age: int, steps: int | None) -> None:
        """Jobs are older than the PointcloudJob, and pods may be older still, or newer."""
        newest = self.world.view()
        of_jobs, of_pods = ([*self.views, newest][-1 - min(each, len(self.views))] for each in (age - 1, pods_age))
        self._reconcile(View(self.world.job, of_jobs.children).with_pods_of(of_pods), steps=steps)

    @rule(steps=st.integers(0, 4))
    @counted
    def crash_between_steps(self, steps: int) -> None:
        self._reconcile(steps=steps)

    @rule(age=st.integers(1, 4))
    @counted
    def another_operator_with_an_older_view(self, age: int) -> None:
        """The PointcloudJob that it knows is older too."""
        old = self.views[-min(age, len(self.views))]
        self.world.memory, self.other = self.other, self.world.memory
        self.world.carry_out(self.world.decide(view=old), view=old)
        self.world.memory, self.other = self.other, self.world.memory
        self._note_the_end()

    def _reconcile(self, view: View | None = None, *, steps: int | None = None) -> None:
        shown = view or self.world.view()
        self.views = [*self.views[-4:], self.world.view()]
        refused = self.world.memory.refusal
        decision = self.world.decide(view=shown)
        self.laws.of_decision(decision, shown)
        world = self.world
        world.carry_out(decision, view=shown, steps=steps)
        self._note_the_end()
        if view is None and steps is None and not world.gone:
            self.laws.of_outcome(decision)
            if not refused:
                self._again(decision, shown)

    def _again(self, decision: Decision, shown: View) -> None:
        """On what has come of a decision nothing more is decided, unless that was news itself."""
        world = self.world
        if world.memory.refusal or world.memory.erase_refusal or decision.erase or decision.abandon or decision.remove:
            return
        known = {child.name for child in shown.children}
        if decision.create and (decision.create["metadata"]["name"] in known or world.live()[0].queued):
            return
        world.seconds -= 1
        again = world.decide()
        assert (again.status, again.notes, again.create) == (world.status, (), None)
        assert not again.delete or decision.delete

    def _note_the_end(self) -> None:
        """Somebody who has deleted a PointcloudJob makes another one."""
        if self.world.gone:
            self.laws.of_what_is_left()
            self._begin(World(config=INSTALL))

    # The cluster.

    @rule()
    def everything_goes_well_for_a_while(self) -> None:
        self.world.refusal, self.world.store_away = "", False
        if self.world.condition("AwaitingUpload") == "True":
            self._upload()
        self._reconcile()
        self.world.complete()
        self._reconcile()

    @precondition(lambda self: self.exposed())
    @rule(happen=st.sampled_from(AT_WORK), data=st.data())
    def pod_is_at_work(self, *, happen: PodEvent, data: st.DataObject) -> None:
        self._happen(happen, data)

    @precondition(lambda self: self.exposed())
    @rule(happen=st.sampled_from(FAILURES), data=st.data(), judged=st.booleans())
    def pod_fails(self, *, happen: PodEvent, data: st.DataObject, judged: bool) -> None:
        self._happen(happen, data, judged=judged)

    @precondition(lambda self: self.exposed())
    @rule(happen=st.sampled_from(SHORTAGES), data=st.data(), judged=st.booleans())
    def pod_needs_more(self, *, happen: PodEvent, data: st.DataObject, judged: bool) -> None:
        self._happen(happen, data, judged=judged)

    @precondition(lambda self: self.exposed())
    @rule(happen=st.sampled_from(DISRUPTIONS), data=st.data(), ends=st.booleans())
    def pod_is_taken_away(self, *, happen: PodEvent, data: st.DataObject, ends: bool) -> None:
        """If it does not end, its node is silent."""
        child = self._happen(happen, data)
        if ends:
            child.leave(self.world.now)
            child.control(self.world.now)

    def exposed(self) -> list[Child]:
        """Jobs whose newest pod has neither ended nor is about to, or is still to come."""
        children = (child for child in self.world.live() if not child.queued)
        return [child for child in children if not (child.pod and (child.pod.ended or child.pod.deletion))]

    def _happen(self, event: PodEvent, data: st.DataObject, *, judged: bool = False) -> Child:
        child: Child = data.draw(st.sampled_from(self.exposed()))
        injected[_words(event)] += event not in IN_ORDER
        event(self.world, child)
        if judged:
            child.control(self.world.now)
        return child

    @rule()
    def job_controller_acts(self) -> None:
        for child in self.world.children.values():
            child.control(self.world.now)

    @precondition(lambda self: self.world.children)
    @rule(data=st.data())
    @counted
    def job_vanishes(self, data: st.DataObject) -> None:
        """By its time to live, or by somebody's hand."""
        del self.world.children[data.draw(st.sampled_from(sorted(self.world.children)))]

    @rule(pods=st.booleans())
    def what_was_deleted_goes(self, *, pods: bool) -> None:
        self.world.collect(pods=pods)

    @precondition(lambda self: self.world.live())
    @rule(data=st.data())
    @counted
    def kueue_holds_a_job_or_lets_it_go(self, data: st.DataObject) -> None:
        child: Child = data.draw(st.sampled_from(self.world.live()))
        child.queued = not child.queued
        child.control(self.world.now)

    @rule(seconds=st.sampled_from(MOMENTS))
    def time_passes(self, seconds: int) -> None:
        self.world.seconds += seconds

    # What the operator needs of others.

    @rule(refusal=st.sampled_from(["", "", "exceeded quota"]), away=st.sampled_from([False, False, True]))
    def others_fail(self, *, refusal: str, away: bool) -> None:
        """Until they are said not to."""
        injected["api server refuses jobs"] += bool(refusal)
        injected["store is away"] += away
        self.world.refusal, self.world.store_away = refusal, away

    @precondition(lambda self: self.world.status.stages)
    @rule(data=st.data())
    @counted
    def store_loses_what_a_stage_made(self, data: st.DataObject) -> None:
        stage = data.draw(st.sampled_from(self.world.status.stages))
        self.world.lose(stage.name, stage.key)

    # The user and the gateway.

    @rule(fields=st.sampled_from(CHANGES))
    @counted
    def spec_changes(self, fields: Json) -> None:
        if set(fields) - TRIES_NOTHING:
            self.laws.ended = None
        if fields == UPLOAD and self.world.job.spec.source.upload:
            return
        if "source" in fields:
            self.laws.arrived = None
        self.world.change(**fields)

    @rule(clock_ahead=st.sampled_from([0, 0, 3600]))
    @precondition(lambda self: self.world.job.spec.source.upload)
    def file_arrives(self, clock_ahead: int) -> None:
        self._upload(clock_ahead=clock_ahead)

    def _upload(self, *, clock_ahead: int = 0) -> None:
        self.laws.ended, self.laws.arrived = None, self.world.now
        self.world.upload(clock_ahead=clock_ahead)

    @rule(sure=st.sampled_from([False] * 5 + [True]))
    def is_deleted(self, *, sure: bool) -> None:
        if sure:
            injected["is deleted"] += 1
            self.laws.finalizer_when_deleted = bool(self.world.job.metadata.finalizers)
            self.world.delete()
            self._note_the_end()

    @precondition(lambda self: self.world.status.phase)
    @rule(sure=st.sampled_from([False] * 3 + [True]))
    def status_is_wiped(self, *, sure: bool) -> None:
        if sure:
            injected["status is wiped"] += 1
            self.world.wipe_status()
            self.laws.forget_the_status()

    # What holds.

    @invariant()
    def laws_hold(self) -> None:
        lived["steps"] += 1
        self.laws.at_any_moment()

    def teardown(self) -> None:
        """Once nothing fails any more, the job comes to its end and then stays quiet."""
        world = self.world
        world.refusal = ""
        if world.deleting:
            self._goes()
            return
        world.store_away = False
        if world.job.spec.suspend:
            world.run_until_quiet()
            assert world.status.phase in {Phase.SUSPENDED, Phase.SUCCEEDED, Phase.FAILED}
            assert not world.live()
            world.change(suspend=False)
        upload = world.job.spec.source.upload
        if upload and upload.revision is None:
            world.run_until_quiet()
            assert world.condition("AwaitingUpload") == "True"
            assert not world.live()
            world.upload()
        world.change(stages={})
        asked = world.now
        world.run_until_quiet()
        if world.gone:
            return
        status = world.status
        assert status.phase is not None
        assert status.phase.terminal
        assert status.completion_time
        assert status.completion_time < asked + timedelta(minutes=5), "it has waited for a clock that is ahead"
        assert status.observed_generation == world.job.metadata.generation
        again = world.decide()
        assert (again.status, again.create, again.delete, again.notes) == (status, None, (), ())

    def _goes(self) -> None:
        """What is deleted is gone in time, even if the store never comes back."""
        asked = max(self.world.now, self.world.job.metadata.deletion_timestamp or self.world.now)
        self.world.run_until_quiet()
        assert self.world.gone
        assert self.world.now <= asked + timedelta(seconds=self.world.config.artefact_deletion_seconds + 5)
        self.laws.of_what_is_left()


def test_whatever_happens_every_law_holds_and_every_life_comes_to_its_end(ledgers: Ledgers) -> None:
    injected.clear()
    lived.clear()
    run_state_machine_as_test(Life, settings=FUZZ or SUITE)
    faults = ((kind, times) for kind, times in sorted(injected.items()) if times)
    ledgers.of("model").record(*(Injection(kind, "decide", survived=True, times=times) for kind, times in faults))
    assert FUZZ or lived["steps"] >= 20_000
