"""One attempt to deliver one message: signed, to a public address, with little patience and no curiosity."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

import httpx
from standardwebhooks import Webhook

from pointcloud_gateway.webhooks.queue import Claim
from pointcloud_net.addresses import NotPublicError, Resolver
from pointcloud_net.transport import AsyncCheckedTransport

ATTEMPT_SECONDS: Final = 10


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt."""

    status: int | None = None
    """Of HTTP; None without an answer."""
    error: str | None = None
    """A sentence; None when the message has arrived."""
    final: bool = False
    """Whether another attempt would be in vain."""


def open_client(*, allow_private: bool, resolver: Resolver) -> httpx.AsyncClient:
    """What to send by. Redirects are not followed: the address that the user named is the one that is told."""
    transport = AsyncCheckedTransport(allow_private=allow_private, resolver=resolver)
    headers = {"User-Agent": "pointcloud-gateway", "Accept": "*/*"}
    return httpx.AsyncClient(transport=transport, headers=headers, trust_env=False, timeout=ATTEMPT_SECONDS)


async def send(client: httpx.AsyncClient, claim: Claim, *, secret: str, now: datetime) -> Outcome:
    """Make one attempt; the answer's content is not read."""
    headers = {
        "Content-Type": "application/json",
        "webhook-id": claim.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(claim.id, now, claim.body),
    }
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            async with client.stream("POST", claim.url, content=claim.body.encode(), headers=headers) as response:
                return _judged(response.status_code)
    except NotPublicError as error:
        return Outcome(error=f"{error} Name a public one, or have gateway.webhooksAllowPrivate set.", final=True)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        return Outcome(error=f"This is no address to send to: {error}.", final=True)
    except (httpx.TimeoutException, TimeoutError):
        return Outcome(error=f"There was no answer within {ATTEMPT_SECONDS} s.")
    except httpx.HTTPError as error:
        return Outcome(error=f"The connection failed: {error or type(error).__name__}.")


def _judged(status: int) -> Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(status)
    if status == HTTPStatus.GONE:
        return Outcome(status, "The receiver answered 410: it wants no more messages.", final=True)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Outcome(status, f"The receiver answered {status}: redirects are not followed.")
    return Outcome(status, f"The receiver answered {status}.")
