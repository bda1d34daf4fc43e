"""A hearer: the account that a request comes from, else its network, as a key for a row.

Accounts and networks become keys that cannot be read back: rows of plays and reports must not tell
which addresses have heard what.
"""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from songs.limits.network import network_of
from songs.models.reactions import HEARER_LIMIT


def hearer_of(request: HttpRequest) -> str:
    """The key of the account or of the network, at most 40 characters."""
    if request.user.is_authenticated:
        return _key(f"account {request.user.pk}")
    return _key(f"network {network_of(request)}")


def _key(text: str) -> str:
    return salted_hmac("songs.sharing.hearers", text, algorithm="sha256").hexdigest()[:HEARER_LIMIT]
