"""Answers that are not success, as problem documents (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):  # noqa: N818 - an answer, not an error of ours
    """Ends a request with a status, and words that say what to do next.

    Args:
        status: Of HTTP.
        detail: What is wrong here, and what to do.
        title: Of all problems of this kind; by default HTTP's phrase for the status.
        headers: Of the answer, beside its type.
        extensions: Further members of the document, for programs.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def document(self) -> dict[str, Any]:
        """The problem document."""
        return {"title": self.title, "status": self.status, "detail": self.detail, **self.extensions}

    def response(self, *, accept: str = "") -> Response:
        """The problem document as an answer that nobody caches; some are pages to who accepts `text/html`."""
        del accept
        headers = {"Cache-Control": "no-store", **self.headers}
        return JSONResponse(self.document(), self.status, headers, media_type=MEDIA_TYPE)


async def answer_problem(request: Request, problem: Exception) -> Response:
    """The exception handler for Problem."""
    assert isinstance(problem, Problem)  # noqa: S101 - for mypy: registered for this class only
    return problem.response(accept=request.headers.get("accept", ""))


class JobNotFound(Problem):
    """There is no such PointcloudJob for who asks: not there, not theirs to see, or of an id nobody can have."""

    def __init__(self, job_id: str) -> None:
        detail = f"There is no job {job_id!r}, or it is not yours to see. GET /jobs lists those that are."
        super().__init__(404, detail, title="Job not found")
