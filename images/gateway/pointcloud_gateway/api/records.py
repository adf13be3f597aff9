"""What a job leaves beside its point cloud: logs, the report, outputs, its files, its webhooks' deliveries."""

from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from pointcloud_api.names import StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.resource import Phase, StageStatus
from pointcloud_api.stages import LOG_FILE, OUTPUT_MANIFEST, REPORT_FILE, OutputManifest, StageResult
from pointcloud_gateway.api.answers import json_answer
from pointcloud_gateway.api.lookup import JobIdPath, Lookup
from pointcloud_gateway.api.openapi import problems
from pointcloud_gateway.api.pods import PodLogs
from pointcloud_gateway.api.schemas import (
    DeliveryList,
    FileList,
    OutputFile,
    OutputList,
    StoredFile,
    WebhookDelivery,
)
from pointcloud_gateway.api.view import ParsedJob
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.delivery import deliver
from pointcloud_gateway.objects import ObjectMissingError, Objects, Stat
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.uploads.uploads import Uploads

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
_BYTES: Final = "application/octet-stream"
_NO_OUTPUTS: Final = "There is nothing to download yet, or no more; the stage reconstruct makes it when it succeeds."


def records_router(
    lookup: Lookup, objects: Objects, archive: Archive, uploads: Uploads, pod_logs: PodLogs | None
) -> APIRouter:
    """The routes, with what they need; without `pod_logs`, logs of running pods are not read."""
    records = _Records(lookup, objects, archive, uploads, pod_logs)
    router = APIRouter(tags=["Following"])
    router.add_api_route(
        "/jobs/{job_id}/logs",
        records.logs,
        operation_id="getLogs",
        summary="The log of a stage",
        response_class=PlainTextResponse,
        responses={200: {"description": "The log", "content": {"text/plain": {}}}, **problems(404)},
    )
    router.add_api_route(
        "/jobs/{job_id}/report",
        records.report,
        operation_id="getReport",
        summary="The reconstruction's account of itself",
        response_model=dict,
        responses=problems(404),
    )
    router.add_api_route(
        "/jobs/{job_id}/outputs",
        records.outputs,
        operation_id="listOutputs",
        summary="What there is to download of the reconstruction",
        response_model=OutputList,
        responses=problems(404),
    )
    router.add_api_route(
        "/jobs/{job_id}/outputs/{path:path}",
        records.output,
        operation_id="getOutput",
        summary="One of the reconstruction's files",
        response_class=Response,
        responses={200: {"description": "The file", "content": {_BYTES: {}}}, **problems(404)},
    )
    router.add_api_route(
        "/jobs/{job_id}/files",
        records.files,
        operation_id="listFiles",
        summary="The files that a job has received",
        response_model=FileList,
    )
    router.add_api_route(
        "/jobs/{job_id}/deliveries",
        records.deliveries,
        operation_id="listDeliveries",
        summary="What became of the messages to a job's webhooks",
        response_model=DeliveryList,
    )
    return router


