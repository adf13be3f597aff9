"""Watches COLMAP's database while native code fills it, because that is where its progress can be counted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pycolmap

_POLL_SECONDS: Final = 0.5


@contextmanager
def watched(database: Path, count: Callable[[pycolmap.Database], int], report: Callable[[int], None]) -> Iterator[None]:
    """While the body runs, tell `report` what `count` finds in the database, and once more when it has ended.

    Counts through COLMAP's own SQLite and never through Python's: a process must not open one database by two copies
    of the library (https://sqlite.org/howtocorrupt.html, section 2.2.1).
    """
    with pycolmap.Database.open(database):
        pass  # its tables must exist before two connections meet
    ended = threading.Event()

    def poll() -> None:
        with pycolmap.Database.open(database) as connection:
            while not ended.wait(_POLL_SECONDS):
                report(count(connection))
            report(count(connection))

    poller = threading.Thread(target=poll, name="progress", daemon=True)
    poller.start()
    try:
        yield
    finally:
        ended.set()
        poller.join()
