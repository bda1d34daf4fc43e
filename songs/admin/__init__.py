"""The product's pages in the operator's panel, one file a page."""

from __future__ import annotations

from songs.admin import (
    balances,
    categories,
    doors,
    groups,
    ledger,
    limits,
    listeners,
    publications,
    songs,
)

__all__ = [
    "balances",
    "categories",
    "doors",
    "groups",
    "ledger",
    "limits",
    "listeners",
    "publications",
    "songs",
]
