"""The models of the product: accounts, songs, categories and the ledger."""

from __future__ import annotations

from songs.models.account import (
    SignInFailure,
    User,
)
from songs.models.download import (
    UNDER_WAY,
    Download,
    DownloadStatus,
)
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
    "UNDER_WAY",
    "UNSUCCESSFUL",
    "Category",
    "CreditBalance",
    "CreditEntry",
    "Download",
    "DownloadStatus",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "SignInFailure",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
]
