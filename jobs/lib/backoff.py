"""When to try again: by default Inngest's table (`pkg/backoff/backoff.go`, `TableBackoff`) plus
0–30 s of jitter, which parts runs that failed together.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from jobs.errors import (
    InvalidEvent,
    InvalidExpression,
    InvalidOutput,
    InvalidStep,
    NonRetriableError,
    RetryAfterError,
    StepError,
    UnknownSecret,
)
from jobs.lib.excerpts import quoted

TABLE = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)
JITTER = 30.0
LEAST, MOST = 1.0, 86_400.0

# Another attempt would meet the same code and data.
FINAL = (
    NonRetriableError,
    StepError,
    InvalidEvent,
    InvalidExpression,
    InvalidOutput,
    InvalidStep,
    UnknownSecret,
)


def delay(
    error: BaseException,
    attempt: int,
    retries: int,
    table: Sequence[float] | None = None,
    now: datetime | None = None,
) -> float | None:
    """Seconds until the next try after `attempt` (0-based) ended in `error`; None if it was the
    last or the error is final.

    `table` replaces Inngest's delays, without jitter; its last entry repeats.
    """
    if issubclass(type(error), FINAL) or attempt >= retries:
        return None
    asked = _asked_for(error, now or datetime.now(UTC))
    if asked is not None:
        return clamped(asked)
    if table:
        return float(table[min(attempt, len(table) - 1)])
    return TABLE[min(attempt, len(TABLE) - 1)] + random.uniform(0.0, JITTER)  # noqa: S311


def _asked_for(error: BaseException, now: datetime) -> float | None:
    """Other packages' exceptions have a `retry_after`, too."""
    try:
        given = getattr(error, "retry_after", None)
        found = seconds_until(given, now)
        if found is None and isinstance(error, RetryAfterError):
            error.add_note(
                f"retry_after={quoted(given)} is no number of seconds, no timedelta and no "
                "datetime with a time zone: the usual backoff is used."
            )
    except Exception:  # the attribute may be a property
        return None
    return found


def seconds_until(when: Any, now: datetime) -> float | None:
    if isinstance(when, datetime):
        return (when - now).total_seconds() if when.tzinfo else None
    if isinstance(when, timedelta):
        return when.total_seconds()
    if isinstance(when, bool) or not isinstance(when, int | float | Decimal):
        return None
    return float(when) if math.isfinite(when) else None


def span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def clamped(seconds: float) -> float:
    """Rounded up, from 1 s to a day, as Inngest's Retry-After."""
    return float(min(max(math.ceil(seconds), LEAST), MOST))


def header_seconds(value: str, now: datetime) -> float | None:
    """A Retry-After header (seconds, a day at most, or an HTTP date, RFC 9110 §10.2.3); None if
    unreadable.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MOST)
    try:
        when = parsedate_to_datetime(text)
        return (when - now).total_seconds() if when.tzinfo else None
    except Exception:  # a server's text may raise anything
        return None
