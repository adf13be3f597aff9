"""What the archive is told, and how often."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.jobs import Change
from pointcloud_gateway.pending import INTERVAL_SECONDS, PendingChanges
from tests.fixtures.jobs import make_job, moment


def changed(version: int = 1, *, uid: str = "uid", deleted: bool = False, **status: Any) -> Change:
    return Change(make_job(uid=uid, version=version, **status), deleted)


def write_due(pending: PendingChanges, now: float) -> list[Change]:
    due = pending.due(now)
    for each in due:
        pending.written(each, now)
    return [each.change for each in due]


def test_the_first_sight_of_a_job_is_written_at_once() -> None:
    pending = PendingChanges()
    pending.add(changed())
    assert len(write_due(pending, 0)) == 1
    assert pending.wait(0) is None


def test_a_burst_of_progress_becomes_one_write() -> None:
    pending = PendingChanges()
    pending.add(changed(phase="Running"))
    write_due(pending, 0)
    for version in range(2, 100):
        pending.add(changed(version, phase="Running"))
        assert write_due(pending, 0.5) == []
    assert pending.wait(0.5) == INTERVAL_SECONDS - 0.5
    assert write_due(pending, INTERVAL_SECONDS) == [changed(99, phase="Running")]


def test_a_new_phase_and_an_end_do_not_wait() -> None:
    pending = PendingChanges()
    pending.add(changed(phase="Running"))
    write_due(pending, 0)
    for change in (changed(2, phase="Suspended"), changed(3, deleted=True, phase="Suspended")):
        pending.add(change)
        assert pending.wait(0) == 0
        assert write_due(pending, 0) == [change]


def test_the_end_of_a_run_is_told_though_another_run_follows_at_once() -> None:
    pending = PendingChanges()
    pending.add(changed(2, phase="Failed", completionTime=moment(5)))
    pending.add(changed(3, phase="Succeeded", completionTime=moment(9)))
    pending.add(changed(4, phase="Running"))
    (due,) = pending.due(0)
    assert due.change == changed(4, phase="Running")
    assert list(due.endings) == [moment(5), moment(9)]


def test_what_comes_during_a_write_is_written_after_it() -> None:
    pending = PendingChanges()
    pending.add(changed(1, phase="Succeeded", completionTime=moment(5)))
    (due,) = pending.due(0)
    pending.add(changed(2, phase="Running"))
    pending.written(due, 0)
    (later,) = pending.due(0)
    assert later.change == changed(2, phase="Running")
    assert later.endings == {}


def test_what_could_not_be_written_stays() -> None:
    pending = PendingChanges()
    pending.add(changed(1, phase="Succeeded", completionTime=moment(5)))
    assert len(pending.due(0)) == 1
    pending.add(changed(2, phase="Running"))
    (due,) = pending.due(60)
    assert list(due.endings) == [moment(5)]


def test_a_job_that_is_gone_stays_gone() -> None:
    pending = PendingChanges()
    pending.add(changed(1, deleted=True))
    pending.add(changed(2))
    assert write_due(pending, 0) == [changed(1, deleted=True)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["Running", "Suspended"]), st.integers(0, 24)), max_size=30
    )
)
def test_in_the_end_the_archive_has_the_newest_state_of_every_job(steps: list[tuple[str, str, int]]) -> None:
    """Pauses are in eighths of a second, so that no sum is rounded."""
    pending, archive, newest, now = PendingChanges(), dict[str, Change](), dict[str, Change](), 0.0
    writes: dict[tuple[str, str], float] = {}
    for version, (uid, phase, eighths) in enumerate(steps):
        newest[uid] = changed(version, uid=uid, phase=phase)
        pending.add(newest[uid])
        now += eighths / 8
        for change in write_due(pending, now):
            job = change.job
            key = (job["metadata"]["uid"], job["status"]["phase"])
            before = archive.get(key[0])
            if before is not None and before.job["status"]["phase"] == key[1]:
                assert now - writes[key] >= INTERVAL_SECONDS
            writes[key] = now
            archive[key[0]] = change
    while (wait := pending.wait(now)) is not None:
        now += wait
        archive |= {change.job["metadata"]["uid"]: change for change in write_due(pending, now)}
    assert archive == newest
