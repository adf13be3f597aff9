"""Runs kernels, with an image's rows spread over threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, Protocol

_ROWS: Final = 8
"""Rows a task takes: few enough that all threads end together, more than starting a task costs."""


class Runner(Protocol):
    """Runs kernels, which are told what to work on by position alone."""

    def rows(self, kernel: Callable[..., None], height: int, *arguments: Any) -> None:
        """Call a kernel with the arguments, a first row and the row after the last, until `height` rows are done.

        A kernel must do the same whatever rows it is called with, in whatever order.
        """

    def whole(self, kernel: Callable[..., None], *arguments: Any) -> None:
        """Call a kernel that cannot be divided."""


class _Threads:
    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def rows(self, kernel: Callable[..., None], height: int, *arguments: Any) -> None:
        firsts = range(0, height, _ROWS)
        tasks = [self._pool.submit(kernel, *arguments, row, min(row + _ROWS, height)) for row in firsts]
        for task in tasks:
            task.result()

    def whole(self, kernel: Callable[..., None], *arguments: Any) -> None:
        kernel(*arguments)


@contextmanager
def running_on(threads: int) -> Iterator[Runner]:
    """Give a runner with so many threads, for as long as the body runs."""
    with ThreadPoolExecutor(threads) as pool:
        yield _Threads(pool)
