"""Who of several processes is to act: a Lease that one of them holds and renews, by the same rules as client-go's.

The official client has an election of its own (37.0, kubernetes.aio.leaderelection). It goes on for its whole deadline
after it has seen somebody else hold the Lease, dies of a connection that breaks, waits five minutes for an answer,
measures by a clock that can be set, and cannot give the Lease back (kubernetes-client/python#2075 and #2379,
tomplus/kubernetes_asyncio#411), so that a process that was paused would act beside its successor.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp

from pointcloud_kube.api import ApiError, ApiServer, Json

_log = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 3.0
"""So that a request which is lost leaves time for another before the Lease is."""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock."""

Clock = Callable[[], float]


def steady_seconds() -> float:
    """Seconds on a clock that nobody sets."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class Terms:
    """How long things take, in seconds.

    Others take a Lease `duration` after they last saw it renewed, so its holder stops acting before that: `deadline`
    after it sent what renewed it.
    """

    duration: int = 10
    deadline: float = 7.0
    period: float = 2.0
    failed_period: float = 0.5


class Lease:
    """A Lease as one process sees it.

    Args:
        api: The API server.
        namespace: Of the Lease, which is made if it is not there.
        name: Of the Lease.
        identity: Of this process and no other, ever.
        terms: How long things take; the same for all.
        clock: Steady seconds.
    """

    def __init__(  # noqa: PLR0913 - what a Lease consists of
        self,
        api: ApiServer,
        namespace: str,
        name: str,
        *,
        identity: str,
        terms: Terms = Terms(),
        clock: Clock = steady_seconds,
    ) -> None:
        self._api = api
        self._list_path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._path = f"{self._list_path}/{name}"
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._seen: Json = {}
        """The Lease as it was last seen; empty where there was none."""
        self._seen_at = 0.0
        self._look_first = True
        self._sure_until = float("-inf")
        self._complaint = ""

    @property
    def held(self) -> bool:
        """Whether this process may act at this moment."""
        return self._clock() < self._sure_until

    async def acquire(self) -> None:
        """Returns once this process holds the Lease."""
        while not await self._try():
            pause = self._terms.failed_period if self._look_first else self._terms.period
            await asyncio.sleep(min(pause, self._until_it_may_be_free() or pause))

    async def keep(self) -> None:
        """Renews the Lease; returns when it is lost."""
        while self.held:
            renewed = await self._try()
            pause = self._terms.period if renewed else self._terms.failed_period
            await asyncio.sleep(max(0.0, min(pause, self._sure_until - self._clock())))

    async def release(self) -> None:
        """Gives the Lease back once nothing acts any more, so that the next one need not wait for it to run out."""
        if not self.held:
            return
        self._sure_until = float("-inf")
        try:
            await self._look()
            if self._holder == self._identity:
                spec = {**self._seen["spec"], "holderIdentity": "", "renewTime": _now(), "leaseDurationSeconds": 1}
                await self._api.put(self._path, {**self._seen, "spec": spec}, seconds=REQUEST_SECONDS)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            _log.warning("giving the Lease %s back: %s", self._name, error or type(error).__name__)

    async def _try(self) -> bool:
        """Takes or renews the Lease; whether it is held now."""
        try:
            taken = await self._take()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._look_first = True  # whether it was written is not known
            self._complain(f"{error or type(error).__name__}")
            return False
        self._complain("")
        return taken

    async def _take(self) -> bool:
        if self._look_first or self._holder != self._identity:
            await self._look()
        if self._holder not in {"", self._identity} and self._until_it_may_be_free() > 0:
            self._sure_until = float("-inf")
            return False
        asked_at = self._clock()
        if self._seen:
            self._note(await self._api.put(self._path, self._renewed(), seconds=REQUEST_SECONDS))
        else:
            self._note(await self._api.post(self._list_path, self._renewed(), seconds=REQUEST_SECONDS))
        self._sure_until = asked_at + self._terms.deadline
        return True

    async def _look(self) -> None:
        try:
            self._note(await self._api.get(self._path, seconds=REQUEST_SECONDS))
        except ApiError as error:
            if not error.not_found:
                raise
            self._seen = {}
        self._look_first = False

    def _note(self, lease: Json) -> None:
        if not self._seen or lease["metadata"]["resourceVersion"] != self._seen["metadata"]["resourceVersion"]:
            self._seen_at = self._clock()
        self._seen = lease

    @property
    def _holder(self) -> str:
        return self._seen.get("spec", {}).get("holderIdentity") or ""

    def _until_it_may_be_free(self) -> float:
        """Seconds until a Lease that somebody else holds and no longer renews has run out.

        It counts from when this process saw it renewed, because the holder's clock may be any other.
        """
        duration = max(self._terms.duration, self._seen.get("spec", {}).get("leaseDurationSeconds") or 0)
        return max(0.0, self._seen_at + duration - self._clock())

    def _renewed(self) -> Json:
        """The Lease as this process wants it; its resourceVersion, where it has one, is a precondition."""
        spec = self._seen.get("spec", {})
        mine = {"holderIdentity": self._identity, "leaseDurationSeconds": self._terms.duration, "renewTime": _now()}
        if self._holder != self._identity:
            mine |= {"acquireTime": _now(), "leaseTransitions": (spec.get("leaseTransitions") or 0) + bool(self._seen)}
        metadata = self._seen.get("metadata", {"name": self._name})
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {**spec, **mine},
        }

    def _complain(self, complaint: str) -> None:
        """Logs a complaint unless it is the one before."""
        if complaint and complaint != self._complaint:
            _log.warning("the Lease %s: %s", self._name, complaint)
        self._complaint = complaint


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
