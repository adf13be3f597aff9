"""The two endpoints that everything began with: send a file, ask how far it is."""

from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pointcloud_gateway.api.answers import json_answer
from pointcloud_gateway.api.lookup import JobIdPath, Lookup
from pointcloud_gateway.api.openapi import Responses, problems
from pointcloud_gateway.api.schemas import SeedError, SeedMessage, SeedStatus
from pointcloud_gateway.api.view import seed_view
from pointcloud_gateway.problems import JobNotFound
from pointcloud_gateway.uploads.uploads import Uploads

_NOT_FOUND: Final[Responses] = {
    404: {"model": SeedError, "description": "There is no such job, or it is not the caller's to see"}
}
_FORM: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "Photos, archives (zip, tar, tar.gz, tar.bz2, tar.xz) or videos; may repeat.",
                    }
                },
            }
        }
    },
}


def seed_router(lookup: Lookup, uploads: Uploads) -> APIRouter:
    """The routes, with what they need."""
    seed = _Seed(lookup, uploads)
    router = APIRouter(tags=["Upload and ask"])
    router.add_api_route(
        "/process/{job_id}",
        seed.process,
        methods=["POST"],
        operation_id="process",
        summary="Send files to a job",
        response_model=SeedMessage,
        responses={**problems(403, 408, 409, 413, 415, 507), **_NOT_FOUND},
        openapi_extra={"requestBody": _FORM},
    )
    router.add_api_route(
        "/job/{job_id}",
        seed.status,
        methods=["GET"],
        operation_id="getStatus",
        summary="How far a job is, in short",
        response_model=SeedStatus,
        responses={**_NOT_FOUND},
    )
    return router


class _Seed:
    def __init__(self, lookup: Lookup, uploads: Uploads) -> None:
        self._lookup = lookup
        self._uploads = uploads

    async def process(self, job_id: JobIdPath, request: Request) -> Response:
        """Send photos, archives or videos, as many as you like, in one request or in several.

        Files that arrive within the install's settling time start one run together. A file sent to a job that has
        ended starts a new run with all files of the job.
        """
        try:
            found = await self._lookup.changeable(request, job_id, "patch")
        except JobNotFound:
            return _not_found()
        await self._uploads.receive_form(request, found.resource, found.user)
        return json_answer(SeedMessage())

    async def status(self, job_id: JobIdPath, request: Request) -> Response:
        """One of four words, and the address of the point cloud once there is one."""
        try:
            found = await self._lookup.seen(request, job_id)
        except JobNotFound:
            return _not_found()
        return json_answer(seed_view(found.parsed, links=self._lookup.links, now=datetime.now(UTC)))


def _not_found() -> Response:
    return json_answer(SeedError(), 404)