class _Records:
    def __init__(
        self, lookup: Lookup, objects: Objects, archive: Archive, uploads: Uploads, pod_logs: PodLogs | None
    ) -> None:
        self._lookup = lookup
        self._objects = objects
        self._archive = archive
        self._uploads = uploads
        self._pod_logs = pod_logs

    async def logs(
        self,
        job_id: JobIdPath,
        request: Request,
        *,
        stage: Annotated[StageName | None, Query(description="By default the one that runs, or that ran last.")] = None,
        follow: Annotated[bool, Query(description="Whether to wait for more while the stage runs.")] = False,
    ) -> Response:
        """Of the pod that runs or, once it has ended, of the one that made the result or tried last."""
        found = await self._lookup.seen(request, job_id)
        begun = _begun(found.parsed, stage)
        if begun.phase is Phase.RUNNING and self._pod_logs is not None:
            log = await self._pod_logs.read(found.parsed.id, begun, follow=follow)
            if log is not None:
                return _text(log)
        stat = await self._stored_log(_prefix(found.parsed, begun))
        if stat is None:
            raise Problem(404, f"The stage {begun.name} has left no log yet. Ask again once its pod has run.")
        return deliver(request, self._objects, stat, media_type=_TEXT, headers={"Cache-Control": "no-cache"})

    async def report(self, job_id: JobIdPath, request: Request) -> Response:
        """Cameras, points and errors, as the stage `reconstruct` wrote them down."""
        found = await self._lookup.seen(request, job_id)
        begun = found.parsed.status.stage_named(StageName.RECONSTRUCT)
        if begun is not None:
            try:
                stat = await self._winners(_prefix(found.parsed, begun), REPORT_FILE)
                return deliver(request, self._objects, stat, media_type=_JSON, headers={"Cache-Control": "no-cache"})
            except ObjectMissingError:
                pass  # not yet, or no more
        report = await self._archive.report(found.parsed.uid)
        if report is None:
            raise Problem(404, "There is no report yet; the stage reconstruct writes one when it succeeds.")
        return JSONResponse(report)

    async def outputs(self, job_id: JobIdPath, request: Request) -> Response:
        """Points as LAZ and PLY, COLMAP's model, cameras for trainers of Gaussian splats, and what was asked for."""
        found = await self._lookup.seen(request, job_id)
        manifest, _ = await self._manifest(found.parsed)
        return json_answer(OutputList(items=[OutputFile(**file.model_dump()) for file in manifest.files]))

    async def output(self, job_id: JobIdPath, path: str, request: Request) -> Response:
        """Whole, or the range asked for."""
        found = await self._lookup.seen(request, job_id)
        manifest, folder = await self._manifest(found.parsed)
        if not any(file.path == path for file in manifest.files):
            raise Problem(404, "The reconstruction left no such file: list its outputs.")
        try:
            stat = await self._objects.stat(f"{folder}{path}")
        except ObjectMissingError:
            raise Problem(404, _NO_OUTPUTS) from None
        name = quote(f"{found.parsed.id.name}-{PurePosixPath(path).name}")
        headers = {"Cache-Control": "no-cache", "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return deliver(request, self._objects, stat, media_type=_BYTES, headers=headers)

    async def _manifest(self, job: ParsedJob) -> tuple[OutputManifest, str]:
        """What the reconstruction left, and the folder that holds it, with its slash. Raises Problem (404)."""
        begun = job.status.stage_named(StageName.RECONSTRUCT)
        if begun is None:
            raise Problem(404, _NO_OUTPUTS)
        try:
            stat = await self._winners(_prefix(job, begun), OUTPUT_MANIFEST)
            manifest = OutputManifest.model_validate_json(await self._objects.read_all(stat.path))
        except ObjectMissingError:
            raise Problem(404, _NO_OUTPUTS) from None
        return manifest, stat.path.removesuffix(OUTPUT_MANIFEST)

    async def files(self, job_id: JobIdPath, request: Request) -> Response:
        """Those that have arrived whole, in the order of their arrival."""
        found = await self._lookup.seen(request, job_id)
        files = await self._uploads.files(found.resource)
        return json_answer(
            FileList(items=[StoredFile(id=f.id, name=f.name, size=f.size, received_at=f.received_at) for f in files])
        )

    async def deliveries(self, job_id: JobIdPath, request: Request) -> Response:
        """Newest first."""
        found = await self._lookup.seen(request, job_id)
        deliveries = await self._archive.deliveries(found.parsed.uid)
        items = [WebhookDelivery.model_validate(each, from_attributes=True) for each in deliveries]
        return json_answer(DeliveryList(items=items))

    async def _winners(self, prefix: str, path: str) -> Stat:
        """A file of the pod that made a stage's result. Raises ObjectMissingError."""
        result = StageResult.model_validate_json(await self._objects.read_all(result_path(prefix)))
        return await self._objects.stat(artefact_path(prefix, result.pod_uid, path))

    async def _stored_log(self, prefix: str) -> Stat | None:
        try:
            return await self._winners(prefix, LOG_FILE)
        except ObjectMissingError:
            logs = [await self._log_in(folder) for folder in await self._objects.folders(prefix)]
            return max((log for log in logs if log is not None), key=lambda log: log.modified, default=None)

    async def _log_in(self, folder: str) -> Stat | None:
        try:
            return await self._objects.stat(f"{folder}/{LOG_FILE}")
        except ObjectMissingError:
            return None


def _begun(job: ParsedJob, name: StageName | None) -> StageStatus:
    """The stage of that name, or the last that has begun. Raises Problem (404)."""
    begun = job.status.stages
    wanted = name or job.status.stage or (begun[-1].name if begun else None)
    stage = next((each for each in begun if each.name == wanted), None)
    if stage is None:
        raise Problem(404, f"The stage {name} has not begun." if name else "No stage has begun.")
    return stage


def _prefix(job: ParsedJob, stage: StageStatus) -> str:
    return stage_prefix(stage=stage.name, namespace=job.id.namespace, name=job.id.name, uid=job.uid, key=stage.key)


def _text(log: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(log, media_type=_TEXT, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
