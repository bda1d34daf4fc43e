"""What is so at this moment: runs by state and reason, the oldest that is due. No history is read,
and no state is counted further than MOST."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.db.models.functions import Now

from jobs.models import Reason, Run, RunStatus
from jobs.platform.postgres.clock import database_clock
from jobs.runs.standstill import EXPLAINED

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Unfinished runs with one status and one reason."""

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
    now = database_clock().at
    newest = Run.objects.filter(ended_at__isnull=True).order_by("-id")[:MOST]
    tallied = Run.objects.filter(id__in=newest.values("id")).order_by()
    rows = tallied.values_list("status", "reason").annotate(runs=Count("id"))
    tallies = [Tally(*row) for row in rows]
    oldest = _oldest_due()
    return Present(
        at=now,
        tallies=sorted(tallies, key=lambda tally: (tally.status, tally.reason)),
        is_capped=sum(tally.runs for tally in tallies) >= MOST,
        oldest_due=oldest[0] if oldest else None,
        oldest_due_seconds=oldest[1] if oldest else 0.0,
    )


def _oldest_due() -> tuple[uuid.UUID, float] | None:
    """Runs of paused or unknown functions, and those set aside, are told of elsewhere."""
    due = Run.objects.filter(lease_token__isnull=True, due_at__lte=Now())
    due = due.exclude(reason__in=EXPLAINED).annotate(now=Now()).order_by("due_at")
    row = due.values_list("id", "now", "due_at").first()
    if row is None or row[2] is None:
        return None
    return row[0], (row[1] - row[2]).total_seconds()
