"""What may come in: whether a job takes files, how many and how large, and how many at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pointcloud_gateway.objects import Objects
from pointcloud_gateway.problems import Problem
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.uploads.layout import Layout
from pointcloud_gateway.uploads.records import Records
from pointcloud_gateway.uploads.storage import UploadStore
from pointcloud_kube.api import Json

_BUSY_SECONDS: Final = 5


@dataclass(frozen=True)
class Room:
    """What a job may still take in."""

    files: int
    size: int
    """Bytes."""
    settings: Settings

    def check(self, files: int, size: int) -> None:
        """Raise Problem (413) when that many files of that many bytes together are too much."""
        if files > self.files:
            limit = f"at most {self.settings.max_files} files (POINTCLOUD_MAX_FILES)"
        elif size > self.size:
            limit = f"at most {self.settings.max_job_bytes} bytes in all (POINTCLOUD_MAX_JOB_BYTES)"
        else:
            return
        raise Problem(413, f"This install takes {limit} for one job, with what is under way; make another job.")


class Admission:
    """Judges before bytes are taken in."""

    def __init__(self, objects: Objects, store: UploadStore, records: Records, settings: Settings) -> None:
        self._objects = objects
        self._store = store
        self._records = records
        self._settings = settings
        self._at_once = 0

    async def room(self, job: Json) -> Room:
        """What a job may still take in, beside what has arrived and what is announced.

        Two requests that ask at the same moment are told the same: the limits are against accidents, and who may
        send to a job is trusted not to count in milliseconds.
        """
        totals = await self._records.totals(job)
        coming = await self._store.announced(Layout.of(job))
        return Room(
            files=self._settings.max_files - totals.files - len(coming),
            size=self._settings.max_job_bytes - totals.size - sum(upload.length or 0 for upload in coming),
            settings=self._settings,
        )

    def check_file(self, size: int) -> None:
        """Raise Problem (413) for a file of too many bytes."""
        if size > self._settings.max_file_bytes:
            limit = f"{self._settings.max_file_bytes} bytes (POINTCLOUD_MAX_FILE_BYTES)"
            raise Problem(413, f"A file has at most {limit} in this install; split it, or send the photos one by one.")

    def check_space(self, size: int) -> None:
        """Raise StorageFullError where so many bytes would not fit into the store."""
        self._objects.check_room(size)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Holds one of the places for uploads under way. Raises Problem (503) when none is free."""
        if self._at_once >= self._settings.max_concurrent_uploads:
            detail = (
                f"{self._at_once} uploads are under way, as many as this server takes at once "
                "(POINTCLOUD_MAX_CONCURRENT_UPLOADS); try again in a moment."
            )
            raise Problem(503, detail, headers={"Retry-After": str(_BUSY_SECONDS)})
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1


def check_accepts(job: Json) -> None:
    """Raise Problem (409) for a job that takes no files."""
    name, source = job["metadata"]["name"], job["spec"]["source"]
    if job["metadata"].get("deletionTimestamp"):
        raise Problem(409, f"The job {name} is being deleted; wait until it is gone, or choose another.")
    if "upload" not in source:
        kind = next(iter({"urls", "persistentVolumeClaim"} & source.keys()), "something else")
        detail = (
            f"The job {name} takes its photos from source.{kind}; files go to a job with `source: {{upload: {{}}}}`."
        )
        raise Problem(409, detail)
