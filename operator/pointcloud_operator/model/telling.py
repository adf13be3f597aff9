"""What the status says of a job (stages, phase, progress, conditions), and the Events that go with a change of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from pointcloud_api.names import StageName
from pointcloud_api.resource import (
    Phase,
    PointcloudJob,
    PointcloudJobStatus,
    ProgressStatus,
    StagePod,
    StageStatus,
)
from pointcloud_api.stages import Progress, Reason, StageResult
from pointcloud_operator.model.answers import answered, asks_anew
from pointcloud_operator.model.config import InstallConfig
from pointcloud_operator.model.decision import Note
from pointcloud_operator.model.diagnosis import Remedied
from pointcloud_operator.model.estimate import Estimate, estimate, work_before, work_of_pod
from pointcloud_operator.model.observed import PodView
from pointcloud_operator.model.plan import PlannedStage
from pointcloud_operator.model.progress import overall_percent, sentence
from pointcloud_operator.model.records import run_by
from pointcloud_operator.model.status import Verdict, conditions, progress, with_result, without_warnings
from pointcloud_operator.model.uploads import UPLOAD_AWAITED, UPLOAD_SETTLING, asks_for_files

EXPECTED: Final = "StageExpected"
"""Reason of the Reconciling condition while a pod is awaited and nothing keeps it."""
PERCENT_INTERVAL: Final = timedelta(seconds=2)
"""Least time between two writes of progress whose percentage or step differs."""
MESSAGE_INTERVAL: Final = timedelta(seconds=10)
"""Least time between two writes of progress of which only the count differs."""


@dataclass
class Telling:
    """A status in the making: told where a job stands, it says so."""

    job: PointcloudJob
    """With the status before."""
    config: InstallConfig
    now: datetime
    """In whole seconds."""
    progress_written: datetime | None
    """When progress was last written, as far as this process knows."""
    records: dict[StageName, StageStatus] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    wake_at: datetime | None = None

    def __post_init__(self) -> None:
        self.asked_anew = asks_anew(self.job)
        self.status = answered(self.job)
        if self.asked_anew:
            update = {"phase": Phase.PENDING, "start_time": self.now, "completion_time": None, "progress": None}
            update |= {"active_seconds": None, "active_since": None}
            self.status = self.status.model_copy(update=update)
        if self.job.status.phase is Phase.SUSPENDED and not self.job.spec.suspend:
            self.status = self.status.model_copy(update={"phase": Phase.PENDING})
            self.notes.append(Note("Normal", "Resumed", "The work goes on"))

    def told(self) -> PointcloudJobStatus:
        """The status as it has become."""
        return self.status.model_copy(update={"stages": self._stages()})

    def run(self, stage: StageName, pod: PodView, told: Progress | None, *, failures: int) -> None:
        """A pod of the stage runs, after so many of its Job have failed, and its log has told so much."""
        this = StagePod(name=pod.name, uid=pod.uid, created=pod.created, failures=failures)
        self.records[stage] = record = run_by(self.records[stage], this)
        if record.phase is not Phase.RUNNING:
            self.notes.append(Note("Normal", "StageStarted", f"The {stage} stage runs in pod {pod.name}"))
            record = record.model_copy(
                update={"phase": Phase.RUNNING, "start_time": record.start_time or pod.started_at}
            )
            self.records[stage] = record
        message = sentence(told) if told else self._known_message(record) or f"the {stage} stage has started"
        verdict = Verdict("Reconciling", "StageRunning", f"The {stage} stage runs")
        self._conclude(verdict, phase=Phase.RUNNING, stage=stage)
        percent = overall_percent(stage, told.percent if told else 0)
        self._show(percent, message, estimated=self._estimate(stage, pod, told))

    def expect(self, stage: StageName) -> None:
        """The stage's pod is to come, and nothing keeps it."""
        self._wait(stage, f"waiting for the pod of the {stage} stage", reason=EXPECTED)

    def keep(
        self, stage: StageName, message: str, *, reason: str, kind: Literal["Normal", "Warning"] = "Warning"
    ) -> None:
        """Something keeps the stage from running."""
        if not self._shown_as(reason):
            self.notes.append(Note(kind, reason, message))
        self._wait(stage, message, reason=reason)

    def await_upload(self) -> None:
        """Nothing has arrived yet."""
        message = asks_for_files(self.job, self.config)
        self._conclude(Verdict("AwaitingUpload", UPLOAD_AWAITED, message), phase=Phase.PENDING, stage=None)
        self._show(0, message, at_once=True)

    def settle(self, revision: int, until: datetime) -> None:
        """Files have arrived, and more may follow until then."""
        message = f"upload {revision} has arrived: the run begins at {until:%H:%M:%S} UTC unless more files arrive"
        self._conclude(Verdict("Reconciling", UPLOAD_SETTLING, message), phase=Phase.PENDING, stage=StageName.INGEST)
        self._show(0, message, at_once=True)
        self.wake(until)

    def suspend(self, stage: StageName) -> None:
        """The user has stopped the work at this stage."""
        message = f"suspended: set spec.suspend to false to go on with the {stage} stage"
        if self.job.status.phase is not Phase.SUSPENDED:
            self.notes.append(Note("Normal", "Suspended", f"The work is stopped at the {stage} stage"))
        self._conclude(Verdict("Suspended", "JobSuspended", message), phase=Phase.SUSPENDED, stage=stage)
        self._show(0, message, at_once=True)

    def fail(self, stage: StageName, why: Remedied) -> None:
        """The stage has failed, and the job with it."""
        self.records[stage] = self.records[stage].model_copy(
            update={"phase": Phase.FAILED, "completion_time": self.now}
        )
        self.notes.append(Note("Warning", why.reason, why.text))
        self._conclude(
            Verdict("Failed", why.reason, why.text), phase=Phase.FAILED, stage=stage, completion_time=self.now
        )
        percent = self.status.progress.percent if self.status.progress else 0
        self.status = self.status.model_copy(update={"progress": progress(percent, why.text)})

    def publish(self, last: PlannedStage) -> None:
        """Every stage has succeeded. A job that had come to the same end before stays as it is."""
        before = self.job.status
        if before.phase is Phase.SUCCEEDED and before.published == last.key:
            self.status = answered(self.job)
            self.records.update((stage.name, stage) for stage in before.stages)
            return
        metadata = self.job.metadata
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

    def take(self, result: StageResult, *, found: bool = False) -> None:
        """A stage has succeeded with this result, or it was found in the store, where an earlier run has left it."""
        done = {"phase": Phase.SUCCEEDED, "completion_time": self.now}
        self.records[result.stage] = self.records[result.stage].model_copy(update=done)
        self.status = with_result(self.status, result)
        if found:
            what = f"What the {result.stage} stage has made with these settings is in the store: it does not run again"
            self.notes.append(Note("Normal", "StageFound", what))
        else:
            self.notes.append(Note("Normal", "StageSucceeded", f"The {result.stage} stage has succeeded"))
        self.notes.extend(Note("Warning", warning.reason, warning.message) for warning in result.warnings)

    def run_again(self, stage: StageName) -> None:
        """What the stage left is gone, so it has to run again."""
        self.notes.append(
            Note("Warning", Reason.UPSTREAM_MISSING, f"What the {stage} stage left is gone: it runs again")
        )
        self.begin(stage)

    def begin(self, stage: StageName) -> None:
        """The stage begins anew, so what it warned of before counts no more."""
        self.status = without_warnings(self.status, stage)

    def wake(self, at: datetime) -> None:
        """Look at the job again at that time, if not earlier."""
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)

    def _wait(self, stage: StageName, message: str, *, reason: str) -> None:
        if (record := self.records.get(stage)) and record.phase in {Phase.RUNNING, Phase.SUSPENDED}:
            self.records[stage] = record.model_copy(update={"phase": Phase.PENDING})
        begun = any(record.phase is Phase.SUCCEEDED or record.start_time for record in self.records.values())
        phase = Phase.RUNNING if begun and reason == EXPECTED else Phase.PENDING
        self._conclude(Verdict("Reconciling", reason, message), phase=phase, stage=stage)
        estimated = Estimate.shown(self.status.progress) if phase is Phase.RUNNING else None
        self._show(overall_percent(stage, 0), message, at_once=True, estimated=estimated)

    def _estimate(self, stage: StageName, pod: PodView, told: Progress | None) -> Estimate | None:
        """When the job will have ended. Before a pod has told anything, it is as was estimated before."""
        shown = Estimate.shown(self.status.progress)
        if told is None or pod.started_at is None:
            return shown
        before = work_before(self._stages(), self.status.start_time)
        of_pod = work_of_pod(stage, told, self.now - pod.started_at)
        new = estimate(self.now, before=before, pod=of_pod, percent=overall_percent(stage, told.percent))
        return new.news_after(shown, self.now) if new else None

    def _known_message(self, record: StageStatus) -> str:
        """What was shown of a stage that runs already: a restarted operator has read no log yet."""
        before = self.job.status.stage_named(record.name)
        shown = self.status.progress
        return shown.message if shown and before == record else ""

    def _shown_as(self, reason: str) -> bool:
        return any(c.reason == reason and c.type == "Reconciling" for c in self.job.status.conditions)

    def _conclude(self, verdict: Verdict, **fields: object) -> None:
        said = conditions(self.status.conditions, verdict, generation=self.job.metadata.generation, now=self.now)
        self.status = self.status.model_copy(update={"conditions": said, **fields})

    def _show(self, percent: int, message: str, *, at_once: bool = False, estimated: Estimate | None = None) -> None:
        """Shows progress: never going back, and not more often than is news. An estimate alone is none."""
        shown = self.status.progress
        new = progress(max(percent, shown.percent) if shown else percent, message)
        if shown and (new.percent, new.message) == (shown.percent, shown.message):
            return
        if shown and not at_once and self._too_soon(new, shown):
            return
        self.status = self.status.model_copy(update={"progress": estimated.on(new) if estimated else new})

    def _too_soon(self, new: ProgressStatus, shown: ProgressStatus) -> bool:
        """Whether progress was written so lately that this waits; it is looked at again then."""
        news = new.percent != shown.percent or _step(new.message) != _step(shown.message)
        due = self.progress_written and self.progress_written + (PERCENT_INTERVAL if news else MESSAGE_INTERVAL)
        if due is None or self.now >= due or self._stages() != self.job.status.stages:
            return False
        self.wake(due)
        return True

    def _stages(self) -> tuple[StageStatus, ...]:
        return tuple(self.records[name] for name in StageName if name in self.records)


def _step(message: str) -> str:
    return message.partition(":")[0]
