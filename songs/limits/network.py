"""Which network a request comes from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"  # behind a Unix socket, or an address that cannot be read
PREFIX = 64  # bits of an IPv6 address: what a provider gives to one customer


def network_of(request: HttpRequest) -> str:
    """The client's network: an IPv4 address, or the /64 of an IPv6 address; `unknown` if there is
    none.

    `PROXIES` is how many proxies stand before the site. Each adds the address that it was asked
    from to the end of X-Forwarded-For; what stands before these was written by the client, who may
    write anything. A request with fewer addresses has not come through all of them.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    came_through = 0 < settings.PROXIES <= len(hops)
    forwarded = _network(hops[-settings.PROXIES]) if came_through else ""
    return forwarded or _network(request.META.get("REMOTE_ADDR", "")) or UNKNOWN


def _network(text: str) -> str:
    address = _address(text.strip())
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((int(address), PREFIX), strict=False))
    return str(address or "")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write the port too: `203.0.113.7:5678`, `[2001:db8::1]:5678`."""
    host = text.removeprefix("[").partition("]")[0]
    for name in (host.partition("%")[0], host.partition(":")[0]):
        try:
            return ip_address(name)
        except ValueError:
            continue
    return None
