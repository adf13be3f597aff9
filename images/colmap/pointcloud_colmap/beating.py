"""Keeps a step from falling silent while native code works that tells nothing: what is known is told again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SECONDS: Final = 2.0


@contextmanager
def beating(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` at once, and on a thread of its own every few seconds while the body runs."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_SECONDS):
            tell()

    tell()
    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
