"""How long a function's steps take, from a bounded sample of its latest runs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jobs.metrics.spans import Span
from jobs.models import REMEMBERED, in_sql
from jobs.platform.postgres.clock import database_clock
from jobs.platform.postgres.named_rows import named_rows

MAX_RUNS = 300
MAX_STEPS = 3_000

# A request's step takes from sending to its answer. Other steps' rows begin with their first try:
# runs that an operator or code retried are left out. A repeated id's steps, “ask”, “ask:1”, … of
# a loop, are one (jobs/execution/memory.py makes the names).
STEPS = f"""
SELECT s.name, s.kind, count(DISTINCT s.run_id) AS runs, count(*) AS times,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY s.took) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY s.took) AS p95,
       max(s.took) AS slowest,
       (array_agg(s.run_id ORDER BY s.took DESC NULLS LAST))[1] AS slowest_run,
       count(*) FILTER (WHERE s.status = 'failed') AS failed,
       coalesce(sum(s.attempts), 0) AS erring_attempts, coalesce(sum(s.took), 0) AS seconds
  FROM (SELECT regexp_replace(step.name, ':[1-9][0-9]*$', '') AS name, step.kind, step.status,
               step.run_id, step.attempts,
               CASE WHEN asked.id IS NOT NULL THEN
                      CASE WHEN asked.sent_at <= asked.ended_at THEN
                           extract(epoch FROM asked.ended_at - asked.sent_at) END
                    WHEN runs.idle IS NULL AND step.ended_at >= step.started_at THEN
                      extract(epoch FROM step.ended_at - step.started_at)
               END::float8 AS took
          FROM (SELECT id, idle FROM (
                  SELECT id, idle, created_at FROM jobs_run WHERE fn_id = %(fn_id)s
                   ORDER BY id DESC LIMIT %(runs)s) AS newest
                 WHERE created_at >= %(since)s) AS runs
         CROSS JOIN LATERAL (
               SELECT * FROM jobs_step s WHERE s.run_id = runs.id
                  AND s.status IN {in_sql(REMEMBERED)} LIMIT %(steps_each)s) AS step
          LEFT JOIN jobs_fetch asked
                 ON asked.run_id = step.run_id AND asked.step_name = step.name
         LIMIT %(steps)s) AS s
 GROUP BY s.name, s.kind ORDER BY seconds DESC, s.name
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class StepFigures:
    """Times in seconds, None where unknown: `seconds` of all runs, the others of one. `share` is of
    all steps' time, 0 to 1."""

    name: str
    kind: str
    runs: int
    times: int  # in all runs: a loop's step is done several times in one
    p50: float | None
    p95: float | None
    slowest: float | None
    slowest_run: uuid.UUID
    failed: int
    erring_attempts: int
    seconds: float
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Steps:
    """Of the span's latest MAX_RUNS runs; the longest step first."""

    fn_id: str
    span: Span
    steps: list[StepFigures]


def steps(fn_id: str, span: Span, now: datetime | None = None) -> Steps:
    """A query, and one for the time without `now`."""
    asked: dict[str, Any] = {
        "fn_id": fn_id,
        "since": (now or database_clock().at) - span.length,
        "runs": MAX_RUNS,
        "steps": MAX_STEPS,
        "steps_each": MAX_STEPS // 3,
    }
    found = named_rows(StepFigures, STEPS, asked)
    whole = sum(step.seconds for step in found) or 1.0
    return Steps(fn_id, span, [replace(step, share=step.seconds / whole) for step in found])
