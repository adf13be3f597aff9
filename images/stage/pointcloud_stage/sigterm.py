"""Hears SIGTERM at any moment, for Python's own handlers wait until native code gives the main thread back."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any


class SigtermWatch:
    """Calls a function on a thread of its own when SIGTERM arrives, and ends the process after it."""

    def __init__(self, last: Callable[[], None]) -> None:
        self._last = last
        self._before: Any = signal.SIG_DFL
        self._writing = -1

    def begin(self) -> None:
        """Begin to listen; to be called by the main thread, as `end` is."""
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        threading.Thread(target=self._listen, args=[reading], name="sigterm", daemon=True).start()
        # Python writes the signal's number into the pipe at once, from whichever thread the kernel chose.
        signal.set_wakeup_fd(self._writing)
        self._before = signal.signal(signal.SIGTERM, lambda *_: None)

    def end(self) -> None:
        """Let SIGTERM do again what it did before."""
        signal.signal(signal.SIGTERM, self._before)
        signal.set_wakeup_fd(-1)
        os.close(self._writing)

    def _listen(self, reading: int) -> None:
        while number := os.read(reading, 1):
            if number[0] == signal.SIGTERM:
                self._end_process()
        os.close(reading)

    def _end_process(self) -> None:
        try:
            self._last()
        except Exception:  # noqa: BLE001 - the process ends in any case
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(1)
