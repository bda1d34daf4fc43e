"""The models of the product: accounts, songs, categories, the ledger, and what is published."""

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
    UNSUCCESSFUL,
    Category,
    Song,
    SongManager,
    SongQuerySet,
    SongStatus,
)

__all__ = [
    "BYLINE_LIMIT",
    "CHARGES",
    "DESCRIPTION_LIMIT",
    "DURATION",
    "GUIDANCE",
    "IN_THE_MAKING",
    "REPORT_LIMIT",
    "TAKE_DOWN_LIMIT",
    "UNSUCCESSFUL",
    "Category",
    "CountChange",
    "CreditBalance",
    "CreditEntry",
    "EntryKind",
    "LedgerCheck",
    "LedgerHour",
    "Like",
    "Listing",
    "Play",
    "Publication",
    "PublicationQuerySet",
    "Report",
    "ReportKind",
    "SignInFailure",
    "Song",
    "SongManager",
    "SongQuerySet",
    "SongStatus",
    "User",
]
