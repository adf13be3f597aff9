"""Which addresses a stranger's URL may lead to: those that are routed globally."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], list[str]]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""An IPv4 address in the last 32 bits, RFC 6052."""


class NotPublicError(Exception):
    """None of a host's addresses is a public one."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"The host {host} has the address {address}, which is not a public one.")


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


def public_ones(host: str, addresses: Sequence[str]) -> list[str]:
    """Those of a host's addresses that are public. Raises NotPublicError when it has others only."""
    public = [address for address in addresses if is_public(address)]
    if addresses and not public:
        raise NotPublicError(host, addresses[0])
    return public
