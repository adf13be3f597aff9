"""A small world for decisions: one PointcloudJob in an API server, its Jobs and pods, a store and a clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from pointcloud_api.names import (
    ARTEFACTS_FINALIZER,
    KUEUE_QUEUE_LABEL,
    StageName,
    artefact_path,
    result_path,
    stage_prefix,
)
from pointcloud_api.resource import PointcloudJob, PointcloudJobStatus, StageStatus
from pointcloud_api.stages import Progress, ReconstructDocument, StageResult, Termination
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchPods, FetchResult, FetchWarnings, Note
from pointcloud_operator.model.observed import Absent, Fact, Observed, PodView, StoreAnswer, Unavailable
from tests.unit.operator.builders import CONFIG, NOW, UID, Json, document, pointcloud_job, result, text
from tests.unit.operator.cluster import Child

UPLOAD: Json = {"source": {"upload": {}}}
SETTLING = timedelta(seconds=CONFIG.upload_settle_seconds)
STORE_IS_AWAY = "the store does not answer"


@dataclass
class Memory:
    """What one process of the operator alone knows; another one begins without it."""

    erased: frozenset[str] = frozenset()
    erase_refusal: Fact | None = None
    refusal: Fact | None = None
    progress_written: datetime | None = None


@dataclass(frozen=True)
class View:
    """What an operator's caches show."""

    job: PointcloudJob
    children: tuple[Child, ...]

    def with_pods_of(self, other: "View") -> "View":
        """The same PointcloudJob and Jobs, with the pods that another view shows: each watch has a pace of its own."""
        pods = {child.uid: child.pods for child in other.children}
        return View(self.job, tuple(replace(child, pods=list(pods.get(child.uid, ()))) for child in self.children))


class ConflictError(Exception):
    """The API server deletes nothing of another uid than the one that was named."""


