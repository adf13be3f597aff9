"""When a job will have ended: within its error in recorded runs, and sane in any."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_api.names import KEY_LABEL, StageName
from pointcloud_api.resource import Phase, PointcloudJob, ProgressStatus, Quality
from pointcloud_api.stages import Progress, Termination
from pointcloud_operator.model.decide import decide
from pointcloud_operator.model.decision import Decision, FetchResult
from pointcloud_operator.model.estimate import FIRST, Estimate, Work, estimate
from pointcloud_operator.model.observed import Absent, Observed
from tests.fixtures.traces import StageTrace, Told, Trace, recorded
from tests.unit.operator.builders import (
    CONFIG,
    NOW,
    ended_pod,
    job_view,
    pod_view,
    pointcloud_job,
    result,
    text,
)

POD_START = timedelta(seconds=3)
"""From a stage's Job to its pod's first instruction."""
LOOK = timedelta(seconds=4)
"""How often the operator hears of a pod's log."""


@dataclass
class Run:
    """A trace, played to the operator."""

    trace: Trace
    job: PointcloudJob
    now: datetime = NOW
    written_at: datetime | None = None
    writes: int = 0

    @classmethod
    def of(cls, trace: Trace) -> "Run":
        return cls(trace, pointcloud_job({"reconstruction": {"quality": trace.quality}}))

    def moments(self) -> Iterator[tuple[datetime, PointcloudJob]]:
        """The status at each look, from the first stage's beginning to the last one's end."""
        decision = self.look(Observed())
        for stage in self.trace.stages:
            assert decision.create is not None
            child = job_view(decision.create, created=self.now)
            key = decision.create["metadata"]["labels"][KEY_LABEL]
            self.now += POD_START
            began = self.now
            pod = pod_view(phase="Running", state={"running": {"startedAt": text(began)}})
            seen = Observed(jobs=(child,), pods={child.uid: (pod,)})
            while self.now - began < timedelta(seconds=stage.seconds):
                told = last_told(stage, self.now - began)
                self.look(replace(seen, progress={pod.uid: progress(told)} if told else {}))
                yield self.now, self.job
                self.now += LOOK
            self.now = began + timedelta(seconds=int(stage.seconds))
            done = ended_pod(exit_code=0, termination=Termination(result=result(stage.stage, key)))
            decision = self.look(Observed(jobs=(replace(child, complete=True),), pods={child.uid: (done,)}))
        assert self.job.status.phase is Phase.SUCCEEDED

    def look(self, observed: Observed) -> Decision:
        observed = replace(observed, progress_written=self.written_at)
        decision = decide(self.job, observed, CONFIG, self.now)
        if asked := {want.path: Absent() for want in decision.wants if isinstance(want, FetchResult)}:
            decision = decide(self.job, replace(observed, results=asked), CONFIG, self.now)
        if decision.status != self.job.status:
            if decision.status.progress != self.job.status.progress:
                self.written_at = self.now
            self.writes += 1
            self.job = self.job.model_copy(update={"status": decision.status})
        return decision


def last_told(stage: StageTrace, elapsed: timedelta) -> Told | None:
    seconds = elapsed.total_seconds()
    return next((told for told in reversed(stage.told) if told.at <= seconds), None)


def progress(told: Told) -> Progress:
    return Progress(nonce="pod-uid", unit="units", **told.model_dump(exclude={"at"}))


@dataclass(frozen=True)
class Played:
    """A run with what was shown at each look."""

    run: Run
    shown: tuple[tuple[datetime, ProgressStatus], ...]

    @property
    def seconds(self) -> float:
        return (self.run.now - NOW).total_seconds()

    @property
    def estimates(self) -> list[tuple[datetime, Estimate]]:
        return [(now, told) for now, one in self.shown if (told := Estimate.shown(one))]


def played(trace: Trace) -> Played:
    run = Run.of(trace)
    return Played(run, tuple((now, job.status.progress) for now, job in run.moments() if job.status.progress))


@pytest.fixture(scope="module")
def runs() -> list[Played]:
    return [played(trace) for trace in recorded()]


def mean(values: Iterable[float]) -> float:
    kept = list(values)
    return sum(kept) / len(kept)


def test_there_are_runs_to_judge_by(runs: list[Played]) -> None:
    assert len({(one.run.trace.photos, one.run.trace.quality) for one in runs}) >= 5


