"""What is so at this moment: runs by state and reason, the oldest that is due. No history is read,
and no state is counted further than MOST."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models.functions import Now

from jobs.models import Reason, Run, RunStatus
from jobs.platform.postgres.clock import database_clock
from jobs.runs.standstill import EXPLAINED

MOST = 10_000


TALLIES = """
SELECT fn_id, status, reason, count(*)
  FROM (SELECT fn_id, status, reason FROM jobs_run WHERE ended_at IS NULL
         ORDER BY id DESC LIMIT %s) AS newest
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Unfinished runs of one function with one status and one reason."""

    fn_id: str
    status: str
    reason: str  # of Reason; empty: due, or on its way
    runs: int

    @property
    def label(self) -> str:
        return Reason(self.reason).label if self.reason in Reason.values else self.reason


@dataclass(frozen=True, slots=True)
class Present:
    """`tallies` are of the newest MOST unfinished runs; `is_capped` says that there are more."""

    at: datetime
    tallies: list[Tally]
    is_capped: bool
    oldest_due: uuid.UUID | None  # the run that is due and untaken for longest
    oldest_due_seconds: float  # 0 if none is due

    def count(self, status: str = "", reason: str | None = None) -> int:
        """Of those with this status and this reason; of all by default."""
        return sum(
            tally.runs
            for tally in self.tallies
            if status in ("", tally.status) and reason in (None, tally.reason)
        )

    @property
    def pending(self) -> dict[str, int]:
        """Unfinished runs by function."""
        return self._by_function(self.tallies)

    @property
    def of_unknown_functions(self) -> dict[str, int]:
        """Runs that no cluster takes, since none of them knows their function."""
        return self._by_function([t for t in self.tallies if t.reason == Reason.FUNCTION])

    @staticmethod
    def _by_function(tallies: list[Tally]) -> dict[str, int]:
        found: dict[str, int] = {}
        for tally in tallies:
            found[tally.fn_id] = found.get(tally.fn_id, 0) + tally.runs
        return found

    @property
    def queued(self) -> int:
        return self.count(RunStatus.QUEUED)

    @property
    def running(self) -> int:
        return self.count(RunStatus.RUNNING)

    @property
    def waiting(self) -> int:
        return self.count(RunStatus.WAITING)


def present() -> Present:
    """Three queries."""
    now, counted, oldest = database_clock().at, tallies(), _oldest_due()
    return Present(
        at=now,
        tallies=counted,
        is_capped=sum(tally.runs for tally in counted) >= MOST,
        oldest_due=oldest[0] if oldest else None,
        oldest_due_seconds=oldest[1] if oldest else 0.0,
    )


def tallies() -> list[Tally]:
    """Of the newest MOST unfinished runs."""
    with connection.cursor() as cursor:
        cursor.execute(TALLIES, [MOST])
        return [Tally(*row) for row in cursor.fetchall()]


def _oldest_due() -> tuple[uuid.UUID, float] | None:
    """Runs of paused or unknown functions, and those set aside, are told of elsewhere."""
    due = Run.objects.filter(lease_token__isnull=True, due_at__lte=Now())
    due = due.exclude(reason__in=EXPLAINED).annotate(now=Now()).order_by("due_at")
    row = due.values_list("id", "now", "due_at").first()
    if row is None or row[2] is None:
        return None
    return row[0], (row[1] - row[2]).total_seconds()
