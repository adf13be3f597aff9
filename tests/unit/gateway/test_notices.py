"""What a visitor reads of a job that has nothing to show."""

from typing import Any

import pytest

from pointcloud_api.resource import PointcloudJobStatus
from pointcloud_gateway.notices import Notice, notice_of
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.published import Job


def job(**status: Any) -> Job:
    return Job("a", "wall", "uid", PointcloudJobStatus.model_validate(status))


def condition(kind: str, message: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "reason": "Because",
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("status", "title", "detail"),
    [
        ({}, "wall is not finished yet", "Waiting for the operator to begin."),
        (
            {"phase": "Running", "progress": {"percent": 41, "display": "41%", "message": "7 of 18"}},
            "wall is not finished yet",
            "7 of 18",
        ),
        (
            {"phase": "Pending", "conditions": [condition("AwaitingUpload", "No file has arrived.")]},
            "wall waits for photos",
            "No file has arrived.",
        ),
        ({"phase": "Suspended"}, "wall is suspended", "It goes on where it stopped once it is resumed."),
    ],
)
def test_who_comes_too_early_is_told_why_and_looks_again(status: dict[str, Any], title: str, detail: str) -> None:
    notice = notice_of(job(**status))
    assert (notice.status, notice.title, notice.detail) == (503, title, detail)
    assert notice.headers["Retry-After"] == "5"
    page = notice.response(accept="text/html,*/*").body
    assert b'http-equiv="refresh" content="5"' in bytes(page)


def test_what_never_comes_is_not_waited_for() -> None:
    failed = job(phase="Failed", conditions=[condition("Failed", "The photos do not overlap.")])
    for notice, detail in [
        (notice_of(failed), "The photos do not overlap."),
        (notice_of(job(phase="Failed")), "kubectl describe says why."),
        (notice_of(None), "There is no PointcloudJob of this namespace and name."),
    ]:
        assert notice.status == 404
        assert notice.detail.startswith(detail)
        assert b"refresh" not in bytes(notice.response(accept="text/html").body)


def test_a_problem_is_a_page_for_people_and_a_document_for_programs() -> None:
    notice = Notice.of(Problem(410, "It is <gone>.", title="Gone", headers={"X-A": "b"}))
    page, document = notice.response(accept="text/html"), notice.response(accept="application/json")
    assert b"It is &lt;gone&gt;." in bytes(page.body)
    assert document.headers["content-type"] == "application/problem+json"
    assert {page.headers["x-a"], document.headers["x-a"]} == {"b"}
    assert {page.headers["vary"], document.headers["vary"]} == {"Accept"}
