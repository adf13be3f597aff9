"""What holds of an operator at work whatever happens around it: checked at every decision, and at every moment."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pointcloud_api.names import KUEUE_QUEUE_LABEL, StageName, result_path
from pointcloud_api.resource import DeletionPolicy, Phase, PointcloudJobStatus
from pointcloud_operator.model.answers import asks_anew
from pointcloud_operator.model.decision import Decision
from pointcloud_operator.model.diagnosis.ended import FINAL_FAILURE, JOB_FAILED, TRIES_USED_UP
from pointcloud_operator.model.diagnosis.table import REASONS
from pointcloud_operator.model.plan import plan
from pointcloud_operator.model.quantities import amount
from tests.unit.operator.builders import Json, document
from tests.unit.operator.world import SETTLING, View, World, taken_over

Key = tuple[StageName, str]

WITHOUT_PODS = {cause.reason for cause in (TRIES_USED_UP, FINAL_FAILURE, JOB_FAILED)}
"""Reasons that are given when no pod is left to give another."""


@dataclass
class Laws:
    """What has been seen of a world, and what must hold in it from then on."""

    world: World
    ended: Phase | None = None
    """The end that the status shows, until the spec asks for something else."""
    arrived: datetime | None = None
    """When the last file did."""
    shown: str | None = None
    """The key that the address shows."""
    finalizer_when_deleted: bool = False
    answers: str | None = None
    """What `observedSpec` was, so that a new run is known from its being another."""
    percent: int = 0
    succeeded: dict[Key, str] = field(default_factory=dict)
    """The spec's `rerun` under which a stage's key has succeeded."""

    def forget_the_status(self) -> None:
        """It has been wiped: a run begins that knows of none before."""
        self.ended = self.shown = self.answers = None
        self.percent = 0

    # Of a decision, before it is carried out.

    def of_decision(self, decision: Decision, view: View) -> None:
        """A decision taken on the newest PointcloudJob, though perhaps on older Jobs."""
        if decision.create:
            self._of_what_is_created(decision.create, decision.status)
        self._of_what_is_said(decision, view.job.status)
        self._of_what_is_to_go(decision.status, view.job.status)
        for prefix in decision.erase:
            self._of_what_is_erased(prefix)
        if decision.remove:
            assert view.job.status.phase
            assert view.job.status.phase.terminal
            assert not asks_anew(view.job), "it is removed before the spec is answered"
        if self.world.deleting:
            assert decision.create is None, "a Job is made for what is being deleted"
            assert not decision.finalizer
        else:
            assert decision.finalizer is not True or self.deletes, "a finalizer that nothing asks for"

    def _of_what_is_created(self, job: Json, status: PointcloudJobStatus) -> None:
        spec, told = self.world.job.spec, document(job)
        self._of_what_a_job_asks_for(job, told.stage, status)
        assert not spec.suspend
        assert not (status.phase and status.phase.terminal), "a Job is made at the end"
        path = result_path(self.world.prefix(told.stage, told.key))
        found_again = (told.stage, told.key) in self.succeeded and path in self.world.store
        assert not found_again, "what has succeeded is run again"
        if told.stage is StageName.INGEST and spec.source.upload:
            assert spec.source.upload.revision is not None
            assert self.arrived is not None
            assert told.attempt > 1 or self.world.now >= self.arrived + SETTLING
        if told.stage is StageName.RECONSTRUCT and (taken := taken_over(job)):
            assert taken != told.key
            assert self.succeeded[StageName.RECONSTRUCT, taken] == spec.rerun

    def _of_what_a_job_asks_for(self, job: Json, stage: StageName, status: PointcloudJobStatus) -> None:
        spec, config, pod = self.world.job.spec, self.world.config, job["spec"]["template"]["spec"]
        limit = config.retry_limit if spec.retry_limit is None else spec.retry_limit
        assert job["spec"]["backoffLimit"] == max(limit - sum(each.retries for each in status.stages), 0)
        assert job["metadata"]["labels"].get(KUEUE_QUEUE_LABEL) == spec.queue_name
        assert "suspend" not in job["spec"], "that field is Kueue's"
        assert spec.stages.of(stage).priority_class_name in {None, *config.priority_classes}
        (container,) = pod["containers"]
        memory = container["resources"].get("limits", {}).get("memory", 0)
        assert amount(memory) <= amount(config.stages.of(stage).max_memory)
        scratch = next(volume for volume in pod["volumes"] if volume["name"] == "scratch")["emptyDir"]["sizeLimit"]
        assert amount(scratch) <= amount(config.stages.of(stage).max_scratch_size)

    def _of_what_is_said(self, decision: Decision, was: PointcloudJobStatus) -> None:
        reasons = {note.reason for note in decision.notes}
        assert reasons | {condition.reason for condition in decision.status.conditions} <= REASONS
        if reasons & WITHOUT_PODS:
            jobs = {stage.job for stage in decision.status.stages}
            left = [pod for child in self.world.children.values() if child.name in jobs for pod in child.pods]
            assert not any(pod.phase == "Failed" for pod in left), "its pods could say why it failed"
        becomes = decision.status.phase
        assert ("Suspended" in reasons) == (becomes is Phase.SUSPENDED and was.phase is not Phase.SUSPENDED)
        assert ("Resumed" in reasons) == (was.phase is Phase.SUSPENDED and becomes is not Phase.SUSPENDED)
        if self.world.job.spec.suspend and not self.world.deleting:
            assert becomes in {Phase.SUSPENDED, Phase.SUCCEEDED, Phase.FAILED}

    def _of_what_is_to_go(self, becomes: PointcloudJobStatus, was: PointcloudJobStatus) -> None:
        """What gets a time to be removed at gets it as something else is published, and the whole grace with it."""
        had = {(entry.name, entry.key): entry.remove_at for entry in was.superseded}
        new = [entry for entry in becomes.superseded if entry.remove_at not in {None, had.get((entry.name, entry.key))}]
        if new:
            assert becomes.phase is Phase.SUCCEEDED, "nothing is published instead"
            assert not {(entry.name, entry.key) for entry in new} & {(each.name, each.key) for each in becomes.stages}
            removed_at = {entry.remove_at for entry in new}
            assert removed_at == {self.world.now + timedelta(seconds=self.world.config.superseded_seconds)}

    def _of_what_is_erased(self, prefix: str) -> None:
        """Only what is deleted with its PointcloudJob, or what something else has been published instead of."""
        world = self.world
        if world.deleting:
            assert self.deletes, "what was to be kept is erased"
            assert not world.at_work(), "a pod still writes there"
            return
        entry = next(e for e in world.status.superseded if world.prefix(e.name, e.key) == prefix)
        assert entry.remove_at is not None
        assert world.now >= entry.remove_at
        assert world.status.phase is Phase.SUCCEEDED
        assert not asks_anew(world.job), "the change is not published yet"
        assert (entry.name, entry.key) not in set(self.current())

    # Of what a whole decision leaves, taken on what there is.

    def of_outcome(self, decision: Decision) -> None:
        """Once it is carried out. An operator that was away removes what is left all the same, step by step."""
        world, metadata = self.world, self.world.job.metadata
        if metadata.deletion_timestamp:
            timeout = timedelta(seconds=world.config.artefact_deletion_seconds)
            on_time = world.now < metadata.deletion_timestamp + timeout
            assert on_time or decision.delete or decision.erase, "the finalizer outlives its time"
            return
        assert bool(metadata.finalizers) == self.deletes
        assert len(world.live()) <= (0 if self.rests else 1)
        status = world.status
        if status.active_since:
            worked = timedelta(seconds=status.active_seconds or 0) + (world.now - status.active_since)
            limit = world.job.spec.active_deadline_seconds or world.config.active_deadline_seconds
            assert worked < timedelta(seconds=limit), "it works on past its deadline"

    # Of what there is.

    @property
    def deletes(self) -> bool:
        return self.world.job.spec.output.deletion_policy is DeletionPolicy.DELETE

    @property
    def rests(self) -> bool:
        """Whether no Job may be there."""
        spec = self.world.job.spec
        upload = spec.source.upload
        settling = self.arrived is not None and self.world.now < self.arrived + SETTLING
        begun = self.world.status.stage_named(StageName.INGEST)
        return spec.suspend or (
            upload is not None and (upload.revision is None or (settling and not (begun and begun.job)))
        )

    def current(self) -> Iterator[Key]:
        """Every stage's key, as recorded and as the spec asks for."""
        world = self.world
        yield from ((stage.name, stage.key) for stage in world.status.stages)
        planned = plan(world.job.spec, uid=world.uid, recorded=world.status.stages)
        yield from ((stage.name, stage.key) for stage in planned)

    def at_any_moment(self) -> None:
        """Whatever has happened last."""
        self._one_live_job_for_a_key()
        self._an_end_is_an_end()
        self._the_address_shows_what_succeeded_last()
        self._percent_never_goes_back()
        self._budgets_are_kept()

    def _one_live_job_for_a_key(self) -> None:
        keys = [(child.stage, child.key) for child in self.world.live()]
        assert len(keys) == len(set(keys)), keys

    def _an_end_is_an_end(self) -> None:
        """Until the spec changes in more than what cannot lead to another end."""
        phase, answered = self.world.status.phase, self.world.status.observed_generation
        if self.ended:
            assert phase is self.ended
        elif phase and phase.terminal and answered == self.world.job.metadata.generation:
            self.ended = phase

    def _the_address_shows_what_succeeded_last(self) -> None:
        status = self.world.status
        for stage in status.stages:
            if stage.phase is Phase.SUCCEEDED:
                self.succeeded.setdefault((stage.name, stage.key), status.stages[0].settings.get("rerun", ""))
        if status.published != self.shown:
            assert status.phase is Phase.SUCCEEDED, "another cloud is shown before it is there"
            assert status.published == status.stages[-1].key
            self.shown = status.published
        assert (status.published is None) == (status.url is None)
        if status.phase is Phase.SUCCEEDED:
            assert status.published == status.stages[-1].key
            assert [stage.phase for stage in status.stages] == [Phase.SUCCEEDED] * 3

    def _percent_never_goes_back(self) -> None:
        status = self.world.status
        percent = status.progress.percent if status.progress else 0
        if status.observed_spec == self.answers:
            assert percent >= self.percent, "progress goes back"
        self.answers, self.percent = status.observed_spec, percent

    def _budgets_are_kept(self) -> None:
        config, stages = self.world.config, self.world.status.stages
        if self.world.status.observed_generation == self.world.job.metadata.generation:
            own = self.world.job.spec.retry_limit
            limit = config.retry_limit if own is None else own
            assert sum(stage.retries for stage in stages) <= limit + 1, "more tries than are granted"
        for stage in stages:
            uids = [disruption.pod_uid for disruption in stage.disruptions]
            assert len(uids) == len(set(uids)), "a disruption is counted twice"
            assert len(uids) <= config.disruption_limit + 1

    # Of an end.

    def of_what_is_left(self) -> None:
        """Once the PointcloudJob is gone."""
        world = self.world
        asked = world.job.metadata.deletion_timestamp
        assert asked is not None
        if not (self.deletes and self.finalizer_when_deleted):
            return
        if world.now < asked + timedelta(seconds=world.config.artefact_deletion_seconds):
            assert not world.stored(), "something is left in the store"
