"""The work queue: which PointcloudJobs to look at next, fairly between namespaces, each by one worker at a time."""

import asyncio
import random
from collections import OrderedDict
from typing import Final, NamedTuple

FIRST_RETRY_SECONDS: Final = 0.2
MAX_RETRY_SECONDS: Final = 60.0


class Key(NamedTuple):
    """A PointcloudJob. The uid keeps a deleted one apart from its successor of the same name."""

    namespace: str
    uid: str


class WorkQueue:
    """Keys to work on, each at most once in the queue; one added while it is worked on comes again afterwards."""

    def __init__(self) -> None:
        self._namespaces: OrderedDict[str, OrderedDict[Key, None]] = OrderedDict()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    def add(self, key: Key) -> None:
        """Asks for work on a key, now."""
        if key in self._working:
            self._again.add(key)
            return
        self._namespaces.setdefault(key.namespace, OrderedDict())[key] = None
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

    def retry(self, key: Key) -> None:
        """Asks for work on a key that has failed, later and later."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** (failures - 1))
        self.add_after(key, pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def succeeded(self, key: Key) -> None:
        """Forgets the failures of a key."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drops everything about a key whose PointcloudJob is gone."""
        self.succeeded(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()

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
        key, _ = keys.popitem(last=False)
        if keys:
            self._namespaces[namespace] = keys
            self._wake_one()
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """Ends the work on a key."""
        self._working.discard(key)
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
