"""A cache of the API server's objects of one kind, kept current by a list and a watch, indexed by their owner.

The official client's `SharedInformer` (37.0) does the same for typed objects in a thread; with plain dicts its watch
never learns a resourceVersion to resume from, it asks for no bookmarks, cannot tell when it has synced, and waits for
ever on a connection that has gone silent.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp

from pointcloud_kube.api import ApiError, ApiServer, Json

_log = logging.getLogger(__name__)

PAGE: Final = 500
WATCH_SECONDS: Final = 300
"""After which the server ends a watch; it is resumed, and bookmarks arrive once a minute before that."""
SILENCE_SECONDS: Final = 120
MAX_BACKOFF_SECONDS: Final = 10.0

OnChange = Callable[[Json], None]


class OwnedCache:
    """Objects by uid and by the uid of their controller. An object never goes back in resourceVersion."""

    def __init__(self) -> None:
        self._objects: dict[str, Json] = {}
        self._by_owner: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def owned_by(self, uid: str) -> list[Json]:
        """The objects whose controller has that uid, oldest first."""
        owned = (self._objects[each] for each in self._by_owner.get(uid, ()))
        return sorted(owned, key=lambda o: (o["metadata"]["creationTimestamp"], o["metadata"]["name"]))

    def all(self) -> list[Json]:
        """Every object, in no particular order."""
        return list(self._objects.values())

    def get(self, uid: str) -> Json | None:
        """The object of that uid."""
        return self._objects.get(uid)

    def put(self, obj: Json) -> bool:
        """Takes an object in; False when it is no newer than what is held."""
        uid = obj["metadata"]["uid"]
        held = self._objects.get(uid)
        if held is not None and version(obj) <= version(held):
            return False
        obj["metadata"].pop("managedFields", None)
        self._objects[uid] = obj
        self._by_owner.setdefault(owner_uid(obj), set()).add(uid)
        return True

    def renew(self, obj: Json) -> bool:
        """Takes in what a write answered; False when it is no news, or the object has gone in the meantime."""
        return obj["metadata"]["uid"] in self._objects and self.put(obj)

    def remove(self, uid: str) -> Json | None:
        """Forgets an object; returns what was held of it."""
        held = self._objects.pop(uid, None)
        if held is not None:
            siblings = self._by_owner[owner_uid(held)]
            siblings.discard(uid)
            if not siblings:
                del self._by_owner[owner_uid(held)]
        return held

    def absent_from(self, uids: Iterable[str]) -> set[str]:
        """The uids held that are not among those given."""
        return set(self._objects) - set(uids)


def version(obj: Json) -> int:
    """The resourceVersion, which Kubernetes (1.35) declares comparable as a number."""
    return int(obj["metadata"]["resourceVersion"])


def owner_uid(obj: Json) -> str:
    """The uid of the object's controller, empty where it has none."""
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


class Reflector:
    """Keeps an OwnedCache like the API server's list.

    Args:
        api: The API server.
        path: Of the list, such as /apis/batch/v1/jobs.
        selector: The labels that objects must carry.
        on_change: Called with an object that was added or changed, or with the last that was known of one deleted.
    """

    def __init__(self, api: ApiServer, path: str, *, selector: str, on_change: OnChange) -> None:
        self._api = api
        self._path = path
        self._selector = selector
        self._on_change = on_change
        self._resume_from = ""
        self._backoff = 0.0
        """Seconds, of the last pause after trouble; none counts once a watch has brought something again."""
        self.cache = OwnedCache()
        self.synced = asyncio.Event()
        self.heard = time.monotonic()
        """When the API server last answered or sent something, on the monotonic clock."""
        self.tried = self.heard
        """When it was last asked: one that is asked in vain is away, one that is not even asked is stuck in here."""

    @property
    def position(self) -> str:
        """The resourceVersion up to which every change is known; empty before the first list."""
        return self._resume_from

    async def run(self) -> None:
        """Lists and watches until cancelled."""
        while True:
            asked_to_wait = 0.0
            self.tried = time.monotonic()
            try:
                if not self._resume_from:
                    await self._list()
                await self._watch()
            except ApiError as error:
                if error.expired:
                    self._resume_from = ""
                else:
                    _log.warning("watching %s: %s", self._path, error)
                asked_to_wait = error.retry_after
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                _log.info("watching %s: %s", self._path, error or type(error).__name__)
            else:
                self._backoff = 0.0
                continue
            self._backoff = min(MAX_BACKOFF_SECONDS, 2 * self._backoff or 0.1)
            await asyncio.sleep(max(asked_to_wait, self._backoff * random.uniform(0.5, 1.0)))  # noqa: S311 - jitter

    async def _list(self) -> None:
        """Reads the whole list, page by page, and tells of everything that differs from what was known."""
        query: dict[str, str | int] = {"labelSelector": self._selector, "limit": PAGE}
        present: set[str] = set()
        while True:
            page = await self._api.get(self._path, query)
            self.heard = time.monotonic()
            for item in page["items"]:
                present.add(item["metadata"]["uid"])
                self._put(item)
            if not (rest := page["metadata"].get("continue")):
                break
            query["continue"] = rest
        for uid in self.cache.absent_from(present):
            self._remove(uid)
        self._resume_from = page["metadata"]["resourceVersion"]
        self.synced.set()

    async def _watch(self) -> None:
        query: dict[str, str | int] = {
            "labelSelector": self._selector,
            "resourceVersion": self._resume_from,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": WATCH_SECONDS,
        }
        async for event in self._api.watch(self._path, query, silence=SILENCE_SECONDS):
            obj = event["object"]
            self._resume_from = obj["metadata"]["resourceVersion"]
            self.heard = time.monotonic()
            self._backoff = 0.0
            if event["type"] == "DELETED":
                self._remove(obj["metadata"]["uid"])
            elif event["type"] != "BOOKMARK":
                self._put(obj)

    def _put(self, obj: Json) -> None:
        if self.cache.put(obj):
            self._on_change(obj)

    def _remove(self, uid: str) -> None:
        held = self.cache.remove(uid)
        if held is not None:
            self._on_change(held)
