"""Connects only to addresses that a stranger's URL may name.

A host name is resolved here, each address is judged here, and the connection goes to the very address that was
judged: resolving twice would let a name change its answer in between (DNS rebinding). Redirects pass through the
same transport, hop by hop. Proxies of the environment are not used, because behind one nothing could be judged.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from pointcloud_net.addresses import Resolver, public_ones, resolve

_UNPOOLED: Final = httpx.Limits(max_keepalive_connections=0)
"""Kept connections are pooled by address, and one address may serve many names: so none is kept."""
_RESOLVERS: Final = 4
"""Threads of an asynchronous transport: names that resolve slowly hold up one another and nothing else."""


class CheckedTransport(httpx.BaseTransport):
    """Sends each request to a checked address of its host; TLS still verifies the host's name.

    Raises NotPublicError for a host none of whose addresses is allowed, httpx.ConnectError for one that is not known.
    """

    def __init__(self, *, allow_private: bool, resolver: Resolver = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolver
        self._inner = httpx.HTTPTransport(trust_env=False, limits=_UNPOOLED)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the host's allowed addresses in turn until one accepts the connection."""
        last: httpx.TransportError | None = None
        for address in self._allowed(request.url):
            try:
                return self._inner.handle_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
        raise last or _without_address(request)

    def _allowed(self, url: httpx.URL) -> list[str]:
        return _allowed(url, allow_private=self._allow_private, resolver=self._resolve)

    def close(self) -> None:
        """Closes what is open."""
        self._inner.close()


class AsyncCheckedTransport(httpx.AsyncBaseTransport):
    """As CheckedTransport, for asyncio."""

    def __init__(self, *, allow_private: bool, resolver: Resolver = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolver
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, limits=_UNPOOLED)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the host's allowed addresses in turn until one accepts the connection."""
        last: httpx.TransportError | None = None
        for address in await asyncio.get_running_loop().run_in_executor(self._threads, self._allowed, request.url):
            try:
                return await self._inner.handle_async_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
        raise last or _without_address(request)

    def _allowed(self, url: httpx.URL) -> list[str]:
        return _allowed(url, allow_private=self._allow_private, resolver=self._resolve)

    async def aclose(self) -> None:
        """Closes what is open."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._inner.aclose()


def _allowed(url: httpx.URL, *, allow_private: bool, resolver: Resolver) -> list[str]:
    """The addresses to try for a URL. Raises NotPublicError, httpx.ConnectError."""
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        addresses = resolver(url.host, port)
    except (socket.gaierror, UnicodeError) as error:
        raise httpx.ConnectError(f"the host name {url.host} is not known ({error})") from None
    return addresses if allow_private else public_ones(url.host, addresses)


def _without_address(request: httpx.Request) -> httpx.ConnectError:
    return httpx.ConnectError(f"the host name {request.url.host} has no address")


def _addressed(request: httpx.Request, address: str) -> httpx.Request:
    """The same request to an address; its Host header and the name that TLS verifies stay the URL's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
