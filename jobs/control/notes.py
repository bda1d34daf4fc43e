"""Operators' notes beside their acts."""

from __future__ import annotations

from jobs.errors import InvalidTransition
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_text

LONGEST = 500  # characters


def note(text: object, what: str) -> str:
    """The stripped text. Raises InvalidTransition with what is wrong."""
    if not isinstance(text, str) or not is_text(text):
        raise InvalidTransition(f"{what} is a text without NUL characters, not {quoted(text)}.")
    clean = text.strip()
    if len(clean) > LONGEST:
        raise InvalidTransition(
            f"{what} has {len(clean):,} characters; at most {LONGEST} are allowed."
        )
    return clean
