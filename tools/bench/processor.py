"""What processes cost: processor seconds by step within one, and peak memory of a tree of them."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_LOOK_SECONDS: Final = 0.1


def reset_peak() -> None:
    """Let `peak_memory` count from what this process has now: https://docs.kernel.org/filesystems/proc.html."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory(process: int | str = "self") -> int:
    """The most bytes that a process has had in memory; OSError when it is gone.

    What getrusage tells of a process that was forked begins with its parent's peak.
    """
    told = Path(f"/proc/{process}/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()
    if not told:
        raise ProcessLookupError(f"process {process} has ended")
    return 1024 * int(told[0])


class Steps:
    """Adds up the seconds of all processors that this process takes in named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the body."""
        before = os.times()
        yield
        after = os.times()
        self.seconds[name] = round(after.user + after.system - before.user - before.system, 2)


class PeakMemory:
    """Sums up the most that each process of a tree had in memory: at least what all had at one time.

    Looks often, because a process that is gone tells nothing; what the kernel tells is the peak until then.
    """

    def __init__(self, root: int) -> None:
        """`root` is the number of the first process."""
        self._root = root
        self._peaks: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Bytes."""
        self._ended.set()
        self._thread.join()
        return sum(self._peaks.values())

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look(self._root)

    def _look(self, process: int) -> None:
        with suppress(OSError):
            self._peaks[process] = max(self._peaks.get(process, 0), peak_memory(process))
            for task in Path(f"/proc/{process}/task").iterdir():
                for child in (task / "children").read_text(encoding="ascii").split():
                    self._look(int(child))
