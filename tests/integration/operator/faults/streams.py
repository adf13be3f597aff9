"""What can happen to a watch on its way: at a chosen event of a chosen run, and so to all runs that share the watch."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from aiohttp import web

from tests.integration.operator.faults.calls import Call
from tests.integration.operator.faults.interceptor import Exchange, watch

COALESCING_SECONDS: Final = 1.0
"""For how long a later event may take an earlier one's place; then the earlier one is sent after all."""
EXPIRED: Final = {
    "type": "ERROR",
    "object": {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "injected"},
}


class Moment(NamedTuple):
    """One event of a run on the watch of one resource: the ordinal-th, counted from 1."""

    resource: str
    ordinal: int

    def __str__(self) -> str:
        return f"event {self.ordinal} of {self.resource}"


@dataclass
class Stream:
    """One watch of the operator's, and the event at hand."""

    exchange: Exchange
    response: web.StreamResponse
    line: bytes = b""
    uid: str = ""
    earlier: dict[str, bytes] = field(default_factory=dict)
    """The last event of each object, by uid."""
    withheld: dict[str, bytes] = field(default_factory=dict)
    """Events whose place a later one may take."""

    async def send(self, line: bytes) -> None:
        """Sends an event."""
        await self.response.write(line)

    async def release(self, uid: str, line: bytes) -> None:
        """Sends what was withheld after all, if no later event of the same object has come soon."""
        await asyncio.sleep(COALESCING_SECONDS)
        if self.withheld.get(uid) is line:
            await self.send(self.withheld.pop(uid))


class Ended(Exception):  # noqa: N818 - not an error: what was to happen
    """The watch ends here."""


Disturbance = Callable[[Stream], Awaitable[None]]


async def closed(_: Stream) -> None:
    """The server ends the watch before the event."""
    raise Ended


async def torn(stream: Stream) -> None:
    """The connection breaks within the event."""
    await stream.send(stream.line[: len(stream.line) // 2])
    await stream.exchange.dropped()


async def expired(stream: Stream) -> None:
    """The server has forgotten the events since, and says so."""
    await stream.send(json.dumps(EXPIRED).encode() + b"\n")
    raise Ended


async def silent(stream: Stream) -> None:
    """Nothing comes any more, and nobody says so."""
    await stream.exchange.unanswered()


async def doubled(stream: Stream) -> None:
    """The event comes twice."""
    await stream.send(stream.line)
    await stream.send(stream.line)


async def outdated(stream: Stream) -> None:
    """The object's event before comes once more, after this one."""
    await stream.send(stream.line)
    await stream.send(stream.earlier.get(stream.uid, stream.line))


DISTURBANCES: Final[dict[str, Disturbance | None]] = {
    "watch closed": closed,
    "watch torn within an event": torn,
    "watch answered 410 Gone": expired,
    "watch silent": silent,
    "event sent twice": doubled,
    "event followed by an older one": outdated,
    "event left out for a later one": None,
}
"""None: it is withheld, which goes on beside what follows."""
OF_WATCHES: Final = tuple(kind for kind in DISTURBANCES if kind.startswith("watch"))
OF_EVENTS: Final = tuple(kind for kind in DISTURBANCES if kind.startswith("event"))
"""Not beside those of watches: a client that has to resume never gets what was withheld before."""


@dataclass
class Streams:
    """Answers every watch of the operator's, and disturbs each run at its moment, once."""

    plan: dict[tuple[str, Moment], str] = field(default_factory=dict)
    """The disturbance's name by run and moment."""
    struck: set[tuple[str, Moment]] = field(default_factory=set)
    seen: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """How many events of a run there were, by resource."""
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    async def answer(self, call: Call, exchange: Exchange) -> web.StreamResponse:
        """One watch."""
        async with watch(exchange) as (response, lines):
            stream = Stream(exchange, response)
            try:
                async for line in lines:
                    await self._pass_on(call.resource, stream, line)
            except Ended:
                pass
            for line in stream.withheld.values():  # the client resumes behind them
                await stream.send(line)
            stream.withheld.clear()
        return response

    async def _pass_on(self, resource: str, stream: Stream, line: bytes) -> None:
        event = json.loads(line)
        metadata = event["object"]["metadata"]
        run = metadata.get("name", "").partition("-")[0]
        self.seen[run][resource] += 1
        moment = Moment(resource, self.seen[run][resource])
        stream.line, stream.uid = line, metadata.get("uid", "")
        stream.withheld.pop(stream.uid, None)
        kind = self.plan.get((run, moment))
        if kind is None or (run, moment) in self.struck:
            await stream.send(line)
        else:
            self.struck.add((run, moment))
            await self._disturb(DISTURBANCES[kind], stream)
        stream.earlier[stream.uid] = line

    async def _disturb(self, disturbance: Disturbance | None, stream: Stream) -> None:
        if disturbance is not None:
            await disturbance(stream)
            return
        stream.withheld[stream.uid] = stream.line
        task = asyncio.create_task(stream.release(stream.uid, stream.line))
        self._later.add(task)
        task.add_done_callback(self._later.discard)
