import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointcloud_api.stages import MAX_PROGRESS_BYTES, Progress, ProgressLine
from pointcloud_stage.progress import INTERVAL_SECONDS, Reporter


class Recorder:
    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[Progress] = []
        self.reporter = Reporter(self.sent.append, nonce="pod", clock=lambda: self.now)

    def update(self, step: str, done: int, total: int | None) -> None:
        self.now += INTERVAL_SECONDS
        self.reporter.update(step, done, total, "files")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_percent_is_of_the_whole_stage(recorder: Recorder) -> None:
    recorder.reporter.plan(download=1, check=3)
    for step, done in [("download", 1), ("download", 2), ("check", 1), ("check", 2), ("upload", 0), ("upload", 2)]:
        recorder.update(step, done, 2)
    assert [p.percent for p in recorder.sent] == [11, 23, 59, 95, 95, 100]


def test_a_step_of_unknown_length_stays_at_its_beginning(recorder: Recorder) -> None:
    recorder.reporter.plan(download=1, check=1)
    recorder.update("download", 10, None)
    recorder.update("check", 0, 2)
    assert [(p.percent, p.total) for p in recorder.sent] == [(0, None), (47, 2)]


def test_what_a_step_begins_with_and_steps_passed_over_were_spared(recorder: Recorder) -> None:
    recorder.reporter.plan(fetch=10, extract=50, match=30, upload=10)
    for step, done in [("fetch", 0), ("fetch", 5), ("fetch", 10), ("extract", 6), ("extract", 10), ("upload", 0)]:
        recorder.update(step, done, 10)
    assert [(p.percent, p.spared) for p in recorder.sent] == [(0, 0), (5, 0), (10, 0), (40, 30), (60, 30), (90, 60)]


def test_shares_may_become_better_known(recorder: Recorder) -> None:
    recorder.reporter.plan(fetch=50, match=50, upload=0)
    recorder.update("fetch", 2, 2)
    recorder.reporter.plan(fetch=10, match=90, upload=0)
    for done in (0, 1, 2):
        recorder.update("match", done, 2)
    assert [p.percent for p in recorder.sent] == [50, 50, 55, 100]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "upload"]), st.integers(0, 9), st.integers(0, 5) | st.none())))
def test_percent_never_goes_back(updates: list[tuple[str, int, int | None]]) -> None:
    recorder = Recorder()
    recorder.reporter.plan(a=1, b=2)
    for update in updates:
        recorder.update(*update)
    percents = [p.percent for p in recorder.sent]
    assert percents == sorted(percents)
    assert all(p.spared <= p.percent for p in recorder.sent)


def test_within_an_interval_only_news_of_another_step_or_of_its_end_is_sent(recorder: Recorder) -> None:
    recorder.reporter.plan(a=1, b=1)
    for step, done in [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("b", 1)]:
        recorder.reporter.update(step, done, 3, "files")
    assert [(p.step, p.done) for p in recorder.sent] == [("a", 0), ("a", 3), ("b", 0)]


def test_a_step_that_is_not_planned_is_a_defect(recorder: Recorder) -> None:
    recorder.reporter.plan(a=1)
    with pytest.raises(ValueError, match="'b' is not planned"):
        recorder.update("b", 0, 1)


def test_a_line_of_progress_is_within_its_bound() -> None:
    longest = Progress(nonce="0" * 36, step="s" * 32, done=2**63, total=2**63, unit="u" * 32, percent=100, spared=100)
    assert len(ProgressLine(progress=longest).model_dump_json()) < MAX_PROGRESS_BYTES
