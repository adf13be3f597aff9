"""What the working process tells its supervisor, one JSON line each, over a pipe of its own.

A pipe beside stdout, so that nothing printed by native code or named by a stranger's file can be taken for it.
"""

import os
import threading

from pointcloud_api.base import ApiModel
from pointcloud_api.stages import ExitCode, Progress, StageError, StageResult


class Report(ApiModel):
    """Exactly one of progress, result and error; a result or an error is the last report."""

    progress: Progress | None = None
    result: StageResult | None = None
    error: StageError | None = None
    exit_code: ExitCode = ExitCode.DONE


class Channel:
    """The working process's end of the pipe. Threads may share it."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the name says it
        self._stream = os.fdopen(descriptor, "wb")
        self._lock = threading.Lock()

    def send(self, report: Report) -> None:
        """Writes one report, whole, at once."""
        with self._lock:
            self._stream.write(report.model_dump_json(exclude_none=True).encode() + b"\n")
            self._stream.flush()
