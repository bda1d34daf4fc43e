"""Where a request comes from."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104  of a proxy on a Unix socket


def address_of(request: HttpRequest) -> str:
    """The address that the web server sees; 0.0.0.0 if it is none, as on a Unix socket."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return UNKNOWN
    return str((isinstance(address, IPv6Address) and address.ipv4_mapped) or address)


def network_of(request: HttpRequest) -> str:
    """What one subscriber holds, as a network: an IPv4 address, or the /64 of an IPv6 address."""
    address = ip_address(address_of(request))
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))
