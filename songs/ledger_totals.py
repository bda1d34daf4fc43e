"""What was granted, charged, waived and given back in a span of time.

Reads the sums of whole hours that `ledger_check` has kept, and the entries since, of which it reads
a limited number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max, Sum
from django.utils import timezone

from songs.models import EntryKind, LedgerHour

MOST_READ = 10_000  # entries
HOUR = timedelta(hours=1)
BY_HOURS = timedelta(hours=6)  # from this span on, it begins with a whole hour

NEWEST = """
SELECT kind, count(*), sum(amount)
  FROM (SELECT kind, amount FROM songs_creditentry
         WHERE at >= %s ORDER BY at DESC LIMIT %s) AS newest
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

    def add(self, sums: Iterable[tuple[str, int, int]]) -> int:
        """Add (kind, entries, credits); returns how many entries that were."""
        added = 0
        for kind, entries, amount in sums:
            self.entries[kind] = self.entries.get(kind, 0) + entries
            self.credits[kind] = self.credits.get(kind, 0) + amount
            added += entries
        return added

    @property
    def granted(self) -> int:
        """Credits that operators granted and the site gave as a welcome, less those taken back."""
        return self.credits.get(EntryKind.GRANT, 0) + self.credits.get(EntryKind.WELCOME, 0)

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
    """The totals of the last `span`. One of six hours or more begins with a whole hour."""
    since = timezone.now() - span
    if span < BY_HOURS:
        return _add_entries(Totals(since), since)
    since = since.replace(minute=0, second=0, microsecond=0)
    newest = LedgerHour.objects.aggregate(newest=Max("hour"))["newest"]
    if newest is None:
        return _add_entries(Totals(since), since)
    kept = LedgerHour.objects.filter(hour__gte=since).values("kind").order_by()
    sums = kept.annotate(n=Sum("entries"), sum=Sum("amount")).values_list("kind", "n", "sum")
    found = Totals(since)
    found.add(sums)
    return _add_entries(found, max(since, newest + HOUR))


def _add_entries(found: Totals, since: datetime) -> Totals:
    """Add the entries since a time, the newest 10,000 of them."""
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [since, MOST_READ + 1])
        found.is_capped = found.add(cursor.fetchall()) > MOST_READ
    return found
