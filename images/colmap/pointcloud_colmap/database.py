"""Watches COLMAP's database while native code fills it: its progress can be counted there, and its results be kept."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import pycolmap

from pointcloud_stage.checkpoint import Checkpoint

_OFTEN_SECONDS: Final = 0.5
_SELDOM_SECONDS: Final = 30.0
_SELDOM: Final = 20
_REST: Final = 20
"""Times as long as a look took, before the next: looking takes a twentieth of one processor at most."""

Look = Callable[[pycolmap.Database], None]


def often(_elapsed: float) -> float:
    """The pause between looks for somebody who waits for news; times are seconds."""
    return _OFTEN_SECONDS


def ever_less_often(elapsed: float) -> float:
    """The pause between looks that may miss at most a twentieth of the time that the work took so far; seconds."""
    return min(max(elapsed / _SELDOM, _OFTEN_SECONDS), _SELDOM_SECONDS)


@contextmanager
def watched(
    database: Path,
    look: Look,
    *,
    pause: Callable[[float], float] = often,
    checkpoint: Checkpoint | None = None,
) -> Iterator[None]:
    """While the body runs, look at the database now and then, and for the last time when it has ended.

    SIGTERM calls for a last look too, where `checkpoint` is what the look keeps things in.

    Looks through COLMAP's own SQLite and never through Python's: a process must not open one database by two copies
    of the library (https://sqlite.org/howtocorrupt.html, section 2.2.1).
    """
    looking = threading.Lock()
    ended = threading.Event()
    begun = time.monotonic()
    with pycolmap.Database.open(database) as connection:

        def once() -> float:
            """Look; give how many seconds that took."""
            start = time.monotonic()
            with looking:
                look(connection)
            return time.monotonic() - start

        def poll() -> None:
            took = 0.0
            while not ended.wait(max(pause(time.monotonic() - begun), _REST * took)):
                took = once()

        poller = threading.Thread(target=poll, name="watch", daemon=True)
        poller.start()
        with checkpoint.gathering(once) if checkpoint else nullcontext():
            try:
                yield
            finally:
                ended.set()
                poller.join()
            once()  # while SIGTERM still calls for a look: what native code did last is not lost to it
