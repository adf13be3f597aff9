"""Resumable uploads by the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload).

The library tuspyserver takes in a body before it asks who sends it, and keeps the offset in a file written after the
bytes, which a killed process leaves wrong, under locks; so this is our own, and the clients are kept libraries.
"""

from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.job_ids import JobId
from pointcloud_gateway.jobs import JobDirectory
from pointcloud_gateway.problems import JobNotFound, Problem
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads import tus_headers
from pointcloud_gateway.uploads.admission import check_accepts
from pointcloud_gateway.uploads.body import BodyCut
from pointcloud_gateway.uploads.storage import Upload, too_much
from pointcloud_gateway.uploads.tus_headers import BODY_TYPE, VERSION
from pointcloud_gateway.uploads.uploads import Uploads
from pointcloud_kube.api import Json

EXTENSIONS: Final = "creation,creation-with-upload,termination,expiration,checksum"
EXPOSED_HEADERS: Final = (
    "Location",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Expires",
)
"""Those of an answer that a page of another origin has to read."""


def tus_router(uploads: Uploads, access: Access, jobs: JobDirectory, settings: Settings) -> APIRouter:
    """The routes below /jobs/{job_id}/uploads."""
    service = _TusService(uploads, access, jobs, settings)
    router = APIRouter(route_class=_TusRoute, tags=["resumable uploads"])
    collection, one = "/jobs/{job_id}/uploads", "/jobs/{job_id}/uploads/{upload_id}"
    for path, method, endpoint in (
        (collection, "OPTIONS", service.describe),
        (one, "OPTIONS", service.describe),
        (collection, "POST", service.create),
        (one, "HEAD", service.show),
        (one, "PATCH", service.append),
        (one, "DELETE", service.give_up),
    ):
        router.add_api_route(path, endpoint, methods=[method], status_code=_STATUSES[method], response_class=Response)
    return router


_STATUSES: Final = {"OPTIONS": 204, "POST": 201, "HEAD": 200, "PATCH": 204, "DELETE": 204}


class _TusRoute(APIRoute):
    """Names the protocol's version in every answer, problems included."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route as FastAPI calls it."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                _check_version(request)
                response = await handle(request)
            except Problem as problem:
                response = problem.response(accept=request.headers.get("accept", ""))
            response.headers["Tus-Resumable"] = VERSION
            response.headers["Cache-Control"] = "no-store"
            return response

        return handler


class _TusService:
    def __init__(self, uploads: Uploads, access: Access, jobs: JobDirectory, settings: Settings) -> None:
        self._uploads = uploads
        self._access = access
        self._jobs = jobs
        self._settings = settings

    async def describe(self) -> Response:
        """What of tus this server knows."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._settings.max_file_bytes),
            "Tus-Checksum-Algorithm": ",".join(tus_headers.ALGORITHMS),
        }
        return Response(status_code=204, headers=headers)

    async def create(self, request: Request, job_id: str) -> Response:
        """Begin a resumable upload of one file of `Upload-Length` bytes, named by `filename` in `Upload-Metadata`.

        The body may hold its first bytes.
        """
        job, user = await self._job(request, job_id)
        _refuse_unknown_extensions(request)
        length = tus_headers.number("Upload-Length", request.headers.get("upload-length"))
        metadata = request.headers.get("upload-metadata", "")
        name = tus_headers.file_name(metadata)
        with_body = request.headers.get("content-type") == BODY_TYPE
        if with_body and _content_length(request) > length:
            raise too_much(length)
        headers: dict[str, str] = {}
        with self._uploads.admission.slot() if with_body else nullcontext():
            upload = await self._uploads.create(job, name=name, length=length, metadata=metadata)
            try:
                if with_body:
                    upload = await self._append(request, upload)
            except BodyCut as cut:  # the sender must learn the address, and goes on from there
                upload = await self._uploads.find(job, upload.id, user)
                headers |= cut.headers
        headers |= await self._progress(job, upload, user)
        headers["Location"] = f"uploads/{upload.id}"  # relative, so that it holds behind any proxy
        return Response(status_code=201, headers=headers)

    async def show(self, request: Request, job_id: str, upload_id: str) -> Response:
        """How much of an upload is stored."""
        job, user = await self._job(request, job_id)
        upload = await self._uploads.find(job, upload_id, user)
        headers = {"Upload-Length": str(upload.length), **await self._progress(job, upload, user)}
        if upload.announcement.metadata:
            headers["Upload-Metadata"] = upload.announcement.metadata
        return Response(status_code=200, headers=headers)

    async def append(self, request: Request, job_id: str, upload_id: str) -> Response:
        """Send the bytes of an upload from `Upload-Offset` on. With the last one, the job's next run includes it."""
        job, user = await self._job(request, job_id)
        if request.headers.get("content-type") != BODY_TYPE:
            raise Problem(415, f"The body of a PATCH is of the Content-Type {BODY_TYPE}.")
        offset = tus_headers.number("Upload-Offset", request.headers.get("upload-offset"))
        upload = await self._uploads.find(job, upload_id, user)
        if offset != upload.offset:
            detail = f"{upload.offset} bytes of the upload are stored: go on from there, not from {offset}."
            raise Problem(409, detail, headers={"Upload-Offset": str(upload.offset)})
        if offset + _content_length(request) > upload.length:
            raise too_much(upload.length)
        with self._uploads.admission.slot():
            upload = await self._append(request, upload)
        return Response(status_code=204, headers=await self._progress(job, upload, user))

    async def give_up(self, request: Request, job_id: str, upload_id: str) -> Response:
        """Give an upload up; what was stored of it is removed."""
        job, _ = await self._job(request, job_id)
        await self._uploads.give_up(job, upload_id)
        return Response(status_code=204)

    async def _job(self, request: Request, text: str) -> tuple[Json, User]:
        """The job, whose sender may send to it."""
        try:
            job_id = JobId.parse(text, default_namespace=self._settings.default_namespace)
        except ValueError:
            await self._access.user(request)
            raise JobNotFound(text) from None
        user = await self._access.require(request, "patch", job_id)
        job = await self._jobs.find(job_id)
        if job is None:
            raise JobNotFound(text)
        check_accepts(job)
        return job, user

    async def _append(self, request: Request, upload: Upload) -> Upload:
        expected = tus_headers.checksum(request.headers.get("upload-checksum"))
        return await self._uploads.append(upload, self._uploads.body(request), expected)

    async def _progress(self, job: Json, upload: Upload, user: User) -> dict[str, str]:
        """How far an upload is, in headers, once the job knows of it if it is whole."""
        if upload.recorded:
            return {"Upload-Offset": str(upload.length)}
        if upload.offset == upload.length:
            await self._uploads.complete(job, upload, user)
            return {"Upload-Offset": str(upload.length)}
        expires = tus_headers.http_date(self._uploads.expires_at(upload))
        return {"Upload-Offset": str(upload.offset), "Upload-Expires": expires}


def _check_version(request: Request) -> None:
    if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
        detail = f"This server speaks tus {VERSION}: send the header Tus-Resumable: {VERSION}."
        raise Problem(412, detail, headers={"Tus-Version": VERSION})


def _content_length(request: Request) -> int:
    return int(request.headers.get("content-length", "0"))  # the HTTP parser has seen that it is a number


def _refuse_unknown_extensions(request: Request) -> None:
    for header, instead in (
        ("Upload-Defer-Length", "announce the length in Upload-Length; an install has limits"),
        ("Upload-Concat", "send the file as one upload"),
    ):
        if header in request.headers:
            raise Problem(400, f"{header} is not supported: {instead}.")
