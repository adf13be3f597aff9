"""Puts messages into the queue when jobs end, and sends what is due: any number of replicas, each message once.

Once, that is, as long as none of them is killed between an answer and its note; a receiver tells by `webhook-id`.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx

from pointcloud_gateway.database import ArchiveUnavailableError, Database
from pointcloud_gateway.settings import Settings
from pointcloud_gateway.webhooks.messages import messages_of
from pointcloud_gateway.webhooks.queue import Claim, DeliveryQueue
from pointcloud_gateway.webhooks.sending import Outcome, open_client, send
from pointcloud_kube.api import Json
from pointcloud_net.addresses import Resolver, resolve

_log = logging.getLogger(__name__)

PAUSES: Final = (5, 30, 120, 600, 3600, 21_600, 57_600)
"""Seconds between attempts, about a day in all; then the message has failed."""
_AT_ONCE: Final = 16
_POLL_SECONDS: Final = 5
"""How often to look for what another replica has put in or left behind."""


class Webhooks:
    """Tells of jobs that have ended.

    Args:
        database: Of the archive, where the queue is.
        secret_of: The secret of a namespace, as Standard Webhooks writes it.
        settings: What the install decides.
        clock: The time in UTC.
        resolver: From names to addresses.
    """

    def __init__(
        self,
        database: Database,
        secret_of: Callable[[str], str],
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolver: Resolver = resolve,
    ) -> None:
        self._queue = DeliveryQueue(database)
        self._secret_of = secret_of
        self._settings = settings
        self._clock = clock
        self._resolver = resolver
        self._added = asyncio.Event()

    async def enqueue(self, job: Json) -> None:
        """Put in what is to be told of a job that has ended and is recorded. Raises ArchiveUnavailableError."""
        messages = messages_of(job, default_namespace=self._settings.default_namespace)
        if messages and await self._queue.put(job["metadata"]["uid"], messages, now=self._clock()):
            self._added.set()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            self._added.clear()
            try:
                sent = await self.deliver_due()
            except ArchiveUnavailableError as error:
                _log.warning("no webhook is sent for now: %s", error)
                sent = 0
            if sent < _AT_ONCE:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._added.wait(), _POLL_SECONDS)

    async def deliver_due(self) -> int:
        """Make one attempt at each message that is due, up to a number; returns how many."""
        claims = await self._queue.claim(_AT_ONCE, now=self._clock())
        if claims:
            async with (
                open_client(allow_private=self._settings.webhooks_allow_private, resolver=self._resolver) as client,
                asyncio.TaskGroup() as attempts,
            ):
                for claim in claims:
                    attempts.create_task(self._attempt(client, claim))
        return len(claims)

    async def _attempt(self, client: httpx.AsyncClient, claim: Claim) -> None:
        try:
            outcome = await send(client, claim, secret=self._secret_of(claim.namespace), now=self._clock())
        except Exception:  # noqa: BLE001 - whatever one receiver makes go wrong, the others are told
            _log.exception("sending webhook %s", claim.id)
            outcome = Outcome(error="The gateway failed to send this: its log says why.")
        # An outcome that cannot be noted now costs another attempt once the lease is over.
        with contextlib.suppress(ArchiveUnavailableError):
            await self._note(claim, outcome)

    async def _note(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.error is None:
            await self._queue.delivered(claim, outcome.status or 0, now=self._clock())
            return
        pause = None if outcome.final or claim.attempts > len(PAUSES) else PAUSES[claim.attempts - 1]
        again_at = None if pause is None else self._clock() + timedelta(seconds=pause * random.uniform(0.8, 1.2))  # noqa: S311
        _log.info("webhook %s, attempt %d: %s", claim.id, claim.attempts, outcome.error)
        await self._queue.failed(claim, outcome.status, outcome.error, again_at=again_at)
