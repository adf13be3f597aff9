"""Connects only to addresses that a stranger's URL may name.

A host name is resolved here, each address is judged here, and the connection goes to the very address that was
judged: resolving twice would let a name change its answer in between (DNS rebinding). Redirects pass through the
same transport, hop by hop. Proxies of the environment are not used, because behind one nothing could be judged.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import httpx

from pointcloud_api.stages import ExitCode, Reason
from pointcloud_stage import StageFailure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""An IPv4 address in the last 32 bits, RFC 6052."""


def resolve(host: str, port: int) -> list[str]:
    """The host's addresses, best first, as the system resolves them. Raises socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an address is routed globally: neither loopback, link-local, private, multicast nor reserved."""
    ip: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


class CheckedTransport(httpx.BaseTransport):
    """Sends each request to a checked address of its host; TLS still verifies the host's name.

    Raises StageFailure(ADDRESS_NOT_ALLOWED) for a host none of whose addresses is allowed, httpx.ConnectError for
    one that is not known.
    """

    def __init__(self, *, allow_private: bool, resolver: Resolver = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolver
        # Kept connections are pooled by address, and one address may serve many names: so none is kept.
        self._inner = httpx.HTTPTransport(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Tries the host's allowed addresses in turn until one accepts the connection."""
        last: httpx.TransportError | None = None
        for address in self._allowed(request.url):
            try:
                return self._inner.handle_request(_addressed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
        raise last or httpx.ConnectError(f"the host name {request.url.host} has no address")

    def close(self) -> None:
        """Closes what is open."""
        self._inner.close()

    def _allowed(self, url: httpx.URL) -> list[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = self._resolve(url.host, port)
        except (socket.gaierror, UnicodeError) as error:
            raise httpx.ConnectError(f"the host name {url.host} is not known ({error})") from None
        if self._allow_private:
            return addresses
        public = [address for address in addresses if is_public(address)]
        if addresses and not public:
            raise StageFailure(
                Reason.ADDRESS_NOT_ALLOWED,
                f"The host {url.host} has the address {addresses[0]}, which is not a public one.",
                "Name a source on a public address, put the photos in a PersistentVolumeClaim, or set "
                "ingestLimits.allowPrivateAddresses in the install's values.",
                exit_code=ExitCode.BAD_SETTINGS,
            )
        return public


def _addressed(request: httpx.Request, address: str) -> httpx.Request:
    """The same request to an address; its Host header and the name that TLS verifies stay the URL's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
