"""The pod's stdout: lines of progress that can be trusted, and everybody else's lines made harmless.

Photos are named by strangers and decoders print what they please. So what a child process prints is escaped, cut
and copied into the log that outlives the pod, and none of it can look like a line of progress.
"""

import os
import threading
from pathlib import Path
from typing import BinaryIO, Final

from pointcloud_api.stages import Progress, ProgressLine

MAX_LINE: Final = 2000
"""Bytes of a line that are kept."""
MAX_LOG: Final = 64 << 20
"""Bytes of the kept log: a decoder in a loop shall not fill the scratch."""
_STACK_MARKS: Final = ("@", "***")
"""How glog begins the lines of a stack, which explain a death to nobody."""


class Console:
    """Owns a stream (stdout) and a log file. Threads may share it."""

    def __init__(self, stream: BinaryIO, log: Path) -> None:
        self._descriptor = stream.fileno()
        self._log: BinaryIO | None = log.open("wb", buffering=0)
        self._logged = 0
        self._lock = threading.Lock()
        self.last_line = ""
        """The latest line that was not progress, for a message about a process that died."""

    def progress(self, progress: Progress) -> None:
        """Prints one line of progress; the log does not need it."""
        line = ProgressLine(progress=progress).model_dump_json(exclude_none=True)
        with self._lock:
            os.write(self._descriptor, line.encode() + b"\n")

    def line(self, raw: bytes) -> None:
        """Prints and logs one line of whatever origin."""
        text = escape(raw)
        data = text.encode() + b"\n"
        with self._lock:
            if text and not text.lstrip().startswith(_STACK_MARKS):
                self.last_line = text
            os.write(self._descriptor, data)
            self._keep(data)

    def copy(self, stream: BinaryIO) -> None:
        """Passes a child's output on, line by line, until its end."""
        while piece := stream.readline(MAX_LINE + 1):
            self.line(piece)
            while piece and not piece.endswith(b"\n"):
                piece = stream.readline(MAX_LINE + 1)

    def _keep(self, data: bytes) -> None:
        """A log that cannot be written is given up, for the work matters more."""
        if self._log is None:
            return
        try:
            self._log.write(data)
            self._logged += len(data)
        except OSError:
            self._logged = MAX_LOG
        if self._logged >= MAX_LOG:
            self._log.close()
            self._log = None


def escape(raw: bytes) -> str:
    r"""One printable line: control characters and bytes that are no UTF-8 as `\x..`, cut at `MAX_LINE` bytes.

    A line that begins with `{` gets a mark before it, since a line of progress begins so.
    """
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    cut = len(raw) > MAX_LINE
    text = raw[:MAX_LINE].decode(errors="backslashreplace")
    text = "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
    if text.lstrip().startswith("{"):
        text = f"| {text}"
    return f"{text} …" if cut else text
