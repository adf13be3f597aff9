"""Turns "40 of 153 pairs matched" into a percentage of the whole stage, at a rate that a log can bear."""

import threading
import time
from collections.abc import Callable
from typing import Final

from pointcloud_api.stages import Progress

UPLOAD_STEP: Final = "upload"
UPLOAD_SHARE: Final = 0.05
"""Of the whole stage: what is left for storing its result."""
INTERVAL_SECONDS: Final = 1.0
"""Between two lines of one step. The operator reads at most one line in some seconds anyway."""


class Reporter:
    """Where a stage program says how far it is. Threads may share it.

    `send` is given each line of progress; `nonce` is the pod's uid.
    """

    def __init__(
        self, send: Callable[[Progress], None], *, nonce: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._nonce = nonce
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: dict[str, tuple[float, float]] = {UPLOAD_STEP: (0.0, 1.0)}
        self._percent = 0
        self._last = ("", 0.0)

    def plan(self, **shares: int) -> None:
        """Declares the steps in their order with their shares of the stage's time, in any unit.

        Storing the result is a last step, `upload`, which the library adds and reports itself.
        """
        scale = (1 - UPLOAD_SHARE) / sum(shares.values())
        start = 0.0
        spans = {}
        for step, share in shares.items():
            spans[step] = (start, share * scale)
            start += share * scale
        spans[UPLOAD_STEP] = (start, UPLOAD_SHARE)
        with self._lock:
            self._spans = spans

    def update(self, step: str, done: int, total: int | None, unit: str) -> None:
        """Says that `done` of `total` units of a planned step are done; total is None while it is not known.

        Most calls cost a comparison: only the first and the last of a step, and one a second between, are sent.
        The percentage never goes back. Raises ValueError for a step that was not planned.
        """
        with self._lock:
            if step not in self._spans:
                raise ValueError(f"step {step!r} is not planned: {', '.join(self._spans)} are")
            start, share = self._spans[step]
            fraction = min(done / total, 1.0) if total else 0.0
            self._percent = max(self._percent, int(100 * (start + share * fraction) + 1e-9))
            if not self._is_news(step, finished=total is not None and done >= total):
                return
            self._send(Progress(nonce=self._nonce, step=step, done=done, total=total, unit=unit, percent=self._percent))

    def _is_news(self, step: str, *, finished: bool) -> bool:
        now = self._clock()
        step_before, sent = self._last
        if step_before == step and not finished and now - sent < INTERVAL_SECONDS:
            return False
        self._last = (step, now)
        return True
