"""What holds whatever happens: decisions against a small world of Jobs, pods and a store that fail at any moment."""

import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pointcloud_api.names import KEY_LABEL, STAGE_LABEL, StageName, result_path, stage_prefix
from pointcloud_api.resource import Phase, PointcloudJob
from pointcloud_api.stages import StageError, StageResult, Termination
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchResult, FetchWarnings
from pointcloud_operator.model.observed import Absent, JobView, Observed, PodView, StoreAnswer
from tests.unit.operator.builders import (
    CONFIG,
    NOW,
    UID,
    Json,
    ended_pod,
    job_view,
    pointcloud_job,
    result,
    running_pod,
)

SPECS: tuple[Json, ...] = (
    {},
    {"pointcloud": {"encoding": "uncompressed"}},
    {"reconstruction": {"quality": "high"}},
    {"stages": {"reconstruct": {"resources": {"limits": {"memory": "64Gi"}}}}},
)
REASONS = ("NoOverlap", "UpstreamMissing", "InternalError")


@dataclass
class Child:
    """A Job in the world, with its one pod."""

    job: Json
    uid: str
    complete: bool = False
    failed: str = ""
    deleting: bool = False
    pod: PodView | None = None

    @property
    def live(self) -> bool:
        return not (self.complete or self.failed or self.deleting)

    @property
    def stage(self) -> StageName:
        return StageName(self.job["metadata"]["labels"][STAGE_LABEL])

    @property
    def key(self) -> str:
        return str(self.job["metadata"]["labels"][KEY_LABEL])

    def view(self) -> JobView:
        return job_view(self.job, uid=self.uid, complete=self.complete, failed=self.failed, deleting=self.deleting)


@dataclass
class World:
    job: PointcloudJob = field(default_factory=pointcloud_job)
    children: dict[str, Child] = field(default_factory=dict)
    store: dict[str, StageResult] = field(default_factory=dict)
    seconds: int = 0
    made: int = 0

    def decide(self, children: dict[str, Child]) -> Decision:
        views = {child.uid: child.view() for child in children.values()}
        pods = {child.uid: (child.pod,) for child in children.values() if child.pod}
        observed = Observed(jobs=tuple(views.values()), pods=pods)
        self.seconds += 1
        while True:
            now = NOW + timedelta(seconds=self.seconds)
            decision = decide(self.job, observed, CONFIG, now)
            if decision.complete:
                assert decision.wake_at is None or decision.wake_at > now, "it would be decided again and again"
                return decision
            answers: dict[str, StoreAnswer] = {}
            for want in decision.wants:
                if isinstance(want, FetchResult):
                    answers[want.path] = self.store.get(want.path, Absent())
            quiet = {want.uid: () for want in decision.wants if isinstance(want, FetchWarnings)}
            observed = replace(
                observed, results={**observed.results, **answers}, warnings={**observed.warnings, **quiet}
            )

    def write(self, decision: Decision) -> None:
        stored = self.job.model_copy(update={"status": decision.status})
        self.job = PointcloudJob.model_validate_json(stored.model_dump_json(exclude_none=True))

    def carry_out(self, decision: Decision) -> None:
        for reference in decision.delete:
            child = self.children.get(reference.name)
            if child and reference.uid in {child.uid, None}:
                child.deleting = True
        if decision.create and (name := decision.create["metadata"]["name"]) not in self.children:
            self.made += 1
            self.children[name] = Child(decision.create, uid=f"job-{self.made}")

    def finish(self, child: Child, *, say: bool = True) -> None:
        """The pod does its work: unless another did it before, its result goes into the store."""
        path = result_path(stage_prefix(stage=child.stage, namespace="photos", name="ruin", uid=UID, key=child.key))
        told = self.store.setdefault(path, result(child.stage, child.key))
        child.pod = ended_pod(
            exit_code=0, termination=Termination(result=told) if say else None, uid=f"pod-{child.uid}"
        )


