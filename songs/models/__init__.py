"""The models of the product: accounts, songs, categories, the ledger, and what is published."""

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
from songs.models.publication import (
    BYLINE_LIMIT,
    TAKE_DOWN_LIMIT,
    Listing,
    Publication,
    PublicationQuerySet,
)
from songs.models.reactions import (
    REPORT_LIMIT,
    CountChange,
    Like,
    Play,
    Report,
    ReportKind,
)
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
    "BYLINE_LIMIT",
    "CHARGES",
    "DESCRIPTION_LIMIT",
    "DURATION",
    "GUIDANCE",
    "IN_THE_MAKING",
    "LYRICS_LIMIT",
    "REPORT_LIMIT",
    "STYLE_LIMIT",
    "TAKE_DOWN_LIMIT",
    "TITLE_LIMIT",
    "UNDER_WAY",
    "UNSUCCESSFUL",
    "CacheEntry",
    "Category",
    "CountChange",
    "CreditBalance",
    "CreditEntry",
    "Download",
    "DownloadStatus",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "Like",
    "Limit",
    "LimitCount",
    "Listing",
    "Play",
    "Publication",
    "PublicationQuerySet",
    "Report",
    "ReportKind",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
    "Way",
    "WelcomedAddress",
]
