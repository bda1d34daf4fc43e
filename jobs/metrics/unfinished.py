"""The newest MAX_COUNTED unfinished runs by state and reason, and the oldest due. Counts no
history."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from jobs.models import IS_DUE, Reason, RunStatus
from jobs.platform.postgres.named_rows import named_rows
from jobs.runs.standstill import EXPLAINED

MAX_COUNTED = 10_000


# In one trip the clock, the oldest due run that no worker has taken (without those EXPLAINED,
# which other lines show), and the tallies.
UNFINISHED_RUNS = f"""
SELECT clock_timestamp() AS at, due.id AS oldest_due,
       extract(epoch FROM statement_timestamp() - due.due_at)::float8 AS oldest_due_seconds,
       newest.fn_id, newest.status, newest.reason, newest.runs
  FROM (SELECT 1) AS one
  LEFT JOIN (SELECT id, due_at FROM jobs_run
              WHERE {IS_DUE}
                AND reason <> ALL(%(explained)s)
              ORDER BY due_at LIMIT 1) AS due ON true
  LEFT JOIN (SELECT fn_id, status, reason, count(*) AS runs
               FROM (SELECT fn_id, status, reason FROM jobs_run WHERE ended_at IS NULL
                      ORDER BY id DESC LIMIT %(most)s) AS counted
              GROUP BY 1, 2, 3) AS newest ON true
 ORDER BY newest.fn_id, newest.status, newest.reason
"""  # noqa: S608


class UnfinishedRow(NamedTuple):
    at: datetime
    oldest_due: uuid.UUID | None
    oldest_due_seconds: float | None
    fn_id: str | None  # None, and so on: no run is unfinished
    status: str | None
    reason: str | None
    runs: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """A function's unfinished runs with one status and reason."""

    fn_id: str
    status: str
    reason: str  # of Reason; empty: due, or on its way
    runs: int

    @property
    def label(self) -> str:
        return Reason(self.reason).label if self.reason in Reason.values else self.reason


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`is_capped`: there may be more than MAX_COUNTED unfinished runs."""

    at: datetime
    tallies: list[Tally]
    is_capped: bool
    oldest_due: uuid.UUID | None  # the longest due and untaken
    oldest_due_seconds: float  # 0 if none is due

    def count(self, status: str = "", reason: str | None = None) -> int:
        return sum(
            tally.runs
            for tally in self.tallies
            if status in ("", tally.status) and reason in (None, tally.reason)
        )

    @property
    def pending(self) -> dict[str, int]:
        return self._by_function(self.tallies)

    @property
    def of_unknown_functions(self) -> dict[str, int]:
        """Of functions that no cluster knows."""
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


def count_unfinished() -> Unfinished:
    """One query."""
    asked = {"most": MAX_COUNTED, "explained": [str(why) for why in EXPLAINED]}
    rows = named_rows(UnfinishedRow, UNFINISHED_RUNS, asked)
    tallies = [tally for tally in map(_tally, rows) if tally is not None]
    return Unfinished(
        at=rows[0].at,
        tallies=tallies,
        is_capped=sum(tally.runs for tally in tallies) >= MAX_COUNTED,
        oldest_due=rows[0].oldest_due,
        oldest_due_seconds=rows[0].oldest_due_seconds or 0.0,
    )


def _tally(row: UnfinishedRow) -> Tally | None:
    if row.fn_id is None or row.status is None or row.reason is None or row.runs is None:
        return None
    return Tally(row.fn_id, row.status, row.reason, row.runs)
