"""How long each step takes, as the report tells it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the body."""
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 2)
