"""One at a time: an advisory file lock that says what it waits for."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.cluster.console import say


@contextmanager
def exclusive(lock: Path, *, waiting_for: str) -> Iterator[None]:
    """Hold ``lock`` for the time of the block; when another process has it, say ``waiting_for`` once and wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
