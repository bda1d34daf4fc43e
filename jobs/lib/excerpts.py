"""How a text is shortened, wherever one is stored or shown: masked first, then cut. A secret that
is cut before it is masked would leave its first half in clear."""

from __future__ import annotations

from django.db.models.expressions import Combinable
from django.db.models.functions import Left

from jobs.lib.secrets import longest, mask, mask_begun, mask_up_to

STANDARD = 300  # characters
SHOWN = 80  # characters of what was given, in a sentence
TAIL = " ,.;:–—-"  # what a text that is cut at a word does not end with


def excerpt(text: str, limit: int = STANDARD, *, at_word: bool = False) -> str:
    """The beginning of a text, secrets masked: at most `limit` characters, the last of which is
    “…” if there is more."""
    masked = _beginning(text, limit)
    if len(masked) <= limit:
        return masked
    head = masked[:limit]
    if at_word and masked[limit - 1] != " ":
        head = head.rsplit(" ", 1)[0]
    return (head.rstrip(TAIL) if at_word else head)[: limit - 1] + "…"


def _beginning(text: str, limit: int) -> str:
    """The masked text whole, or more than `limit` characters of it: a body may have millions."""
    size = limit + 1
    while size + longest() < len(text):
        masked = mask_up_to(size, text[: size + longest()])
        if len(masked) > limit:
            return masked
        size *= 2
    return mask(text)


def begins(text: Combinable, limit: int) -> Left:
    """Of a text in the database as much as `begun` needs to show `limit` characters."""
    return Left(text, limit + 1 + longest())


def begun(text: str, limit: int) -> str:
    """The beginning of a text that goes on behind what was read of it (`begins`), secrets masked:
    `limit` characters, the last of which is “…”."""
    return excerpt(mask_begun(text)[0], limit)


def both_ends(text: str, limit: int) -> str:
    """A text, secrets masked, of which the middle is left out if it is longer than `limit`."""
    masked = mask(text)
    if len(masked) <= limit:
        return masked
    half = limit // 2
    return f"{masked[:half]}\n… {len(masked) - limit:,} characters cut …\n{masked[-half:]}"


def quoted(value: object, limit: int = SHOWN) -> str:
    """A value as Python writes it, for a sentence that says what was given; no error if it cannot
    be written."""
    try:
        return excerpt(repr(value), limit)
    except Exception:
        return excerpt(f"something of type {type(value).__name__}", limit)
