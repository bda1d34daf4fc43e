"""The spans of the panel's figures, and their bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.errors import JobsError
from jobs.lib.excerpts import quoted

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class InvalidSpan(JobsError):
    """The panel shows 15m, 1h, 24h and 7d."""


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time up to now: `key` in URLs, `label` on pages."""

    key: str
    label: str
    length: timedelta
    bar: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """Each bar's start, oldest first, at whole bars of UTC; now's bar is one more."""
        last = floor(now, self.bar)
        number = self.length // self.bar
        return [last - self.bar * back for back in range(number, -1, -1)]


SPANS = {
    span.key: span
    for span in (
        Span("15m", "15 minutes", MINUTE * 15, MINUTE),
        Span("1h", "hour", HOUR, MINUTE),
        Span("24h", "24 hours", DAY, HOUR),
        Span("7d", "7 days", DAY * 7, HOUR * 6),
    )
}
DEFAULT_SPAN = SPANS["1h"]


def span_of(key: str) -> Span:
    """DEFAULT_SPAN for an empty key. Raises InvalidSpan."""
    if not key:
        return DEFAULT_SPAN
    if key not in SPANS:
        raise InvalidSpan(f"{quoted(key, 40)} is no span; {', '.join(SPANS)} are.")
    return SPANS[key]


def floor(moment: datetime, unit: timedelta) -> datetime:
    """The last whole unit of UTC not after this moment."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (moment - epoch) // unit * unit
