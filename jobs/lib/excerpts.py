"""Shortens texts, masked before the cut, which would leave half a secret in clear."""

from __future__ import annotations

from django.db.models.expressions import Combinable
from django.db.models.functions import Left

from jobs.lib.secrets import longest, mask, mask_begun, mask_up_to

STANDARD = 300  # characters
MAX_SHOWN = 80  # characters of a value
TAIL = " ,.;:–—-"  # not left before the “…”


def excerpt(text: str, limit: int = STANDARD, *, at_word: bool = False) -> str:
    """A text's beginning, secrets masked: at most `limit` characters, the last one “…” if more
    follows.
    """
    masked = _beginning(text, limit)
    if len(masked) <= limit:
        return masked
    head = masked[:limit]
    if at_word and masked[limit - 1] != " ":
        head = head.rsplit(" ", 1)[0]
    return (head.rstrip(TAIL) if at_word else head)[: limit - 1] + "…"


def _beginning(text: str, limit: int) -> str:
    """The masked text, or more than `limit` characters of it: bodies may have millions."""
    size = limit + 1
    while size + longest() < len(text):
        masked = mask_up_to(size, text[: size + longest()])
        if len(masked) > limit:
            return masked
        size *= 2
    return mask(text)


def begins(text: Combinable, limit: int) -> Left:
    return Left(text, limit + 1 + longest())


def begun(text: str, limit: int) -> str:
    """An excerpt of a text read with `begins`."""
    return excerpt(mask_begun(text)[0], limit)


def both_ends(text: str, limit: int) -> str:
    """The masked text; beyond `limit` it loses its middle."""
    masked = mask(text)
    if len(masked) <= limit:
        return masked
    half = limit // 2
    return f"{masked[:half]}\n… {len(masked) - limit:,} characters cut …\n{masked[-half:]}"


def quoted(value: object, limit: int = MAX_SHOWN) -> str:
    """A value's repr for an error; never raises."""
    try:
        return excerpt(repr(value), limit)
    except Exception:
        return excerpt(f"something of type {type(value).__name__}", limit)
