import os
import shutil
from pathlib import Path

import pytest

from pointcloud_api.stages import ExitCode, IngestLimits, IngestSettings, Reason
from pointcloud_ingest.arrivals import Arrival
from pointcloud_ingest.budget import Budget
from pointcloud_ingest.volume import copy_from_volume
from pointcloud_stage import Reporter, StageFailure


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    for name in ["beach/b.jpg", "beach/a.jpg", "beach/deep/c.jpg", "beach/.DS_Store", "else/d.jpg"]:
        (tmp_path / "claim" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "claim" / name).write_text(name)
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "claim"


def copied(claim: Path, path: str = "beach/", limits: IngestLimits | None = None) -> list[Arrival]:
    reporter = Reporter(lambda _: None, nonce="pod")
    reporter.plan(copy=1)
    shutil.rmtree(claim.parent / "arrivals", ignore_errors=True)
    return copy_from_volume(
        IngestSettings(claim_name="photos", path=path),
        source=claim,
        to=claim.parent / "arrivals",
        budget=Budget(limits or IngestLimits()),
        progress=reporter,
    )


def contents(arrivals: list[Arrival]) -> dict[str, str]:
    return {arrival.name: arrival.file.read_text() for arrival in arrivals}


def test_the_folder_and_those_below_are_copied_in_order(claim: Path) -> None:
    arrivals = copied(claim)
    assert [a.name for a in arrivals] == ["a.jpg", "b.jpg", "deep/c.jpg"]
    assert contents(arrivals)["deep/c.jpg"] == "beach/deep/c.jpg"


def test_archives_and_videos_are_counted_and_read_where_they_are(claim: Path) -> None:
    film = claim / "beach" / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom" + bytes(88))
    assert copied(claim)[-1] == Arrival("film.mp4", film)
    with pytest.raises(StageFailure, match="maxTotalBytes of 100"):
        copied(claim, limits=IngestLimits(max_total_bytes=100))


def test_what_is_of_no_interest_is_neither_copied_nor_counted(claim: Path) -> None:
    (claim / "beach" / "notes.txt").write_bytes(bytes(100))
    notes = copied(claim, limits=IngestLimits(max_total_bytes=60))[-1]
    assert notes == Arrival("notes.txt", claim / "beach" / "notes.txt")


def test_links_are_followed_to_files_within_the_volume_alone(claim: Path) -> None:
    (claim / "beach" / "inside.jpg").symlink_to(Path("..", "else", "d.jpg"))
    (claim / "beach" / "outside.jpg").symlink_to(claim.parent / "secret")
    (claim / "beach" / "loop").symlink_to(claim)
    os.mkfifo(claim / "beach" / "pipe.jpg")
    got = contents(copied(claim))
    assert got["inside.jpg"] == "else/d.jpg"
    assert sorted(got) == ["a.jpg", "b.jpg", "deep/c.jpg", "inside.jpg"]


@pytest.mark.parametrize("path", ["baech/", "beach/a.jpg", "../", "out"])
def test_a_folder_that_is_not_in_the_volume_is_answered_with_what_is(claim: Path, path: str) -> None:
    (claim / "out").symlink_to(claim.parent)
    with pytest.raises(StageFailure) as caught:
        copied(claim, path)
    assert (caught.value.error.reason, caught.value.exit_code) == (Reason.SOURCE_NOT_FOUND, ExitCode.NO_INPUT)
    assert "beach/, else/" in caught.value.error.message


def test_a_volume_larger_than_the_limit_is_refused(claim: Path) -> None:
    with pytest.raises(StageFailure, match="maxTotalBytes of 20"):
        copied(claim, limits=IngestLimits(max_total_bytes=20))


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("closed", ["beach/a.jpg", "beach/deep"])
def test_what_may_not_be_read_is_named(claim: Path, closed: str) -> None:
    (claim / closed).chmod(0)
    try:
        with pytest.raises(StageFailure, match=closed) as caught:
            copied(claim)
    finally:
        (claim / closed).chmod(0o755)
    assert "chmod" in caught.value.error.remedy
