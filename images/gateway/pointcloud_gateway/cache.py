"""A small cache of answers from elsewhere, in which callers who ask the same at once share one question."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CoalescingCache(Generic[K, V]):
    """Values by key, each kept for its own time; the least recently used go first. Errors are not kept."""

    def __init__(
        self, load: Callable[[K], Awaitable[V]], *, lifetime: Callable[[V], float], max_entries: int = 4096
    ) -> None:
        self._load = load
        self._lifetime = lifetime
        """Seconds that a value is good for, counted from when it was asked for."""
        self._max_entries = max_entries
        self._values: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value, at most its lifetime old. Raises what loading raises."""
        if (kept := self._values.get(key)) is not None and time.monotonic() < kept[0]:
            self._values.move_to_end(key)
            return kept[1]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(key))
            self._loading[key] = task
        return await asyncio.shield(task)  # a caller who leaves takes the answer from nobody else

    def forget(self, key: K) -> None:
        """Ask anew the next time."""
        self._values.pop(key, None)

    async def _refresh(self, key: K) -> V:
        asked = time.monotonic()
        try:
            value = await self._load(key)
        finally:
            del self._loading[key]
        self._values[key] = (asked + self._lifetime(value), value)
        self._values.move_to_end(key)
        while len(self._values) > self._max_entries:
            self._values.popitem(last=False)
        return value
