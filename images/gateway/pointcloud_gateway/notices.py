"""What a visitor reads instead of a point cloud: in which state the job is, and when to come back."""

import html
from typing import Any, Final

from pointcloud_api.resource import ConditionType, Phase, PointcloudJobStatus
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


class Notice(Exception):  # noqa: N818 - an answer, not an error of ours
    """An answer in words, as a page for people and as a problem document (RFC 9457) for programs."""

    def __init__(
        self, status: int, title: str, detail: str, *, percent: int | None = None, retry_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.percent = percent
        self.retry_seconds = retry_seconds
        """After which looking again makes sense; None when it does not."""

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

    def problem(self) -> dict[str, Any]:
        """The problem document."""
        return {"title": self.title, "status": self.status, "detail": self.detail}


def notice_of(job: Job | None) -> Notice:
    """Why there is nothing to show for a job without a published point cloud."""
    if job is None:
        detail = "There is no PointcloudJob of this namespace and name. It may be misspelt, or have been deleted."
        return Notice(404, "No such point cloud", detail)
    status = job.status
    if status.phase is Phase.FAILED:
        return Notice(404, f"{job.name} failed", _failure(status))
    percent = status.progress.percent if status.progress else 0
    message = (status.progress.message if status.progress else "") or "Waiting for the operator to begin."
    return Notice(503, f"{job.name} is not finished yet", message, percent=percent, retry_seconds=5)


def _failure(status: PointcloudJobStatus) -> str:
    failed = next((c for c in status.conditions if c.type == ConditionType.FAILED and c.status == "True"), None)
    return failed.message if failed and failed.message else "kubectl describe says why."
