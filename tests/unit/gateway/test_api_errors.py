"""Whatever goes wrong in a route is answered by a problem document that says what to do, and holds nothing internal."""

import logging
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from pointcloud_gateway.api.errors import UnexpectedErrors, exception_handlers
from pointcloud_gateway.cluster import (
    ClusterUnavailableError,
    JobConflictError,
    JobExistsError,
    JobMissingError,
    JobRefusedError,
)
from pointcloud_gateway.database import ArchiveUnavailableError
from pointcloud_gateway.objects import StorageFullError
from pointcloud_gateway.problems import JobNotFound, Problem

INTERNAL = "table jobs, line 7"


async def answer(error: Exception) -> httpx.Response:
    """What a route that raises `error` is answered by."""
    app = FastAPI(exception_handlers=exception_handlers(), middleware=[Middleware(UnexpectedErrors)])

    @app.get("/route")
    async def route() -> None:
        raise error

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.get("/route")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (Problem(418, "No coffee here."), 418, "No coffee here."),
        (JobNotFound("statue"), 404, "'statue'"),
        (HTTPException(405, headers={"Allow": "GET"}), 405, "Allow"),
        (HTTPException(413), 413, "too large"),
        (ClientDisconnect(), 400, "Send it again"),
        (ClusterUnavailableError("the API server does not answer"), 503, "the API server does not answer"),
        (ArchiveUnavailableError("the archive's database is out of order"), 503, "out of order"),
        (StorageFullError("no space is left"), 507, "no space is left"),
        (JobRefusedError("exceeded quota"), 422, "exceeded quota"),
        (JobExistsError(INTERNAL), 409, "of this name"),
        (JobConflictError(INTERNAL), 409, "try again"),
        (JobMissingError(INTERNAL), 404, "deleted"),
    ],
)
async def test_each_error_has_its_status_and_says_what_to_do(error: Exception, status: int, says: str) -> None:
    response = await answer(error)
    document = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert document["status"] == status
    assert says in document["detail"]
    assert INTERNAL not in response.text
    assert ("retry-after" in response.headers) == (status == 503)


async def test_a_defect_is_told_by_a_number_that_the_log_has_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = await answer(RuntimeError(INTERNAL))
    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert INTERNAL not in response.text
    number = re.fullmatch(r"urn:error:([0-9a-f]{16})", response.json()["instance"])
    assert number is not None
    assert number[1] in caplog.text
    assert INTERNAL in caplog.text


async def test_an_answer_that_has_begun_is_cut_and_not_added_to() -> None:
    app = FastAPI(exception_handlers=exception_handlers(), middleware=[Middleware(UnexpectedErrors)])

    @app.get("/route", response_class=StreamingResponse)
    async def route(_: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError(INTERNAL)

        return StreamingResponse(body())

    transport = httpx.ASGITransport(app)
    with pytest.raises(RuntimeError):
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await client.get("/route")