def test_in_four_of_five_moments_and_more_the_end_lies_within_the_error(runs: list[Played]) -> None:
    def within(one: Played) -> float:
        return mean(abs(told.completion - one.run.now) <= told.error for _, told in one.estimates)

    assert mean(within(one) for one in runs) >= 0.8


def test_in_the_second_half_the_error_is_of_use(runs: list[Played]) -> None:
    """A wide enough error is always right, and says nothing."""

    def useful(one: Played) -> float:
        half = NOW + timedelta(seconds=one.seconds / 2)
        return mean(told.error.total_seconds() < one.seconds / 3 for now, told in one.estimates if now > half)

    assert mean(useful(one) for one in runs) >= 0.8


def test_a_minute_of_work_goes_by_without_an_estimate_and_then_there_is_one(runs: list[Played]) -> None:
    for one in runs:
        first, _ = one.estimates[0]
        assert FIRST <= first - NOW < FIRST + timedelta(seconds=30), one.run.trace.name
        assert all(told.estimated_completion_time for now, told in one.shown if now >= first), one.run.trace.name


def test_percent_never_goes_back(runs: list[Played]) -> None:
    for one in runs:
        percents = [told.percent for _, told in one.shown]
        assert percents == sorted(percents), one.run.trace.name


def test_percent_says_how_much_of_the_time_has_gone_by(runs: list[Played]) -> None:
    def off(one: Played) -> float:
        return mean(abs(told.percent / 100 - (now - NOW).total_seconds() / one.seconds) for now, told in one.shown)

    assert mean(off(one) for one in runs) < 0.1


def test_estimates_cost_no_write(runs: list[Played], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointcloud_operator.model.telling.estimate", lambda *_, **__: None)
    assert [one.run.writes for one in runs] == [played(one.run.trace).run.writes for one in runs]


def test_who_takes_over_the_work_of_another_is_not_taken_for_quick() -> None:
    """A pod that found 50 of its 80 percent, and did 30 in 100 seconds."""
    stage = StageTrace(stage=StageName.INGEST, seconds=1, told=())
    run = Run.of(Trace(name="resumed", photos=1, quality=Quality.MEDIUM, stages=(stage,)))
    decision = run.look(Observed())
    assert decision.create is not None
    child = job_view(decision.create)
    pod = pod_view(phase="Running", state={"running": {"startedAt": text(NOW)}})
    run.now = NOW + timedelta(seconds=100)
    told = Progress(nonce="pod-uid", step="copy", done=80, total=100, unit="files", percent=80, spared=50)
    run.look(Observed(jobs=(child,), pods={child.uid: (pod,)}, progress={pod.uid: told}))
    shown = Estimate.shown(run.job.status.progress)
    assert shown is not None
    # Ingest is 5 percent of the whole: 1.5 percent in 100 seconds, and 96 to come.
    assert (shown.completion - run.now).total_seconds() == pytest.approx(96 / 1.5 * 100, abs=2)


# Whatever is known.

times = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30))
percents = st.floats(min_value=0, max_value=100)
works = st.builds(Work, times, percents)


@given(before=works, pod=works, percent=percents)
def test_an_end_lies_ahead_and_has_an_error(before: Work, pod: Work, percent: float) -> None:
    told = estimate(NOW, before=before, pod=pod, percent=percent)
    if told is None:
        assert before.time + pod.time < FIRST or before.percent + pod.percent < 1
        return
    assert before.time + pod.time >= FIRST
    assert told.completion > NOW
    assert told.error >= timedelta(0)
    assert told.completion.microsecond == told.error.microseconds == 0


ends = st.integers(0, 100_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
errors = st.integers(0, 50_000).map(lambda seconds: timedelta(seconds=seconds))
told_estimates = st.builds(Estimate, ends, errors)


@given(new=told_estimates, shown=told_estimates)
def test_what_is_shown_stays_unless_there_is_news(new: Estimate, shown: Estimate) -> None:
    kept = new.news_after(shown, NOW)
    assert kept in {new, shown}
    assert kept.news_after(kept, NOW - timedelta(seconds=1)) == kept
    if kept != new:
        assert abs(shown.completion - new.completion) <= shown.error / 4
        assert shown.completion > NOW


@given(told_estimates)
def test_what_a_status_shows_is_read_back(told: Estimate) -> None:
    assert Estimate.shown(told.on(ProgressStatus())) == told
