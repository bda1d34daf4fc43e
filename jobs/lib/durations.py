"""An author's durations: a number of seconds, or a timedelta; and seconds in words."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

Duration = timedelta | float | Decimal
MAX_DURATION = timedelta(days=366)
NOTHING = timedelta()


def duration(given: Any) -> timedelta | None:
    """None for another type, for NaN, and beyond a timedelta's range."""
    if isinstance(given, timedelta):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        return None
    try:
        return timedelta(seconds=float(given))
    except (ValueError, OverflowError):
        return None


def seconds(span: Duration) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)


def in_words(seconds: float) -> str:
    """“20 ms”, “0.3 s”, “42 s”, “4 min”, “2 h”, “3 d”."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
