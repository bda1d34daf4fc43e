"""Ends of runs, counted by function, minute, outcome, wait and run time.

1. An end that a retry undid still counts (UndoneEnd): else the failures of a night would be gone
   from the charts in the morning.
2. The wait is from the first possible start (due, its function not paused) to the first start. It
   counts with the first end alone: a retry would count it twice.
3. The run time is without the times between an end and its retry, which no worker spent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.metrics.histograms import BOUNDS, Histogram

WAIT = """CASE WHEN idle IS NULL AND started_at IS NOT NULL THEN greatest(0,
         extract(epoch FROM started_at - coalesce(ready_at, created_at)))::float8 END"""
TOOK = """CASE WHEN started_at IS NOT NULL THEN greatest(0,
         extract(epoch FROM ended_at - started_at - coalesce(idle, interval '0')))::float8 END"""
COUNTED = f"""
SELECT fn_id, date_bin('1 minute', ended_at, 'epoch'::timestamptz), status,
       width_bucket(wait, %(bounds)s::float8[]), width_bucket(took, %(bounds)s::float8[]), count(*)
  FROM (SELECT * FROM (
          SELECT fn_id, status, ended_at, {WAIT} AS wait, {TOOK} AS took FROM jobs_run
           WHERE ended_at >= %(since)s AND ended_at < %(until)s
           ORDER BY ended_at DESC LIMIT %(most)s) AS ended
        UNION ALL
        SELECT * FROM (
          SELECT fn_id, status, ended_at, wait, took FROM jobs_undoneend
           WHERE ended_at >= %(since)s AND ended_at < %(until)s
           ORDER BY ended_at DESC LIMIT %(most)s) AS undone) AS ends
 GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608
# Keeps an undone end for the figures (in the retry's transaction, under the run's row lock); the
# time since is idle.
RECORD_UNDONE_END = f"""
WITH kept AS (
  INSERT INTO jobs_undoneend
         (run_id, fn_id, status, failure_kind, ended_at, undone_at, wait, took)
  SELECT id, fn_id, status, CASE WHEN status = 'failed' THEN failure_kind ELSE '' END,
         ended_at, statement_timestamp(), {WAIT}, {TOOK}
    FROM jobs_run WHERE id = %(run_id)s AND ended_at IS NOT NULL)
UPDATE jobs_run SET mended_at = NULL, mended_by = NULL, dealt_with = '', dealt_by = '',
       idle = CASE WHEN started_at IS NULL THEN idle
                   ELSE coalesce(idle, interval '0') + (statement_timestamp() - ended_at) END
 WHERE id = %(run_id)s AND ended_at IS NOT NULL
"""  # noqa: S608


@dataclass(slots=True)
class Count:
    fn_id: str
    at: datetime
    status: str
    runs: int = 0
    waits: Histogram = field(default_factory=Histogram)
    times: Histogram = field(default_factory=Histogram)

    @property
    def key(self) -> tuple[str, datetime, str]:
        return self.fn_id, self.at, self.status

    def add(self, other: Count) -> None:
        self.runs += other.runs
        self.waits.merge(other.waits.counts)
        self.times.merge(other.times.counts)


Counts = dict[tuple[str, datetime, str], Count]


def counted(since: datetime, until: datetime, most: int | None = None) -> Counts:
    """From `since` on and before `until`, by minutes; the latest `most`."""
    asked: dict[str, Any] = {"since": since, "until": until, "most": most, "bounds": BOUNDS}
    found: Counts = {}
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, asked)
        for fn_id, at, status, wait, took, number in cursor.fetchall():
            count = found.setdefault((fn_id, at, status), Count(fn_id, at, status))
            count.runs += number
            if wait is not None:
                count.waits.add(wait, number)
            if took is not None:
                count.times.add(took, number)
    return found


def record_undone_end(run_id: uuid.UUID) -> None:
    """And clear what was said of it (mended, dealt with), before the run's row loses it."""
    with connection.cursor() as cursor:
        cursor.execute(RECORD_UNDONE_END, {"run_id": run_id})


def summed(counts: Iterable[Count]) -> Counts:
    """Adds up equal keys; may change the given counts."""
    found: Counts = {}
    for count in counts:
        if count.key in found:
            found[count.key].add(count)
        else:
            found[count.key] = count
    return found
