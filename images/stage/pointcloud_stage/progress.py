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
        self._furthest: tuple[str, float] | None = None
        """Of the steps told of, the one that is furthest on, and what part of it is done."""
        self._spared = 0.0
        self._last = ("", 0.0)

    def plan(self, **shares: float) -> None:
        """Declares the steps in their order with their shares of the stage's time, in any unit.

        Storing the result is a last step, `upload`, which the library reports itself, and adds where no share of it is
        given. A stage that comes to know its shares better may declare the same steps again.
        """
        others = sum(share for step, share in shares.items() if step != UPLOAD_STEP)
        shares.setdefault(UPLOAD_STEP, others * UPLOAD_SHARE / (1 - UPLOAD_SHARE))
        whole = sum(shares.values())
        start = 0.0
        spans = {}
        for step, share in shares.items():
            spans[step] = (start, share / whole)
            start += share / whole
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
            self._reach(step, min(done / total, 1.0) if total else 0.0)
            if not self._is_news(step, finished=total is not None and done >= total):
                return
            self._send(
                Progress(
                    nonce=self._nonce,
                    step=step,
                    done=done,
                    total=total,
                    unit=unit,
                    percent=self._percent,
                    spared=_percent(self._spared),
                )
            )

    def _reach(self, step: str, part: float) -> None:
        """What a step has done when it is first told of took no time, and neither did the steps passed over."""
        reached = self._position(*self._furthest) if self._furthest else 0.0
        position = self._position(step, part)
        self._percent = max(self._percent, _percent(position))
        if position < reached:
            return
        if self._furthest is None or step != self._furthest[0]:
            self._spared += position - reached
        self._furthest = (step, part)

    def _position(self, step: str, part: float) -> float:
        start, share = self._spans[step]
        return start + share * part

    def _is_news(self, step: str, *, finished: bool) -> bool:
        now = self._clock()
        step_before, sent = self._last
        if step_before == step and not finished and now - sent < INTERVAL_SECONDS:
            return False
        self._last = (step, now)
        return True


def _percent(part: float) -> int:
    return int(100 * part + 1e-9)