class Operation(RuleBasedStateMachine):
    """An operator at work while everything around it goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.before = copy.deepcopy(self.world.children)
        self.ended: tuple[int, Phase] | None = None

    def child(self, data: Any) -> Child:
        """One of the Jobs that may still run."""
        chosen: Child = data.draw(st.sampled_from(sorted(self.live(), key=lambda child: child.uid)))
        return chosen

    def live(self) -> list[Child]:
        return [child for child in self.world.children.values() if child.live]

    @rule(stale=st.booleans(), crash=st.booleans())
    def reconcile(self, stale: bool, crash: bool) -> None:  # noqa: FBT001 - as hypothesis calls it
        """With a cache that may lag behind, and a crash that may come after the write."""
        decision = self.world.decide(self.before if stale else self.world.children)
        self.world.write(decision)
        if not crash:
            self.world.carry_out(decision)

    @rule()
    def caches_catch_up(self) -> None:
        self.before = copy.deepcopy(self.world.children)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def pod_runs(self, data: st.DataObject) -> None:
        child = self.child(data)
        if child.pod is None:
            child.pod = running_pod(uid=f"pod-{child.uid}")

    @precondition(lambda self: self.live())
    @rule(data=st.data(), say=st.booleans(), complete=st.booleans())
    def pod_succeeds(self, data: st.DataObject, say: bool, complete: bool) -> None:  # noqa: FBT001 - the same
        child = self.child(data)
        if child.pod is None or child.pod.exit_code is None:
            self.world.finish(child, say=say)
        child.complete = complete and child.pod is not None and child.pod.exit_code == 0

    @precondition(lambda self: self.live())
    @rule(data=st.data(), reason=st.sampled_from(REASONS), fails=st.booleans())
    def pod_fails(self, data: st.DataObject, reason: str, fails: bool) -> None:  # noqa: FBT001 - the same
        child = self.child(data)
        error = StageError(reason=reason, message="it went wrong", remedy="do better")
        child.pod = ended_pod(exit_code=65, termination=Termination(error=error), uid=f"pod-{child.uid}")
        child.failed = "PodFailurePolicy" if fails else ""

    @precondition(lambda self: self.world.children)
    @rule(data=st.data())
    def job_vanishes(self, data: st.DataObject) -> None:
        """By its time to live, by somebody's hand, or because it was being deleted."""
        del self.world.children[data.draw(st.sampled_from(sorted(self.world.children)))]

    @rule(spec=st.sampled_from(SPECS))
    def spec_changes(self, spec: Json) -> None:
        changed = pointcloud_job(spec, generation=self.world.job.metadata.generation + 1)
        self.world.job = changed.model_copy(update={"status": self.world.job.status})

    @invariant()
    def one_live_job_for_a_key(self) -> None:
        keys = [(child.stage, child.key) for child in self.live()]
        assert len(keys) == len(set(keys)), keys

    @invariant()
    def an_end_is_an_end(self) -> None:
        status = self.world.job.status
        if self.ended and self.ended[0] == status.observed_generation:
            assert status.phase is self.ended[1]
        if status.phase and status.phase.terminal:
            self.ended = (status.observed_generation or 0, status.phase)

    @invariant()
    def the_address_shows_what_succeeded(self) -> None:
        status = self.world.job.status
        if status.phase is Phase.SUCCEEDED:
            assert status.published == status.stages[-1].key
            assert [stage.phase for stage in status.stages] == [Phase.SUCCEEDED] * 3

    def teardown(self) -> None:
        """Once nothing fails any more, the job comes to its end and then stays quiet."""
        for _ in range(40):
            self.world.children = {n: c for n, c in self.world.children.items() if not c.deleting}
            decision = self.world.decide(self.world.children)
            self.world.write(decision)
            self.world.carry_out(decision)
            for child in self.live():
                if child.pod is None or child.pod.exit_code is None:
                    self.world.finish(child)
                    child.complete = True
                elif child.pod.exit_code == 0:
                    child.complete = True
                else:
                    child.failed = "BackoffLimitExceeded"
        status = self.world.job.status
        assert status.phase is not None
        assert status.phase.terminal
        assert status.observed_generation == self.world.job.metadata.generation
        again = self.world.decide(self.world.children)
        assert (again.status, again.create, again.delete, again.notes) == (status, None, (), ())


TestOperation = Operation.TestCase
TestOperation.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
