"""An author's durations: a number of seconds, or a timedelta."""

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
