"""Server-sent events: one job's changes or all, resumed where they broke off (Last-Event-ID)."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from pointcloud_gateway.access.access import Access
from pointcloud_gateway.access.identity import User
from pointcloud_gateway.api.lookup import Found, JobIdPath, Lookup
from pointcloud_gateway.api.openapi import Responses, problems
from pointcloud_gateway.api.schemas import PresentJobs
from pointcloud_gateway.api.streams import HEARTBEAT_SECONDS, News, Streams
from pointcloud_gateway.cluster import ClusterUnavailableError
from pointcloud_gateway.problems import Problem

_RETRY: Final = b"retry: 2000\n\n"
"""Milliseconds after which a browser connects again."""
_HEARTBEAT: Final = b":\n\n"
_MAX_ID: Final = 32

_STREAM: Final[Responses] = {
    200: {
        "description": "Events, until the connection ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
LastEventId = Annotated[str, Header(description="The id of the last event that arrived.", max_length=_MAX_ID)]


class EventStream(StreamingResponse):
    """Events as they come; a reader that takes none for long enough is given up."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], *, patience: float) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._patience = patience

    async def stream_response(self, send: Send) -> None:
        """Send the events."""

        async def sending(message: Message) -> None:
            try:
                async with asyncio.timeout(self._patience):
                    await send(message)
            except TimeoutError as error:
                raise ClientDisconnect from error

        await super().stream_response(sending)


def events_router(lookup: Lookup, streams: Streams, access: Access, *, patience: float) -> APIRouter:
    """The routes, with what they need; who takes nothing for `patience` seconds is given up."""
    events = _Events(lookup, streams, access, patience)
    router = APIRouter(tags=["Following"])
    router.add_api_route(
        "/jobs/{job_id}/events",
        events.of_one,
        operation_id="followJob",
        summary="Follow a job",
        response_class=StreamingResponse,
        responses={
            **_STREAM,
            204: {"description": "The job has ended, and its last event had arrived: nothing more comes"},
            **problems(401, 404, 503),
        },
    )
    router.add_api_route(
        "/events",
        events.of_all,
        operation_id="followJobs",
        summary="Follow all jobs that the caller may see",
        response_class=StreamingResponse,
        responses={**_STREAM, **problems(401, 503)},
    )
    return router


class _Events:
    def __init__(self, lookup: Lookup, streams: Streams, access: Access, patience: float) -> None:
        self._lookup = lookup
        self._streams = streams
        self._access = access
        self._patience = patience

    async def of_one(self, job_id: JobIdPath, request: Request, last_event_id: LastEventId = "") -> Response:
        """Events `job`, whose data is the job and whose id its version; at last `deleted`, whose data is `{"id": …}`.

        The first event is the job as it is, unless Last-Event-ID says that it has arrived. The stream ends when the job
        has completed or failed. A comment comes every 15 seconds while there is no news.
        """
        found = await self._lookup.seen(request, job_id)
        if found.parsed.archived:
            return self._record(found, last_event_id)
        now = self._streams.news(found.resource)
        if now.last and now.version == last_event_id:
            return Response(status_code=204)
        self._streams.check_room()
        return EventStream(self._follow_one(request, found, last_event_id), patience=self._patience)

    async def of_all(
        self,
        request: Request,
        namespace: Annotated[str, Query(description="Only of this namespace.", max_length=63)] = "",
        last_event_id: LastEventId = "",
    ) -> Response:
        """Events `job` and `deleted` as of one job, of every job that the caller may see.

        The first event, `present`, names all there are (`{"ids": […]}`): what it does not name is gone. Then come the
        jobs as they are or, with Last-Event-ID, those that have changed since.
        """
        user = await self._access.user(request)
        self._streams.check_room()
        return EventStream(self._follow_all(request, user, namespace, last_event_id), patience=self._patience)

    def _record(self, found: Found, last_event_id: str) -> Response:
        """An archived job is one event: it changes no more."""
        version = found.parsed.uid[:_MAX_ID]
        if version == last_event_id:
            return Response(status_code=204)
        news = News(found.parsed, self._lookup, version=version, position="", deleted=False)
        return EventStream(_once(news.event(version)), patience=self._patience)

    async def _follow_one(self, request: Request, found: Found, known: str) -> AsyncIterator[bytes]:
        job_id = found.parsed.id
        permission = _Permission(lambda: self._access.require(request, "get", job_id))
        yield _RETRY
        with self._streams.open(job_id) as reader:
            now = self._streams.now(job_id) or self._streams.news(found.resource)
            if now.version != known:
                yield now.event(now.version)
            if now.last:
                return
            async for news in reader.news():
                if await permission.lost():
                    return
                yield _HEARTBEAT if news is None else news.event(news.version)
                if news is not None and news.last:
                    return

    async def _follow_all(self, request: Request, user: User, namespace: str, known: str) -> AsyncIterator[bytes]:
        permission = _Permission(lambda: self._access.user(request))
        yield _RETRY
        with self._streams.open() as reader:
            async for event in self._missed(user, namespace, known):
                yield event
            async for news in reader.news():
                if await permission.lost():
                    return
                if news is None:
                    yield _HEARTBEAT
                elif await self._shows(user, namespace, news):
                    yield news.event(news.position)

    async def _missed(self, user: User, namespace: str, known: str) -> AsyncIterator[bytes]:
        """What there is, and what of it has changed since `known`."""
        everything = self._streams.everything()
        visible = [news for news in everything if await self._shows(user, namespace, news)]
        ids = [news.id.text(default_namespace=self._lookup.links.default_namespace) for news in visible]
        yield f"event: present\ndata: {PresentJobs(ids=ids).model_dump_json()}\n\n".encode()
        since = int(known) if known.isascii() and known.isdecimal() else -1
        missed = [news for news in visible if int(news.version) > since]
        for news in missed:
            # Only once all have arrived is there nothing to repeat.
            yield news.event(news.position if news is missed[-1] else None)

    async def _shows(self, user: User, namespace: str, news: News) -> bool:
        wanted = namespace in {"", news.id.namespace}
        return wanted and await self._access.may(user, "list", news.id.namespace)


class _Permission:
    """Whether the caller would still be let in: a stream lives longer than a token, and than a RoleBinding."""

    def __init__(self, ask: Callable[[], Awaitable[User]]) -> None:
        self._ask = ask
        self._asked = time.monotonic()

    async def lost(self) -> bool:
        """Asks every HEARTBEAT_SECONDS, and believes in between."""
        if time.monotonic() - self._asked < HEARTBEAT_SECONDS:
            return False
        self._asked = time.monotonic()
        try:
            await self._ask()
        except Problem:
            return True
        except ClusterUnavailableError:
            return False  # who cannot be asked has told no news either
        return False


async def _once(event: bytes) -> AsyncIterator[bytes]:
    yield event
