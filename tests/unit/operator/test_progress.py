import json

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import Progress, ProgressLine
from pointcloud_operator.model.progress import last_progress, overall_percent, sentence


def line(nonce: str, done: int) -> str:
    told = Progress(nonce=nonce, step="match", done=done, total=153, unit="pairs", percent=done)
    return ProgressLine(progress=told).model_dump_json()


def test_the_last_line_of_this_pod_counts() -> None:
    log = "\n".join([line("me", 1), line("me", 2), "matching...", line("another", 99), '{"progress": {"nonce": "me"}}'])
    told = last_progress(log, pod_uid="me")
    assert told is not None
    assert told.done == 2


def test_a_file_name_cannot_imitate_progress() -> None:
    forged = f"reading {line('me', 99)}"
    assert last_progress(forged, pod_uid="me") is None
    assert last_progress(line("guessed", 99), pod_uid="me") is None
    assert last_progress("", pod_uid="me") is None


def test_extra_fields_are_no_progress() -> None:
    told = json.loads(line("me", 1))
    told["progress"]["more"] = 1
    assert last_progress(json.dumps(told), pod_uid="me") is None


@pytest.mark.parametrize(
    ("stage", "percent", "overall"),
    [
        (StageName.INGEST, 0, 0),
        (StageName.INGEST, 100, 5),
        (StageName.RECONSTRUCT, 50, 50),
        (StageName.RECONSTRUCT, 100, 95),
        (StageName.CONVERT, 100, 100),
    ],
)
def test_stages_weigh_what_they_take(stage: StageName, percent: int, overall: int) -> None:
    assert overall_percent(stage, percent) == overall


def test_it_reads_as_a_sentence() -> None:
    told = Progress(nonce="me", step="match", done=40, total=153, unit="pairs", percent=52)
    assert sentence(told) == "match: 40 of 153 pairs"
    assert sentence(told.model_copy(update={"total": None})) == "match: 40 pairs"
