"""Checks of what operators write beside their acts."""

from __future__ import annotations

from jobs.errors import InvalidTransition
from jobs.lib.excerpts import quoted
from jobs.lib.json_values import is_text
from jobs.lib.visible import shows

MAX_TEXT = 500  # characters


def clean_note(text: object, what: str, longest: int = MAX_TEXT) -> str:
    """The text without space around it. InvalidTransition says what is wrong with it."""
    if not isinstance(text, str) or not is_text(text):
        raise InvalidTransition(f"{what} is a text without NUL characters, not {quoted(text)}.")
    clean = text.strip()
    if clean and not shows(clean):
        raise InvalidTransition(f"{what} has no character that can be seen. Write it in words.")
    if len(clean) > longest:
        raise InvalidTransition(
            f"{what} has {len(clean):,} characters; at most {longest:,} are allowed."
        )
    return clean
