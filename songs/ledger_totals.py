"""What was granted, charged, waived and given back in a span of time.

Reads the sums of whole hours that `ledger_check` has kept, and the entries since, of which it reads
a limited number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from songs.models import EntryKind

MAX_READ = 10_000  # entries
HOUR = timedelta(hours=1)
BY_HOURS = timedelta(hours=6)  # from this span on, it begins with a whole hour

# The sums of whole hours, and those of the entries since the last of these.
SUMS = """
WITH kept AS (
  SELECT coalesce(max(hour) + interval '1 hour', '-infinity') AS until
    FROM songs_ledgerhour WHERE %(by_hours)s)
SELECT kind, sum(entries)::bigint, sum(amount)::bigint, false
  FROM songs_ledgerhour WHERE %(by_hours)s AND hour >= %(since)s GROUP BY kind
UNION ALL
SELECT kind, count(*), sum(amount), true
  FROM (SELECT kind, amount FROM songs_creditentry
         WHERE at >= greatest(%(since)s, (SELECT until FROM kept))
         ORDER BY at DESC LIMIT %(most)s) AS newest
 GROUP BY kind
"""
SPANS = {
    "15m": (timedelta(minutes=15), "15 minutes"),
    "1h": (HOUR, "hour"),
    "24h": (timedelta(hours=24), "24 hours"),
    "7d": (timedelta(days=7), "7 days"),
}


@dataclass
class Totals:
    """Entries and credits of each kind since a time. With `is_capped` there were more."""

    since: datetime
    entries: dict[str, int] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    is_capped: bool = False

    def add(self, kind: str, entries: int, amount: int) -> None:
        self.entries[kind] = self.entries.get(kind, 0) + entries
        self.credits[kind] = self.credits.get(kind, 0) + amount

    @property
    def granted(self) -> int:
        """Credits that operators granted and the site gave as a welcome, less those taken back."""
        kinds = (EntryKind.GRANT, EntryKind.WELCOME, EntryKind.CLOSED)
        return sum(self.credits.get(kind, 0) for kind in kinds)

    @property
    def bought(self) -> int:
        return self.credits.get(EntryKind.PURCHASE, 0)

    @property
    def charged(self) -> int:
        return -self.credits.get(EntryKind.CHARGE, 0)

    @property
    def waived(self) -> int:
        """Songs: a waived one moves no credit."""
        return self.entries.get(EntryKind.WAIVED, 0)

    @property
    def refunded(self) -> int:
        return self.credits.get(EntryKind.REFUND, 0)


def totals(span: timedelta) -> Totals:
    """The totals of the last `span`: one statement. A span of six hours or more begins with a whole
    hour."""
    by_hours = span >= BY_HOURS
    since = timezone.now() - span
    if by_hours:
        since = since.replace(minute=0, second=0, microsecond=0)
    found, read = Totals(since), 0
    with connection.cursor() as cursor:
        cursor.execute(SUMS, {"since": since, "by_hours": by_hours, "most": MAX_READ + 1})
        for kind, entries, amount, is_read in cursor.fetchall():
            found.add(kind, entries, amount)
            read += entries if is_read else 0
    found.is_capped = read > MAX_READ
    return found
