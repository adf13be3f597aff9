"""Runs work on several threads and hands back what comes of it in the order in which it was asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """So many threads. The work must let go of Python's lock, as compiled kernels and Brotli do."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Begin nothing new and wait for what is under way, as it writes to memory that others use."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        """Begin it when a thread is free."""
        return self._pool.submit(work)

    def in_order(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results in the items' order.

        At most two items a thread, and one more, are under way or wait to be taken.
        """
        running: deque[Future[Result]] = deque()
        for item in items:
            running.append(self._pool.submit(function, item))
            if len(running) > 2 * self._threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
