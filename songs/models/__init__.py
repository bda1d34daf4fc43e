"""The models of the product: accounts, songs, categories and the ledger."""

from __future__ import annotations

from songs.models.account import User, WelcomedAddress
from songs.models.cache import CacheEntry
from songs.models.ledger import (
    CHARGES,
    CreditBalance,
    CreditEntry,
    EntryKind,
    LedgerCheck,
    LedgerHour,
)
from songs.models.song import (
    DESCRIPTION_LIMIT,
    DURATION,
    GUIDANCE,
    IN_THE_MAKING,
    UNSUCCESSFUL,
    Category,
    Song,
    SongManager,
    SongQuerySet,
    SongStatus,
)

__all__ = [
    "CHARGES",
    "DESCRIPTION_LIMIT",
    "DURATION",
    "GUIDANCE",
    "IN_THE_MAKING",
    "UNSUCCESSFUL",
    "CacheEntry",
    "Category",
    "CreditBalance",
    "CreditEntry",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
    "WelcomedAddress",
]
