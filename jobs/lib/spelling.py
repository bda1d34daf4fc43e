from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from jobs.lib.json_values import named


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """Ends a sentence, after a space; empty if no known name is similar."""
    if not isinstance(given, str):
        return ""
    close = get_close_matches(given, list(known))
    if not close:
        return ""
    meant = max(close, key=lambda name: _begins_alike(name, given))  # retry: retries, not on_retry
    return f" Did you mean {named(meant)}?"


def _begins_alike(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
