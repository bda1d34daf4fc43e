"""Which network a request comes from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"  # behind a Unix socket, or an address that cannot be read
NONE = "0.0.0.0"  # noqa: S104
PREFIX = 64  # bits of an IPv6 address: what a provider gives to one customer


def network_of(request: HttpRequest) -> str:
    """The client's network: an IPv4 address, or the /64 of an IPv6 address; `unknown` if there is
    none."""
    address = _client(request)
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ip_network((int(address), PREFIX), strict=False))
    return str(address or UNKNOWN)


def address_of(request: HttpRequest) -> str:
    """The client's address; 0.0.0.0 if there is none, as on a Unix socket."""
    address = _client(request)
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address or NONE)


def _client(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """`PROXIES` is how many proxies stand before the site. Each adds the address that it was asked
    from to the end of X-Forwarded-For; what stands before these was written by the client, who may
    write anything. A request with fewer addresses has not come through all of them.
    """
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    came_through = 0 < settings.PROXIES <= len(hops)
    forwarded = _address(hops[-settings.PROXIES].strip()) if came_through else None
    return forwarded or _address(request.META.get("REMOTE_ADDR", "").strip())


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write the port too: `203.0.113.7:5678`, `[2001:db8::1]:5678`."""
    host = text.removeprefix("[").partition("]")[0]
    for name in (host.partition("%")[0], host.partition(":")[0]):
        try:
            return ip_address(name)
        except ValueError:
            continue
    return None
