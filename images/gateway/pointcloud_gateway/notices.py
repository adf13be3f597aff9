"""What a visitor reads instead of a point cloud: in which state the job is, and when to come back."""

import html
from collections.abc import Mapping
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

from pointcloud_api.resource import ConditionType, Phase, PointcloudJobStatus
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.published import Job

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>{title}</title>
<style>
body {{ margin: 0; min-height: 100vh; display: grid; place-content: center; background: #14171c; color: #d7dce3;
        font: 1rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 34rem; padding: 2rem; }}
h1 {{ font-size: 1.4rem; color: #fff; }}
progress {{ width: 100%; height: .6rem; accent-color: #58a6ff; }}
</style>
</head>
<body><main><h1>{title}</h1>{progress}<p>{detail}</p>{hint}</main></body>
</html>
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LOOK_AGAIN_SECONDS: Final = 5


class Notice(Problem):
    """An answer in words, as a page for people and as a problem document for programs.

    Args:
        status: Of HTTP.
        title: The page's heading.
        detail: What is wrong here, and what to do.
        percent: How far a job is.
        retry_seconds: After which looking again makes sense; None when it does not.
        headers: Of the answer, beside its type.
    """

    def __init__(  # noqa: PLR0913 - what a page may say
        self,
        status: int,
        title: str,
        detail: str,
        *,
        percent: int | None = None,
        retry_seconds: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        retry = {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}
        super().__init__(status, detail, title=title, headers={"Vary": "Accept", **retry, **(headers or {})})
        self.percent = percent
        self.retry_seconds = retry_seconds

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """A problem, as a page too."""
        return cls(problem.status, problem.title, problem.detail, headers=problem.headers)

    def response(self, *, accept: str = "") -> Response:
        """The page to who accepts `text/html`, else the problem document."""
        if "text/html" not in accept:
            return super().response()
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY, **self.headers}
        return Response(self.html(), self.status, headers, media_type="text/html")

    def html(self) -> str:
        """The page; it loads itself again where that makes sense."""
        retry = self.retry_seconds
        return _PAGE.format(
            title=html.escape(self.title),
            detail=html.escape(self.detail),
            refresh="" if retry is None else f'<meta http-equiv="refresh" content="{retry}">',
            progress="" if self.percent is None else f'<progress max="100" value="{self.percent}"></progress>',
            hint="" if retry is None else f"<p>This page looks again every {retry} seconds.</p>",
        )


async def nothing_here(request: Request, _: Exception) -> Response:
    """The exception handler for addresses that lead nowhere."""
    return nothing().response(accept=request.headers.get("accept", ""))


def nothing() -> Notice:
    """What there is at an address that leads nowhere."""
    return Notice(404, "Nothing here", "There is nothing at this address. It may be misspelt.")


def removed() -> Notice:
    """That an octree is not, or not any more, in the store."""
    detail = (
        "This version of the point cloud was replaced by a newer one and removed. "
        "The point cloud's address without the last part leads to what there is now."
    )
    return Notice(404, "Not there any more", detail)


def notice_of(job: Job | None) -> Notice:
    """Why there is nothing to show for a job without a published point cloud."""
    if job is None:
        detail = "There is no PointcloudJob of this namespace and name. It may be misspelt, or have been deleted."
        return Notice(404, "No such point cloud", detail)
    status = job.status
    if status.phase is Phase.FAILED:
        return Notice(404, f"{job.name} failed", _message(status, ConditionType.FAILED) or "kubectl describe says why.")
    if status.phase is Phase.SUSPENDED:
        title, message = f"{job.name} is suspended", "It goes on where it stopped once it is resumed."
    elif waiting := _message(status, ConditionType.AWAITING_UPLOAD):
        title, message = f"{job.name} waits for photos", waiting
    else:
        title, message = f"{job.name} is not finished yet", status.progress.message if status.progress else ""
    percent = status.progress.percent if status.progress else 0
    message = message or "Waiting for the operator to begin."
    return Notice(503, title, message, percent=percent, retry_seconds=_LOOK_AGAIN_SECONDS)


def _message(status: PointcloudJobStatus, condition: ConditionType) -> str:
    """Of a condition that holds; empty for one that does not."""
    return next((c.message for c in status.conditions if c.type == condition and c.status == "True"), "")
