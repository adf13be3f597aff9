"""The one decision: given a PointcloudJob and what was seen of its children, what to write, create and delete.

The status is the intent log. A stage's `{key, attempt, job}` is written before its Job is created, so a decision taken
again, by a restarted operator or from a stale cache, arrives at the same Job or is refused by the API server. The
first stage that has not succeeded is the current one; only its Job exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pointcloud_api.names import StageName, result_path, stage_job_name, stage_prefix
from pointcloud_api.resource import Phase, PointcloudJob, PointcloudJobStatus, StageStatus
from pointcloud_api.stages import Reason, StageResult
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import (
    Decision,
    FetchResult,
    FetchWarnings,
    JobReference,
    Note,
    TailLog,
    Want,
)
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.jobs import stage_job
from pointcloud_operator.model.observed import Absent, EventView, JobView, Observed, PodView, Unavailable
from pointcloud_operator.model.plan import PlannedStage, plan, stage_key
from pointcloud_operator.model.progress import overall_percent, sentence
from pointcloud_operator.model.status import Verdict, conditions, progress, with_result, without_warnings

EXPECTED: Final = "StageExpected"
"""Reason of the Reconciling condition while a pod is awaited and nothing keeps it."""
MAX_UPSTREAM_ATTEMPTS: Final = 3
"""A stage whose artefacts went missing is run again until it has had this many attempts: twice more."""
QUIET: Final = timedelta(seconds=5)
"""How long a Job may have no pod, or a pod no container, before its Events are read for the reason."""
EVENTS_INTERVAL: Final = timedelta(seconds=10)
"""How often they are read again while it waits."""
STORE_INTERVAL: Final = timedelta(seconds=5)
"""How often a store that does not answer is asked again."""
PERCENT_INTERVAL: Final = timedelta(seconds=2)
"""Least time between two writes of progress whose percentage or step differs."""
MESSAGE_INTERVAL: Final = timedelta(seconds=10)
"""Least time between two writes of progress of which only the count differs."""


def decide(job: PointcloudJob, observed: Observed, config: InstallConfig, now: datetime) -> Decision:
    """What to do about a PointcloudJob. Deciding again on the outcome of a decision changes nothing.

    Args:
        job: The resource, with the status that was written last.
        observed: What was seen of its children.
        config: The install's settings.
        now: The time, with a timezone.
    """
    settled = job.status.phase and job.status.phase.terminal and job.status.observed_generation == _generation(job)
    if job.metadata.deletion_timestamp:
        return Decision(status=job.status)
    if settled:
        return Decision(status=job.status, delete=_strays(observed, wanted=None))
    return _Walk(job, observed, config, now.replace(microsecond=0)).decision()


@dataclass
class _Walk:
    """One pass over the stages in order, up to the current one."""

    job: PointcloudJob
    observed: Observed
    config: InstallConfig
    now: datetime
    records: dict[StageName, StageStatus] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)
    wake_at: datetime | None = None
    create: dict[str, Any] | None = None
    unseen: tuple[JobReference, ...] = ()
    """Jobs of earlier attempts that a cache that lags behind may not show yet."""

    def __post_init__(self) -> None:
        self.new_generation = self.job.status.observed_generation != _generation(self.job)
        self.stages = plan(self.job.spec, uid=self.job.metadata.uid, recorded=self.job.status.stages)
        self.status = self._started(self.job.status)
        for stage in self.stages:
            if kept := self._kept(stage):
                self.records[stage.name] = kept

    def decision(self) -> Decision:
        current = next((stage for stage in self.stages if not self._advance(stage)), None)
        if current is None:
            self._succeed()
        status = self.status.model_copy(update={"stages": self._recorded()})
        wanted = self.records[current.name].job if current and current.name in self.records else None
        wanted = None if status.phase and status.phase.terminal else wanted
        return Decision(
            status=status,
            create=self.create,
            delete=(*_strays(self.observed, wanted=wanted), *self.unseen),
            notes=tuple(self.notes),
            wake_at=self.wake_at,
            wants=tuple(self.wants),
        )

    # What is carried over from the status before.

    def _started(self, status: PointcloudJobStatus) -> PointcloudJobStatus:
        if not self.new_generation:
            return status
        return status.model_copy(
            update={
                "observed_generation": _generation(self.job),
                "phase": Phase.PENDING,
                "start_time": self.now,
                "completion_time": None,
                "progress": None,
            }
        )

    def _kept(self, stage: PlannedStage) -> StageStatus | None:
        """What is recorded of a stage under the key that it has now.

        A changed spec gives a stage that failed, or whose Job no pod runs for yet, a new attempt: the change may be
        the cure, such as more memory, or the CPU instead of a GPU that is not to be had.
        """
        record = self.job.status.stage_named(stage.name)
        if record is None or record.key != stage.key:
            return None
        child = self.observed.job(record.job)
        waits = record.phase is Phase.PENDING and child is not None and child.live
        return self._retried(record) if self.new_generation and (waits or record.phase is Phase.FAILED) else record

    def _retried(self, record: StageStatus) -> StageStatus:
        attempt = record.attempt + 1
        return record.model_copy(
            update={
                "phase": Phase.PENDING,
                "attempt": attempt,
                "job": self._job_name(record.name, record.key, attempt),
                "start_time": None,
                "completion_time": None,
            }
        )

    # One stage.

    def _advance(self, stage: PlannedStage) -> bool:
        """Brings one stage as far as it is; whether it has succeeded, so that the next one's turn has come."""
        record = self.records.get(stage.name)
        if record is None:
            return self._begin(stage)
        if record.phase is Phase.SUCCEEDED:
            return True
        child = self.observed.job(record.job)
        if child is None:
            self._intend(stage)
        elif child.deleting:
            self._wait(stage, "waiting for the Job of an earlier attempt to be gone", reason="JobTerminating")
        else:
            return self._look_after(stage, child, self.observed.pods_of(child))
        return False

    def _look_after(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> bool:
        """A stage whose Job is there."""
        if child.complete:
            return self._complete(stage, child, pods)
        if self._upstream_missing(pods) and self._invalidate_upstream(stage):
            return False
        if child.failed:
            self._fail(stage.name, diagnosis.failure(stage.name, child, pods))
        else:
            self._follow(stage, child, pods)
        return False

    def _begin(self, stage: PlannedStage) -> bool:
        """A stage whose turn has come and of which nothing is recorded under this key.

        A spec that was changed may have been changed back: then the store has the result.
        """
        siblings = [j for j in self.observed.jobs if j.stage == stage.name and j.key == stage.key]
        attempt = max((j.attempt if j.live or j.complete else j.attempt + 1 for j in siblings), default=1)
        record = StageStatus(
            name=stage.name,
            key=stage.key,
            settings=stage.recorded_settings(),
            attempt=attempt,
            job=self._job_name(stage.name, stage.key, attempt),
        )
        self.status = without_warnings(self.status, stage.name)
        if _generation(self.job) > 1:
            match self._asked_result(stage):
                case StageResult() as result:
                    self.records[stage.name] = record
                    self._record(stage, result)
                    return True
                case Unavailable(message=message):
                    self._wait(stage, message, reason="StoreUnavailable", wake_in=STORE_INTERVAL)
                    return False
                case None:
                    return False
                case Absent():
                    pass
        self.records[stage.name] = record
        self._intend(stage)
        return False

    def _intend(self, stage: PlannedStage) -> None:
        record = self.records[stage.name]
        self.create = stage_job(self.job, stage, attempt=record.attempt, config=self.config)
        earlier = (self._job_name(stage.name, stage.key, attempt) for attempt in range(1, record.attempt))
        self.unseen = tuple(JobReference(name, None) for name in earlier if self.observed.job(name) is None)
        if refusal := self.observed.refusal:
            self._wait(stage, refusal.message, reason=refusal.reason)
        else:
            self._expect(stage)

    def _expect(self, stage: PlannedStage) -> None:
        self._wait(stage, f"waiting for the pod of the {stage.name} stage", reason=EXPECTED)

    def _complete(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> bool:
        told = (pod.termination.result for pod in reversed(pods))
        result = next((r for r in told if r and (r.stage, r.key) == (stage.name, stage.key)), None)
        match result or self._asked_result(stage):
            case StageResult() as found:
                self._record(stage, found)
                return True
            case Absent():
                self._fail(stage.name, diagnosis.result_missing(stage.name, child))
            case Unavailable(message=message):
                self._wait(stage, message, reason="StoreUnavailable", wake_in=STORE_INTERVAL)
            case None:
                pass
        return False

    def _asked_result(self, stage: PlannedStage) -> StageResult | Absent | Unavailable | None:
        metadata = self.job.metadata
        prefix = stage_prefix(
            stage=stage.name, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid, key=stage.key
        )
        path = result_path(prefix)
        answer = self.observed.results.get(path)
        if answer is None:
            self.wants.append(FetchResult(path))
        return answer

    def _record(self, stage: PlannedStage, result: StageResult) -> None:
        record = self.records[stage.name]
        self.records[stage.name] = record.model_copy(update={"phase": Phase.SUCCEEDED, "completion_time": self.now})
        self.status = with_result(self.status, result)
        self.notes.append(Note("Normal", "StageSucceeded", f"The {stage.name} stage has succeeded"))
        self.notes.extend(Note("Warning", warning.reason, warning.message) for warning in result.warnings)

    @staticmethod
    def _upstream_missing(pods: Sequence[PodView]) -> bool:
        errors = (pod.termination.error for pod in pods)
        return any(error is not None and error.reason == Reason.UPSTREAM_MISSING for error in errors)

    def _invalidate_upstream(self, stage: PlannedStage) -> bool:
        """Runs the stage before again, and this one after it; False when that has been tried often enough.

        Under a new key: the old key's result is never replaced, and names what is gone.
        """
        before = next((s for s in self.stages if s.key == stage.upstream), None)
        if before is None or self.records[before.name].attempt >= MAX_UPSTREAM_ATTEMPTS:
            return False
        renewed = replace(before, key=stage_key(before.settings, before.key))
        self.stages = tuple(
            renewed if s is before else replace(s, upstream=renewed.key) if s is stage else s for s in self.stages
        )
        record = self.records[before.name].model_copy(update={"key": renewed.key})
        self.records[before.name] = self._retried(record)
        self.records[stage.name] = self._retried(self.records[stage.name])
        self.notes.append(
            Note("Warning", Reason.UPSTREAM_MISSING, f"What the {before.name} stage left is gone: it runs again")
        )
        self.status = without_warnings(self.status, before.name)
        self._intend(renewed)
        return True

    def _follow(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        """A stage whose Job is neither complete nor failed."""
        running = next((pod for pod in reversed(pods) if pod.running), None)
        if running:
            self._run(stage, running)
        elif blocked := diagnosis.waiting(stage.name, pods, self._warnings(child, pods)):
            self._wait(stage, blocked.text, reason=blocked.reason)
        elif pods and pods[-1].ended:
            self._between_pods(stage, child, pods)
        else:
            self._expect(stage)

    def _between_pods(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        """The last pod has ended. Mostly the Job's verdict follows at once, so the status is left as it is at first."""
        settled_at = (pods[-1].finished_at or pods[-1].created) + QUIET
        if self.new_generation:
            self._expect(stage)
        if self.now < settled_at:
            self._wake(settled_at)
        elif pods[-1].phase == "Failed":
            why = diagnosis.failure(stage.name, child, pods)
            self._wait(stage, f"trying again soon, because {why.message}", reason=why.reason)

    def _warnings(self, child: JobView, pods: Sequence[PodView]) -> tuple[EventView, ...]:
        """Warning Events about what has been quiet for too long: quota, webhooks and mounts speak only there."""
        pod = next((pod for pod in reversed(pods) if pod.phase == "Pending"), None)
        if pods and pod is None:
            return ()
        uid, since = (pod.uid, pod.scheduled_at) if pod else (child.uid, child.created)
        if since is None:
            return ()
        if self.now < since + QUIET:
            self._wake(since + QUIET)
            return ()
        self._wake(self.now + EVENTS_INTERVAL)
        if uid not in self.observed.warnings:
            self.wants.append(FetchWarnings(uid))
        return tuple(event for event in self.observed.warnings.get(uid, ()) if event.at >= since)

    # What the status says.

    def _run(self, stage: PlannedStage, pod: PodView) -> None:
        record = self.records[stage.name]
        if record.phase is not Phase.RUNNING:
            self.notes.append(Note("Normal", "StageStarted", f"The {stage.name} stage runs in pod {pod.name}"))
            record = record.model_copy(
                update={"phase": Phase.RUNNING, "start_time": record.start_time or pod.started_at}
            )
            self.records[stage.name] = record
        self.wants.append(TailLog(pod=pod.name, uid=pod.uid))
        told = self.observed.progress.get(pod.uid)
        message = sentence(told) if told else self._known_message(record) or f"the {stage.name} stage has started"
        verdict = Verdict("Reconciling", "StageRunning", f"The {stage.name} stage runs")
        self._conclude(verdict, phase=Phase.RUNNING, stage=stage.name)
        self._show(overall_percent(stage.name, told.percent if told else 0), message)

    def _known_message(self, record: StageStatus) -> str:
        """What was shown of a stage that runs already: a restarted operator has read no log yet."""
        before = self.job.status.stage_named(record.name)
        shown = self.status.progress
        return shown.message if shown and before == record else ""

    def _wait(self, stage: PlannedStage, message: str, *, reason: str, wake_in: timedelta | None = None) -> None:
        if wake_in:
            self._wake(self.now + wake_in)
        if (record := self.records.get(stage.name)) and record.phase is Phase.RUNNING:
            self.records[stage.name] = record.model_copy(update={"phase": Phase.PENDING})
        blocked = reason != EXPECTED
        begun = any(record.phase is Phase.SUCCEEDED or record.start_time for record in self.records.values())
        phase = Phase.PENDING if blocked or not begun else Phase.RUNNING
        if blocked and not self._shown_as(reason):
            self.notes.append(Note("Warning", reason, message))
        self._conclude(Verdict("Reconciling", reason, message), phase=phase, stage=stage.name)
        self._show(overall_percent(stage.name, 0), message, at_once=True)

    def _shown_as(self, reason: str) -> bool:
        return any(c.reason == reason and c.type == "Reconciling" for c in self.job.status.conditions)

    def _fail(self, stage: StageName, why: Remedied) -> None:
        self.records[stage] = self.records[stage].model_copy(
            update={"phase": Phase.FAILED, "completion_time": self.now}
        )
        self.notes.append(Note("Warning", why.reason, why.text))
        self._conclude(
            Verdict("Failed", why.reason, why.text), phase=Phase.FAILED, stage=stage, completion_time=self.now
        )
        percent = self.status.progress.percent if self.status.progress else 0
        self.status = self.status.model_copy(update={"progress": progress(percent, why.text)})

    def _succeed(self) -> None:
        metadata, last = self.job.metadata, self.stages[-1]
        url = f"{self.config.external_url}/potree/{metadata.namespace}/{metadata.name}/"
        points = "" if self.status.points is None else f" of {self.status.points} points"
        message = f"The point cloud{points} is at {url}"
        self._conclude(
            Verdict("Complete", "Published", message),
            phase=Phase.SUCCEEDED,
            stage=last.name,
            completion_time=self.now,
            published=last.key,
            url=url,
            progress=progress(100, message),
        )
        self.notes.append(Note("Normal", "Published", message))

    def _conclude(self, verdict: Verdict, **fields: object) -> None:
        said = conditions(self.status.conditions, verdict, generation=_generation(self.job), now=self.now)
        self.status = self.status.model_copy(update={"conditions": said, **fields})

    def _show(self, percent: int, message: str, *, at_once: bool = False) -> None:
        """Shows progress: never going back, and not more often than is news."""
        shown = self.status.progress
        if shown is None:
            self.status = self.status.model_copy(update={"progress": progress(percent, message)})
            return
        new = progress(max(percent, shown.percent), message)
        written = self.observed.progress_written
        news = new.percent != shown.percent or _step(new.message) != _step(shown.message)
        interval = PERCENT_INTERVAL if news else MESSAGE_INTERVAL
        if new != shown and written and not at_once and self.now < written + interval and self._same_stages():
            self._wake(written + interval)
            return
        self.status = self.status.model_copy(update={"progress": new})

    def _same_stages(self) -> bool:
        return self._recorded() == self.job.status.stages

    def _recorded(self) -> tuple[StageStatus, ...]:
        return tuple(self.records[stage.name] for stage in self.stages if stage.name in self.records)

    def _wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def _job_name(self, stage: StageName, key: str, attempt: int) -> str:
        return stage_job_name(name=self.job.metadata.name, stage=stage, key=key, attempt=attempt)


def _strays(observed: Observed, *, wanted: str | None) -> tuple[JobReference, ...]:
    """Live Jobs that the status does not ask for: of a key that the spec has left, or of an attempt given up."""
    return tuple(JobReference(job.name, job.uid) for job in observed.jobs if job.live and job.name != wanted)


def _step(message: str) -> str:
    return message.partition(":")[0]


def _generation(job: PointcloudJob) -> int:
    return job.metadata.generation
