"""The work queue: which PointcloudJobs to look at next, fairly between namespaces, each by one worker at a time."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

FIRST_RETRY_SECONDS: Final = 0.2
MAX_RETRY_SECONDS: Final = 60.0
MAX_DOUBLINGS: Final = 16
"""Of the pause; more, after days of failures, would not fit a float."""


class Key(NamedTuple):
    """A PointcloudJob. The uid keeps a deleted one apart from its successor of the same name."""

    namespace: str
    uid: str


class WorkQueue:
    """Keys to work on, each at most once in the queue; one added while it is worked on comes again afterwards.

    Args:
        on_taken: Told how many seconds a key has waited in the queue.
    """

    def __init__(self, *, on_taken: Callable[[float], None] = lambda _seconds: None) -> None:
        self._on_taken = on_taken
        self._namespaces: OrderedDict[str, OrderedDict[Key, float]] = OrderedDict()
        """Since when each key waits, by namespace."""
        self._working: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, float] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._namespaces.values()))

    @property
    def age(self) -> float:
        """Seconds for which the oldest key has waited or been worked on; 0 when there is none."""
        waiting = (next(iter(keys.values())) for keys in self._namespaces.values())
        now = _now()
        return now - min((*waiting, *self._working.values()), default=now)

    def add(self, key: Key) -> None:
        """Asks for work on a key, now, or as soon as the server that asked to be left alone may be asked again."""
        if key in self._working:
            self._again.add(key)
        elif (wait := self._not_before.get(key, 0.0) - _now()) > 0:
            self.add_after(key, wait)
        else:
            self._namespaces.setdefault(key.namespace, OrderedDict()).setdefault(key, _now())
            self._wake_one()

    def add_after(self, key: Key, seconds: float) -> None:
        """Asks for work on a key later; of several times the earliest counts. The event loop's heap keeps them."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= at:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(at, self._due, key)

    def retry(self, key: Key, *, after: float = 0.0) -> None:
        """Asks for work on a key that has failed, later and later.

        Args:
            key: What failed.
            after: Seconds for which a server has asked to be left alone; until then nothing brings the key back.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures - 1, MAX_DOUBLINGS))
        if after > 0:
            self._not_before[key] = _now() + after
        self.add_after(key, max(after, pause * random.uniform(0.8, 1.2)))  # noqa: S311 - jitter

    def succeeded(self, key: Key) -> None:
        """Forgets the failures of a key."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drops everything about a key whose PointcloudJob is gone."""
        self.succeeded(key)
        self._again.discard(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()
        keys = self._namespaces.get(key.namespace, OrderedDict())
        if key in keys:
            del keys[key]
            if not keys:
                del self._namespaces[key.namespace]

    async def get(self) -> Key:
        """The next key, of the namespace that has waited longest. `done` must follow."""
        while not self._namespaces:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        namespace, keys = self._namespaces.popitem(last=False)
        key, since = keys.popitem(last=False)
        if keys:
            self._namespaces[namespace] = keys
            self._wake_one()
        self._working[key] = _now()
        self._on_taken(_now() - since)
        return key

    def done(self, key: Key) -> None:
        """Ends the work on a key."""
        del self._working[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake_one(self) -> None:
        waiter = next((each for each in self._waiters if not each.done()), None)
        if waiter is not None:
            waiter.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
