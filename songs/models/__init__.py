"""The models of the product: accounts, songs, categories and the ledger."""

from __future__ import annotations

from songs.models.account import (
    SignInFailure,
    User,
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
    "UNSUCCESSFUL",
    "Category",
    "CreditBalance",
    "CreditEntry",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "SignInFailure",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
    "Way",
]
