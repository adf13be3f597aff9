"""Counts what arrives against the install's limits, so that no stranger's archive fills a node."""

import threading

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import IngestLimits, Reason
from pointcloud_stage import StageFailure

ENTRIES_PER_IMAGE = 10
"""Files that may arrive for each image allowed: side-car files and thumbnails are common, millions of files are not."""


class Budget:
    """Bytes and files of one ingest stage. Threads may share it."""

    def __init__(self, limits: IngestLimits) -> None:
        self.limits = limits
        self._bytes = 0
        self._files = 0
        self._images = 0
        self._lock = threading.Lock()

    def take_file(self) -> None:
        """Counts one file of whatever kind. Raises StageFailure(LIMIT_EXCEEDED)."""
        with self._lock:
            self._files += 1
            if self._files > ENTRIES_PER_IMAGE * self.limits.max_images:
                raise limit_exceeded(self.limits, "max_images", f"more than {self._files - 1} files arrived")

    def take_images(self, count: int) -> None:
        """Counts photos, frames of videos included. Raises StageFailure(LIMIT_EXCEEDED)."""
        self._images += count
        if self._images > self.limits.max_images:
            raise limit_exceeded(self.limits, "max_images", f"it gives {self._images:,} photos")

    def take_bytes(self, count: int) -> None:
        """Counts bytes of a file as it arrives or is unpacked. Raises StageFailure(LIMIT_EXCEEDED)."""
        with self._lock:
            self._bytes += count
        self.check_bytes(0)

    def return_bytes(self, count: int) -> None:
        """Counts back bytes of a file whose contents take its place, or that is dropped."""
        with self._lock:
            self._bytes -= count

    def check_bytes(self, ahead: int) -> None:
        """Raises StageFailure(LIMIT_EXCEEDED) when that many more bytes, not yet counted, would be too many."""
        if self._bytes + ahead > self.limits.max_total_bytes:
            raise limit_exceeded(self.limits, "max_total_bytes", "the files together are larger")


def limit_exceeded(limits: IngestLimits, field: str, what: str) -> StageFailure:
    """The failure that names the limit as the install's values spell it, with its value."""
    return StageFailure(
        Reason.LIMIT_EXCEEDED,
        f"The source exceeds {limit_text(limits, field)}: {what}.",
        f"Give less in one job, or raise ingestLimits.{_wire_name(limits, field)} in the install's values.",
    )


def limit_text(limits: IngestLimits, field: str) -> str:
    """A limit with its value: `the limit maxImages of 5,000`."""
    return f"the limit {_wire_name(limits, field)} of {getattr(limits, field):,}"


def _wire_name(limits: ApiModel, field: str) -> str:
    alias = type(limits).model_fields[field].alias
    return alias or field
