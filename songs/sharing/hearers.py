"""A hearer: the account that a request comes from, else its network, as a key for a row.

Accounts and networks become keys that cannot be read back: rows of plays and reports must not tell
which addresses have heard what.
"""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from songs.models.reactions import HEARER_LIMIT

IPV6_NETWORK = 64  # bits: a household has that many addresses and more


def hearer_of(request: HttpRequest) -> str:
    """The key of the account or of the network, at most 40 characters."""
    if request.user.is_authenticated:
        return _key(f"account {request.user.pk}")
    return _key(f"network {network_of(request)}")


def network_of(request: HttpRequest) -> str:
    """The IPv4 address or the first half of the IPv6 address; empty if there is none, as on a
    socket of Unix."""
    given = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return ""
    if address.version == 6:
        return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)


def _key(text: str) -> str:
    return salted_hmac("songs.sharing.hearers", text, algorithm="sha256").hexdigest()[:HEARER_LIMIT]
