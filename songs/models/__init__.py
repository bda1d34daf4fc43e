"""The models of the product: accounts, songs, categories and the ledger."""

from __future__ import annotations

from songs.models.account import User, WelcomedAddress
from songs.models.cache import CacheEntry
from songs.models.download import UNDER_WAY, Download, DownloadStatus
from songs.models.ledger import (
    CHARGES,
    CreditBalance,
    CreditEntry,
    EntryKind,
    LedgerCheck,
    LedgerHour,
)
from songs.models.limit import Limit, LimitCount
from songs.models.song import (
    DESCRIPTION_LIMIT,
    DURATION,
    GUIDANCE,
    IN_THE_MAKING,
    LYRICS_LIMIT,
    STYLE_LIMIT,
    TITLE_LIMIT,
    UNSUCCESSFUL,
    Category,
    Song,
    SongManager,
    SongQuerySet,
    SongStatus,
    Way,
)

__all__ = [
    "CHARGES",
    "DESCRIPTION_LIMIT",
    "DURATION",
    "GUIDANCE",
    "IN_THE_MAKING",
    "LYRICS_LIMIT",
    "STYLE_LIMIT",
    "TITLE_LIMIT",
    "UNDER_WAY",
    "UNSUCCESSFUL",
    "CacheEntry",
    "Category",
    "CreditBalance",
    "CreditEntry",
    "Download",
    "DownloadStatus",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "Limit",
    "LimitCount",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
    "Way",
    "WelcomedAddress",
]
