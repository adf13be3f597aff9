"""Copies into the archive what only the store knows: the reconstruct stage's report, and which files arrived.

The store may be away while the database is there, so this goes at its own pace and holds up nothing.
"""

import asyncio
import json
import logging
from typing import Any, Final

from obstore.exceptions import BaseError

from pointcloud_api.names import StageName, artefact_path, result_path, stage_prefix
from pointcloud_api.resource import Phase
from pointcloud_api.stages import REPORT_FILE, StageResult
from pointcloud_gateway.archive import Archive
from pointcloud_gateway.database import ArchiveUnavailableError
from pointcloud_gateway.objects import ObjectMissingError, Objects
from pointcloud_gateway.uploads.records import Records, revision
from pointcloud_kube.api import Json

_log = logging.getLogger(__name__)

_MAX_REPORT_BYTES: Final = 8 << 20
_PAUSE_SECONDS: Final = 10.0
"""After a fault."""


class StoreCopies:
    """Fetches what is new of jobs that are recorded."""

    def __init__(self, archive: Archive, objects: Objects) -> None:
        self._archive = archive
        self._objects = objects
        self._records = Records(objects)
        self._reports: dict[str, str | None] = {}
        """By uid of the job, the key of the reconstruct stage whose report is in the archive."""
        self._revisions: dict[str, int] = {}
        """By uid of the job, the revision up to which its uploads are in the archive."""
        self._wanted: dict[str, Json] = {}
        self._woken = asyncio.Event()

    async def recall(self) -> None:
        """Ask the archive what it has, so that it is not fetched again. Raises ArchiveUnavailableError."""
        self._reports = dict(await self._archive.report_keys())
        self._revisions.clear()

    def consider(self, job: Json) -> None:
        """Fetch what the store has of a recorded job and the archive has not."""
        uid, key = job["metadata"]["uid"], reported_key(job)
        if (key is not None and key != self._reports.get(uid)) or revision(job) > self._revisions.get(uid, 0):
            self._wanted[uid] = job
            self._woken.set()

    def dismiss(self, uid: str) -> None:
        """Nothing more comes of a job that is gone, and of what has come there is no need to think."""
        self._reports.pop(uid, None)
        self._revisions.pop(uid, None)

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            for uid, job in list(self._wanted.items()):
                try:
                    await self._copy(uid, job)
                except (BaseError, OSError, ArchiveUnavailableError) as error:
                    _log.warning("the archive lacks the report or uploads of %s for now: %s", uid, error)
                    self._woken.set()
                    await asyncio.sleep(_PAUSE_SECONDS)
                    break
                except Exception:  # noqa: BLE001 - what cannot be read of one job is no reason to read of no other
                    _log.exception("the archive lacks the report or uploads of %s", uid)
                if self._wanted.get(uid) is job:
                    del self._wanted[uid]

    async def _copy(self, uid: str, job: Json) -> None:
        key = reported_key(job)
        if key is not None and key != self._reports.get(uid):
            report = await self._report(job, key)
            if report is not None:
                await self._archive.keep_report(uid, key, report)
            self._reports[uid] = key
        kept = self._revisions.get(uid, 0)
        if revision(job) > kept:
            await self._archive.record_uploads(job, await self._records.files(job, after=kept), None)
            self._revisions[uid] = revision(job)

    async def _report(self, job: Json, key: str) -> Json | None:
        """The report of a finished stage, None where there is none that could be kept."""
        metadata = job["metadata"]
        where = {"namespace": metadata["namespace"], "name": metadata["name"], "uid": metadata["uid"]}
        prefix = stage_prefix(stage=StageName.RECONSTRUCT, key=key, **where)
        try:
            result = StageResult.model_validate_json(await self._objects.read_all(result_path(prefix)))
            path = artefact_path(prefix, result.pod_uid, REPORT_FILE)
            if (await self._objects.stat(path)).size > _MAX_REPORT_BYTES:
                raise ValueError(f"it exceeds {_MAX_REPORT_BYTES} bytes")  # noqa: TRY301 - as any other report not kept
            report: Any = json.loads(await self._objects.read_all(path))
        except ObjectMissingError:
            return None
        except ValueError as error:
            _log.warning("the report of %s/%s is not kept: %s", metadata["namespace"], metadata["name"], error)
            return None
        return report if isinstance(report, dict) else None


def reported_key(job: Json) -> str | None:
    """The key of the reconstruct stage once it has succeeded."""
    for stage in (job.get("status") or {}).get("stages") or ():
        if stage["name"] == StageName.RECONSTRUCT and stage.get("phase") == Phase.SUCCEEDED:
            key: str = stage["key"]
            return key
    return None
