"""When to try again: pure arithmetic, no clock and no database.

The default is Inngest's table (`pkg/backoff/backoff.go`, `TableBackoff`): the delay after failure
n, then 0–30 s of jitter so that what failed together does not come back together.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from jobs.errors import (
    InvalidEvent,
    InvalidExpression,
    InvalidOutput,
    InvalidStep,
    NonRetriableError,
    StepError,
    UnknownSecret,
)

TABLE = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)
JITTER = 30.0
LEAST, MOST = 1.0, 86_400.0

# Trying again cannot help: the next attempt would meet the same code and the same data.
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
    """Seconds until the next try after attempt number `attempt` (0-based) ended in `error`.

    None if there is none: the attempts are used up, or the error says so. `table` replaces
    Inngest's delays and has no jitter; its last entry repeats.
    """
    if isinstance(error, FINAL) or attempt >= retries:
        return None
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        return clamped(seconds_until(asked, now or datetime.now(UTC)))
    if table:
        return float(table[min(attempt, len(table) - 1)])
    return TABLE[min(attempt, len(TABLE) - 1)] + random.uniform(0.0, JITTER)  # noqa: S311


def seconds_until(when: float | timedelta | datetime, now: datetime) -> float:
    """The three ways to say “later”, as seconds."""
    if isinstance(when, datetime):
        return (when - now).total_seconds()
    if isinstance(when, timedelta):
        return when.total_seconds()
    return float(when)


def span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def clamped(seconds: float) -> float:
    """Between one second and a day, whole seconds upwards, as Inngest reads Retry-After."""
    if not math.isfinite(seconds):
        return MOST
    return float(min(max(math.ceil(seconds), LEAST), MOST))


def header_seconds(value: str, now: datetime) -> float | None:
    """A Retry-After header (seconds or an HTTP date, RFC 9110 §10.2.3) as seconds."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (when - now).total_seconds() if when.tzinfo else None
