"""Each kind of entry of the ledger, explained to the listener."""

from __future__ import annotations

from songs.models import CreditEntry, EntryKind

EXPLANATIONS = {
    EntryKind.WELCOME: "Your welcome credits, to begin with.",
    EntryKind.GRANT: "An operator of this site gave you these credits.",
    EntryKind.CHARGE: "The song was ready, so it cost a credit.",
    EntryKind.WAIVED: "The song was ready and your balance was empty, so it was free.",
    EntryKind.REFUND: "An operator gave you the credit of this song back.",
    EntryKind.PURCHASE: "You bought these credits.",
    EntryKind.CLOSED: "The account was closed, and the rest of its credits was taken back.",
}
TAKEN_BACK = "An operator of this site took these credits back."


def explanation(entry: CreditEntry) -> str:
    if entry.kind == EntryKind.GRANT and entry.amount < 0:
        return TAKEN_BACK
    return EXPLANATIONS[EntryKind(entry.kind)]


def about(entry: CreditEntry) -> str:
    """What the entry is about: the song's title, or the reason that was given."""
    return str(entry.song or entry.why or entry.get_kind_display())


def reason(entry: CreditEntry) -> str:
    """The reason beside a song; empty where `about` has said it."""
    has_reason = entry.song is not None and entry.kind == EntryKind.REFUND
    return entry.why if has_reason else ""
