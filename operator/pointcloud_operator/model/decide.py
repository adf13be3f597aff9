"""The one decision: given a PointcloudJob and what was seen of its children, what to write, create and delete.

The status is the intent log. A stage's `{key, attempt, job}` is written before its Job is created, so a decision taken
again, by a restarted operator or from a stale cache, arrives at the same Job or is refused by the API server. The
first stage that has not succeeded is the current one; only its Job exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from pointcloud_api.names import StageName, stage_job_name
from pointcloud_api.resource import Phase, PointcloudJob, PointcloudJobStatus, StageStatus
from pointcloud_api.stages import Reason, StageResult
from pointcloud_operator.model import deletion, diagnosis, superseded
from pointcloud_operator.model.answers import answered, asks_anew
from pointcloud_operator.model.attempt import GivenUp, disallowed, verdict
from pointcloud_operator.model.budget import failed_tries, misses_upstream, retries_left
from pointcloud_operator.model.changes import told_changes
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.deadline import clocked, ends_at, overdue
from pointcloud_operator.model.decision import (
    Decision,
    FetchPods,
    JobReference,
    PodReference,
    Want,
)
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.disruptions import disrupted, new_disruptions, notes_of, silent, silent_at
from pointcloud_operator.model.follow import Follower
from pointcloud_operator.model.jobs import stage_job
from pointcloud_operator.model.observed import Absent, JobView, Observed, PodView, StoreAnswer, Unavailable
from pointcloud_operator.model.plan import PlannedStage, plan, renewals, renewed_key
from pointcloud_operator.model.records import (
    SPEC_CHANGED,
    charged,
    given_up,
    intended,
    planned,
    renewals_of,
    renewed_record,
    suspended,
)
from pointcloud_operator.model.retention import kept_until
from pointcloud_operator.model.status import judged
from pointcloud_operator.model.stored import Stored
from pointcloud_operator.model.telling import Telling
from pointcloud_operator.model.uploads import settles_at

MAX_RENEWALS: Final = 2
"""How often a stage is run again because its artefacts have gone missing."""
STORE_INTERVAL: Final = timedelta(seconds=5)
"""How often a store that does not answer is asked again."""


def decide(job: PointcloudJob, observed: Observed, config: InstallConfig, now: datetime) -> Decision:
    """What to do about a PointcloudJob. Deciding again on the outcome of a decision changes nothing.

    Args:
        job: The resource, with the status that was written last.
        observed: What was seen of its children.
        config: The install's settings.
        now: The time, with a timezone.
    """
    now = now.replace(microsecond=0)
    if job.metadata.deletion_timestamp:
        return deletion.leave(job, observed, config, now)
    ended = job.status.phase is not None and job.status.phase.terminal and not asks_anew(job)
    decision = _rest(job, observed, config, now) if ended else _Walk(job, observed, config, now).decision()
    return replace(decision, status=judged(decision.status, job, now), finalizer=deletion.finalizer(job))


def _rest(job: PointcloudJob, observed: Observed, config: InstallConfig, now: datetime) -> Decision:
    """What to do about a job that has ended: what time brings."""
    until = kept_until(job, config)
    resting = Decision(
        status=answered(job),
        delete=_strays(observed, wanted=None),
        remove=until is not None and now >= until,
        wake_at=until if until and until > now else None,
    )
    if job.status.phase is Phase.FAILED:
        return resting
    removal = superseded.removal(job.metadata, resting.status, observed, now)
    return replace(
        resting,
        status=resting.status.model_copy(update={"superseded": removal.kept}),
        erase=removal.erase,
        wake_at=min((at for at in (resting.wake_at, removal.wake_at) if at), default=None),
    )


@dataclass
class _Walk:
    """One pass over the stages in order, up to the current one."""

    job: PointcloudJob
    observed: Observed
    config: InstallConfig
    now: datetime
    wants: list[Want] = field(default_factory=list)
    create: dict[str, Any] | None = None
    unseen: tuple[JobReference, ...] = ()
    """Jobs of earlier attempts that a cache that lags behind may not show yet."""
    queued: bool = False
    """Whether Kueue holds the current stage's Job."""

    def __post_init__(self) -> None:
        self.stored = Stored(self.job.metadata, self.observed, self.wants)
        self.telling = Telling(self.job, self.config, self.now, self.observed.progress_written)
        before = self.job.status
        self.left = superseded.left(before.superseded, self.now)
        self.stages = plan(self.job.spec, uid=self.job.metadata.uid, recorded=before.stages, left=self.left)
        self.telling.notes.extend(told_changes(before, self.stages))
        self.records = self.telling.records
        for stage in self.stages:
            if kept := self._kept(stage):
                self.records[stage.name] = self._forgiven(kept) if self.telling.asked_anew else kept

    def decision(self) -> Decision:
        behind = next((name for name in StageName if not self._advance(self._planned(name))), None)
        current = self._planned(behind) if behind else None
        if current is None:
            self.telling.publish(self.stages[-1])
        self._keep_time(current)
        status = self._with_superseded(self.telling.told(), published=current is None)
        wanted = self.records[current.name].job if current and current.name in self.records else None
        wanted = None if status.phase and status.phase.terminal else wanted
        abandoned = self._abandoned()
        return Decision(
            status=status,
            create=self.create,
            delete=(*_strays(self.observed, wanted=wanted), *self.unseen),
            abandon=abandoned,
            notes=tuple(self.telling.notes),
            wake_at=self.telling.wake_at,
            wants=tuple(self.wants),
        )

    def _keep_time(self, current: PlannedStage | None) -> None:
        """The deadline's clock runs from the first intent on, while the job may work."""
        status = self.telling.status
        rests = current is None or self.queued or status.phase in {Phase.SUSPENDED, Phase.FAILED}
        record = self.records.get(current.name) if current else None
        begun = status.active_since is not None or (record is not None and bool(record.job))
        self.telling.status = clocked(status, at_work=begun and not rests, now=self.now)
        until = ends_at(self.telling.status, self.job, self.config)
        if until and until > self.now:
            self.telling.wake(until)

    def _abandoned(self) -> tuple[PodReference, ...]:
        """Pods on nodes that do not answer."""
        if at := silent_at(self.observed, self.config, self.now):
            self.telling.wake(at)
        return silent(self.observed, self.config, self.now)

    def _planned(self, name: StageName) -> PlannedStage:
        return next(stage for stage in self.stages if stage.name is name)

    def _with_superseded(self, status: PointcloudJobStatus, *, published: bool) -> PointcloudJobStatus:
        wished = {stage.key for stage in self.stages}
        entries = superseded.superseded(self.job.status, status.stages, wished=wished)
        if published:
            entries = superseded.scheduled(entries, self.now + timedelta(seconds=self.config.superseded_seconds))
        entries, notes = superseded.bounded(self.job.metadata, entries)
        self.telling.notes.extend(notes)
        return status.model_copy(update={"superseded": entries})

    def _kept(self, stage: PlannedStage) -> StageStatus | None:
        """What is recorded of a stage under the key that it has now.

        A changed spec gives a stage that failed, or whose Job no pod runs for yet, a new attempt: the change may be
        the cure, such as more memory, or the CPU instead of a GPU that is not to be had.
        """
        record = self.job.status.stage_named(stage.name)
        if record is None or record.key != stage.key:
            return planned(stage) if stage.previous_key else None
        child = self.observed.job(record.job)
        waits = record.phase is Phase.PENDING and child is not None and child.live
        again = self.telling.asked_anew and not self.job.spec.suspend and (waits or record.phase is Phase.FAILED)
        return self._retried(record) if again else record

    def _retried(self, record: StageStatus) -> StageStatus:
        return given_up(record, SPEC_CHANGED, name=self.job.metadata.name)

    def _forgiven(self, record: StageStatus) -> StageStatus:
        """The record at the start of another run: what can be seen of disruptions is not to be counted again."""
        seen = {pod.uid for pods in self.observed.pods.values() for pod in pods}
        still = tuple(disruption for disruption in record.disruptions if disruption.pod_uid in seen)
        return record.model_copy(update={"retries": 0, "disruptions": still})

    def _advance(self, stage: PlannedStage) -> bool:
        """Brings one stage as far as it is; whether it has succeeded, so that the next one's turn has come."""
        record = self.records.get(stage.name)
        if record and record.phase is Phase.SUCCEEDED:
            return True
        child = self.observed.job(record.job) if record else None
        if child and child.failed and child.uid not in self.observed.read:
            self.wants.append(FetchPods(child.uid))
            return False
        if self.job.spec.suspend:
            return self._pause(stage, record)
        if record is None or not record.job:
            return self._begin(stage)
        if child is None:
            self._intend(stage)
        elif not child.deleting:
            return self._look_after(stage, child, self.observed.pods_of(child))
        elif why := self._overdue(stage):
            self.telling.fail(stage.name, why)
        else:
            why = diagnosis.job_terminating(stage.name)
            self.telling.keep(stage.name, why.text, reason=why.reason)
        return False

    # A stage that is to rest, or to begin.

    def _pause(self, stage: PlannedStage, record: StageStatus | None) -> bool:
        """A stage of a suspended job: its Job goes, unless it is complete, and the next attempt is intended."""
        child = self.observed.job(record.job) if record else None
        if record and child:
            pods = self.observed.pods_of(child)
            record = charged(record, failed_tries(child, pods))
            result = self.stored.told_or_stored(stage.name, stage.key, pods) if child.complete else None
            if isinstance(result, StageResult):
                self.records[stage.name] = record
                self.telling.take(result)
                return True
        if record is None and self.job.status.phase is None and isinstance(result := self._found(stage), StageResult):
            self._adopt(stage, result)
            return True
        if record and record.job and record.phase is not Phase.SUSPENDED:
            self.records[stage.name] = suspended(record, name=self.job.metadata.name)
        self.telling.suspend(stage.name)
        return False

    def _begin(self, stage: PlannedStage) -> bool:
        """A stage whose turn has come and of which no attempt is recorded under this key.

        It may have been done all the same: specs are changed back, and statuses wiped. The store knows.
        """
        if stage.name is StageName.INGEST and self._awaits_files():
            return False
        self.telling.begin(stage.name)
        match self._found(stage):
            case StageResult() as result:
                self._adopt(stage, result)
                return True
            case Absent():
                self.records[stage.name] = self._first_intent(stage)
                self._intend(stage)
            case Unavailable(message=message):
                self._store_is_away(stage, message)
            case None:
                pass
        return False

    def _first_intent(self, stage: PlannedStage) -> StageStatus:
        """The intent to run a stage of which none is recorded: Jobs may be there all the same.

        A complete one is not taken at its word, as the store no longer has what it made.
        """
        siblings = [j for j in self.observed.jobs if j.stage == stage.name and j.key == stage.key]
        attempt = max((j.attempt if j.live else j.attempt + 1 for j in siblings), default=1)
        return intended(planned(stage), attempt, name=self.job.metadata.name)

    def _found(self, stage: PlannedStage) -> StoreAnswer | None:
        """What the store has of a stage that is to begin; a wiped status may have known of renewals."""
        tries = 1 if self.job.status.stages else 1 + MAX_RENEWALS
        return self.stored.newest(stage.name, islice(renewals(stage.settings, stage.key), tries))

    def _adopt(self, stage: PlannedStage, result: StageResult) -> None:
        """Takes what the store has for the stage's own, under the key that it was made under."""
        found = replace(stage, key=result.key)
        self._replan(stage, found)
        self.records[stage.name] = self._first_intent(found)
        self.telling.take(result, found=True)

    def _replan(self, stage: PlannedStage, renewed: PlannedStage) -> None:
        """The stage is done under another key, from which the one after it starts."""
        self.stages = tuple(
            renewed if s is stage else replace(s, upstream=renewed.key) if s.upstream == stage.key else s
            for s in self.stages
        )

    def _awaits_files(self) -> bool:
        """Whether the source is what is uploaded, and none or not all of it may be there."""
        upload = self.job.spec.source.upload
        if upload is None:
            return False
        if upload.revision is None:
            self.telling.await_upload()
            return True
        until = settles_at(upload, seen=self.telling.status.start_time, config=self.config)
        if until is None or self.now >= until:
            return False
        self.telling.settle(upload.revision, until)
        return True

    def _intend(self, stage: PlannedStage) -> None:
        record = self.records[stage.name]
        if why := self._overdue(stage):
            self.telling.fail(stage.name, why)
            return
        if why := disallowed(self.job, stage.name, self.config):
            self.telling.keep(stage.name, why.text, reason=why.reason)
            return
        self.create = stage_job(self.job, stage, record, retries=self._retries_left(), config=self.config)
        earlier = (self._job_name(record, attempt) for attempt in range(1, record.attempt))
        self.unseen = tuple(JobReference(name, None) for name in earlier if self.observed.job(name) is None)
        if refusal := self.observed.refusal:
            why = diagnosis.refused(stage.name, refusal)
            self.telling.keep(stage.name, why.text, reason=why.reason)
        else:
            self.telling.expect(stage.name)

    def _job_name(self, record: StageStatus, attempt: int) -> str:
        return stage_job_name(name=self.job.metadata.name, stage=record.name, key=record.key, attempt=attempt)

    # A stage whose Job is there.

    def _look_after(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> bool:
        self._count_disruptions(stage, child, pods)
        if child.complete:
            return self._complete(stage, child, pods)
        if any(misses_upstream(pod) for pod in pods) and self._invalidate_upstream(stage, child, pods):
            return False
        record = self.records[stage.name]
        end = verdict(self.job, record, child, pods, retries=self._retries_left(), config=self.config)
        match end or self._overdue(stage):
            case Remedied() as why:
                self._charge(stage, child, pods)
                self.telling.fail(stage.name, why)
            case GivenUp() as attempt:
                self._charge(stage, child, pods)
                self._try_again(stage, attempt)
            case None:
                self.queued = child.queued
                Follower(self.observed, self.telling, self.wants, self.now).follow(stage, child, pods)
        return False

    def _charge(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        """The attempt ends: what it has used of the retry budget is recorded."""
        self.records[stage.name] = charged(self.records[stage.name], failed_tries(child, pods))

    def _retries_left(self) -> int:
        return retries_left(self.job, self.config, self.records.values())

    def _try_again(self, stage: PlannedStage, attempt: GivenUp) -> None:
        if attempt.note:
            self.telling.notes.append(attempt.note)
        self.records[stage.name] = given_up(
            self.records[stage.name],
            attempt.reason,
            name=self.job.metadata.name,
            memory=attempt.memory,
            scratch_size=attempt.scratch_size,
        )
        self._intend(stage)

    def _count_disruptions(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> None:
        record = self.records[stage.name]
        new = new_disruptions(record, child, pods, self.config, self.now)
        self.records[stage.name] = disrupted(record, new)
        self.telling.notes.extend(notes_of(record, new, pods, self.config))

    def _overdue(self, stage: PlannedStage) -> Remedied | None:
        return overdue(self.telling.status, self.job, stage.name, self.config, self.now)

    def _complete(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> bool:
        match self.stored.told_or_stored(stage.name, stage.key, pods):
            case StageResult() as result:
                self._charge(stage, child, pods)
                self.telling.take(result)
                return True
            case Absent():
                self._charge(stage, child, pods)
                self.telling.fail(stage.name, diagnosis.result_missing(stage.name, child))
            case Unavailable(message=message):
                self._store_is_away(stage, message)
            case None:
                pass
        return False

    def _store_is_away(self, stage: PlannedStage, message: str) -> None:
        if overdue := self._overdue(stage):
            self.records.setdefault(stage.name, planned(stage))
            self.telling.fail(stage.name, overdue)
            return
        why = diagnosis.store_unavailable(stage.name, message)
        self.telling.keep(stage.name, why.text, reason=why.reason)
        self.telling.wake(self.now + STORE_INTERVAL)

    def _invalidate_upstream(self, stage: PlannedStage, child: JobView, pods: Sequence[PodView]) -> bool:
        """Runs the stage before again, and this one after it; False when that has been tried often enough.

        Under a new key: the old key's result is never replaced, and names what is gone.
        """
        before = next((s for s in self.stages if s.key == stage.upstream), None)
        if before is None or renewals_of(self.records[before.name]) >= MAX_RENEWALS:
            return False
        renewed = replace(before, key=renewed_key(before, self.left), previous_key=before.key)
        self._replan(before, renewed)
        name = self.job.metadata.name
        self.records[before.name] = renewed_record(self.records[before.name], renewed, name=name)
        self._charge(stage, child, pods)
        self.records[stage.name] = given_up(self.records[stage.name], Reason.UPSTREAM_MISSING, name=name)
        self.telling.run_again(before.name)
        self._intend(renewed)
        return True


def _strays(observed: Observed, *, wanted: str | None) -> tuple[JobReference, ...]:
    """Live Jobs that the status does not ask for: of a key that the spec has left, or of an attempt given up."""
    return tuple(JobReference(job.name, job.uid) for job in observed.jobs if job.live and job.name != wanted)