@dataclass
class World:
    """What there is. Nothing happens in it but by its methods."""

    spec: Json = field(default_factory=dict)
    config: InstallConfig = CONFIG
    uid: str = UID
    job: PointcloudJob = field(init=False)
    gone: bool = False
    """Whether the PointcloudJob is."""
    children: dict[str, Child] = field(default_factory=dict)
    orphans: list[Child] = field(default_factory=list)
    """Jobs that are gone and whose pods are not yet."""
    store: dict[str, StageResult] = field(default_factory=dict)
    """Results by path."""
    folders: set[str] = field(default_factory=set)
    """Pods' own folders in the store, each of which holds something."""
    store_away: bool = False
    refusal: str = ""
    """Why no Job can be created, if so."""
    progress: dict[str, Progress] = field(default_factory=dict)
    """What each pod's log told last."""
    memory: Memory = field(default_factory=Memory)
    notes: list[Note] = field(default_factory=list)
    """Every Event, ever."""
    seconds: int = 0
    made: int = 0
    """Jobs, ever."""
    uploads: int = 0
    _version: int = 0

    def __post_init__(self) -> None:
        self.job = pointcloud_job(self.spec, uid=self.uid)
        self.job = self._with(creation_timestamp=self.now)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    @property
    def status(self) -> PointcloudJobStatus:
        return self.job.status

    @property
    def deleting(self) -> bool:
        return self.job.metadata.deletion_timestamp is not None

    def live(self) -> list[Child]:
        """The Jobs that may still run, by uid."""
        return sorted((child for child in self.children.values() if child.live), key=lambda child: child.uid)

    def at_work(self) -> list[PodView]:
        """Pods that have not ended, those of Jobs that are gone among them."""
        return [pod for child in (*self.children.values(), *self.orphans) for pod in child.at_work]

    def stage(self, name: StageName) -> StageStatus:
        found = self.status.stage_named(name)
        assert found is not None, f"nothing is recorded of {name}"
        return found

    def condition(self, kind: str) -> str:
        return next((each.status for each in self.status.conditions if each.type == kind), "")

    def prefix(self, stage: StageName, key: str) -> str:
        """The folder in the store of one key."""
        return stage_prefix(stage=stage, namespace="photos", name="ruin", uid=self.uid, key=key)

    def stored(self) -> set[str]:
        """Everything that the store has of this PointcloudJob."""
        return {path for path in (*self.store, *self.folders) if f"/photos/ruin/{self.uid}/" in path}

    # What the user and the gateway do.

    def change(self, **fields: object) -> None:
        """The user changes fields of the spec."""
        self.spec = {**self.spec, **fields}
        changed = pointcloud_job(self.spec, uid=self.uid)
        self.job = self._with(generation=self.job.metadata.generation + 1).model_copy(update={"spec": changed.spec})

    def upload(self, *, clock_ahead: int = 0) -> None:
        """The gateway has received a file, and its clock may be ahead of the operator's."""
        self.uploads += 1
        received = text(self.now + timedelta(seconds=clock_ahead))
        self.change(source={"upload": {"revision": self.uploads, "receivedAt": received}})

    def delete(self) -> None:
        """Somebody deletes the PointcloudJob: it is gone, or waits for its finalizers."""
        if self.deleting:
            return
        generation = self.job.metadata.generation + 1
        self.job = self._with(deletion_timestamp=self.now, generation=generation)
        self.gone = not self.job.metadata.finalizers

    def wipe_status(self) -> None:
        """Somebody's backup is restored, or a patch takes everything away."""
        self.job = self._with().model_copy(update={"status": PointcloudJobStatus()})

    def lose(self, stage: StageName, key: str) -> None:
        """The store loses what a key has made."""
        below = f"{self.prefix(stage, key)}/"
        self.store = {path: kept for path, kept in self.store.items() if not path.startswith(below)}
        self.folders = {path for path in self.folders if not path.startswith(below)}

    # What the operator does.

    def view(self) -> View:
        """What there is now, as caches go on to show it."""
        return View(self.job, tuple(child.copy() for child in self._shown()))

    def decide(self, children: Iterable[Child] | None = None, *, view: View | None = None) -> Decision:
        """One decision a second later, by caches that show these Jobs, or this view."""
        job = view.job if view else self.job
        observed = self._observed(list(children) if children is not None else view.children if view else self._shown())
        self.seconds += 1
        while True:
            decision = decide(job, observed, self.config, self.now)
            if decision.complete:
                assert decision.wake_at is None or decision.wake_at > self.now, "it would be decided again and again"
                return decision
            answers: dict[str, StoreAnswer] = {
                want.path: Unavailable(STORE_IS_AWAY) if self.store_away else self.store.get(want.path, Absent())
                for want in decision.wants
                if isinstance(want, FetchResult)
            }
            pods = {want.uid: self._pods_of(want.uid) for want in decision.wants if isinstance(want, FetchPods)}
            quiet = {want.uid: () for want in decision.wants if isinstance(want, FetchWarnings)}
            observed = replace(
                observed,
                results={**observed.results, **answers},
                warnings={**observed.warnings, **quiet},
                pods={**observed.pods, **pods},
                read=observed.read.union(pods),
            )

    def carry_out(self, decision: Decision, *, view: View | None = None, steps: int | None = None) -> bool:
        """Carries a decision out, up to a crash after so many of its steps; whether it was taken on what there is.

        What is out of date is refused whole: the first step is a write or a read that tells.
        """
        job = view.job if view else self.job
        if self.gone or job.metadata.resource_version != self.job.metadata.resource_version:
            return False
        try:
            for step in self._steps(decision)[:steps]:
                step()
        except ConflictError:  # the rest is left to the next look
            return True
        if steps is None:
            self.notes.extend(decision.notes)
            if decision.remove:
                self.delete()
        else:
            self.memory = Memory()
        return True

    def step(self) -> Decision:
        """A decision, carried out whole; Jobs that were being deleted are gone before."""
        self.collect()
        decision = self.decide()
        self.carry_out(decision)
        return decision

    def _shown(self) -> list[Child]:
        return list(self.children.values())

    def _observed(self, shown: Iterable[Child]) -> Observed:
        shown = list(shown)
        pods = {child.uid: tuple(child.pods) for child in (*shown, *self.orphans) if child.pods}
        return Observed(
            jobs=tuple(child.view() for child in shown),
            pods=pods,
            progress=self.progress,
            refusal=self.memory.refusal,
            erased=self.memory.erased,
            erase_refusal=self.memory.erase_refusal,
            progress_written=self.memory.progress_written,
        )

    def _pods_of(self, uid: str) -> tuple[PodView, ...]:
        """A Job's, whatever caches show."""
        return tuple(pod for child in (*self._shown(), *self.orphans) if child.uid == uid for pod in child.pods)

    def _steps(self, decision: Decision) -> list[Callable[[], object]]:
        """Every call to the API server or the store, in order, that changes something."""
        steps: list[Callable[[], object]] = []
        if decision.finalizer is not None:
            steps.append(partial(self._finalize, wanted=decision.finalizer))
        if decision.status != self.status:
            steps.append(partial(self.write, decision))
        steps.extend(partial(self._delete_job, job.name, job.uid) for job in decision.delete)
        steps.extend(partial(self._abandon, pod.uid) for pod in decision.abandon)
        steps.extend(partial(self._erase, prefix) for prefix in decision.erase)
        if decision.create:
            steps.append(partial(self._create, decision.create))
        return steps

    def write(self, decision: Decision) -> None:
        """The status is written."""
        if self.gone:
            return
        self.memory.erased = frozenset()
        if decision.status.progress != self.status.progress:
            self.memory.progress_written = self.now
        stored = self._with().model_copy(update={"status": decision.status})
        self.job = PointcloudJob.model_validate_json(stored.model_dump_json(exclude_none=True))

    def _finalize(self, *, wanted: bool) -> None:
        assert not (wanted and self.deleting), "the API server takes no finalizer for what is being deleted"
        self.job = self._with(finalizers=(ARTEFACTS_FINALIZER,) if wanted else ())
        self.gone = self.deleting and not wanted

    def _delete_job(self, name: str, uid: str | None) -> None:
        child = self.children.get(name)
        if child is None:
            return
        if uid not in {child.uid, None}:
            raise ConflictError(name)
        child.deleting = True
        child.take_away(self.now)

    def _abandon(self, uid: str) -> None:
        for child in (*self.children.values(), *self.orphans):
            child.pods = [self._abandoned(pod) if pod.uid == uid and not pod.ended else pod for pod in child.pods]

    def _abandoned(self, pod: PodView) -> PodView:
        why = pod.disruption or Fact("NodeSilent", "its node is silent")
        return replace(pod, phase="Failed", disruption=why, deletion=self.now)

    def _erase(self, prefix: str) -> None:
        if self.store_away:
            self.memory.erase_refusal = Fact("StoreUnavailable", STORE_IS_AWAY)
            return
        self.store = {path: kept for path, kept in self.store.items() if not path.startswith(f"{prefix}/")}
        self.folders = {path for path in self.folders if not path.startswith(f"{prefix}/")}
        self.memory.erased |= {prefix}
        self.memory.erase_refusal = None

    def _create(self, job: Json) -> None:
        name = job["metadata"]["name"]
        if self.refusal:
            self.memory.refusal = Fact("JobRefused", self.refusal)
        elif name not in self.children:
            self.memory.refusal = None
            self.made += 1
            queued = KUEUE_QUEUE_LABEL in job["metadata"]["labels"]
            self.children[name] = Child(job, uid=f"job-{self.made:03}", created=self.now, queued=queued)
        elif self.children[name].deleting:
            self.memory.refusal = Fact("JobTerminating", f"waiting for the Job {name} to be gone")
        else:
            self.memory.refusal = None

    def _with(self, **metadata: object) -> PointcloudJob:
        """The PointcloudJob in its next version."""
        self._version += 1
        changed = self.job.metadata.model_copy(update={**metadata, "resource_version": str(self._version)})
        return self.job.model_copy(update={"metadata": changed})

    # What the cluster does.

    def start(self, child: Child) -> PodView:
        """The Job's pod runs, and begins to leave something in the store."""
        pod = child.run(self.now)
        if not pod.ended:
            self.folders.add(artefact_path(self.prefix(child.stage, child.key), pod.uid, "log.txt"))
        return pod

    def finish(self, child: Child, *, say: bool = True) -> None:
        """The pod does its work: unless another did it before, its result goes into the store."""
        pod = self.start(child)
        made = result(child.stage, child.key).model_copy(update={"pod_uid": pod.uid})
        told = self.store.setdefault(result_path(self.prefix(child.stage, child.key)), made)
        child.end(self.now, termination=Termination(result=told if say else None))

    def complete(self) -> None:
        """Every Job that may still run ends: well, unless the pods that it has had are enough for it to have failed.

        A pod on a silent node stays as it is.
        """
        for child in self.live():
            child.queued = False
            child.control(self.now)
            if child.live and child.pod is not None and child.pod.deletion is None and not child.pod.ended:
                self.finish(child)
            child.control(self.now)

    def collect(self, *, pods: bool = True) -> None:
        """What was being deleted is gone, and so are its pods, unless they take their time.

        With the PointcloudJob go its Jobs.
        """
        gone = [child for child in self.children.values() if child.deleting or self.gone]
        self.children = {name: child for name, child in self.children.items() if child not in gone}
        self.orphans = [] if pods else [child for child in (*self.orphans, *gone) if child.at_work]

    def run_until_quiet(self) -> None:
        """Everything goes well, until a decision has nothing more to do and no time to wait for."""
        for _ in range(300):
            if self.gone:
                self.collect()
                return
            before = self._trace()
            decision = self.step()
            self.complete()
            if self._trace() != before or decision.delete or decision.abandon:
                continue
            if decision.wake_at is None:
                return
            self.seconds = max(self.seconds, round((decision.wake_at - NOW).total_seconds()))
        raise AssertionError(f"it never comes to rest: {self.status}")

    def _trace(self) -> tuple[object, ...]:
        """What is another once anything has happened."""
        jobs = tuple((child.uid, child.deleting, child.complete, child.failed, child.pod) for child in self._shown())
        return (self.job.metadata.resource_version, jobs, len(self.stored()))


def taken_over(job: Json) -> str | None:
    """The key of the run whose work a reconstruction may take over."""
    told = document(job)
    assert isinstance(told, ReconstructDocument)
    return told.previous_key
