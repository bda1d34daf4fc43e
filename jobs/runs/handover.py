"""A completed run hands its turn to the next run of its line, on the same worker."""

from __future__ import annotations

from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs import turns
from jobs.runs.claim import BEFORE, CLAIMED, ITS_EVENT, LEASE, Claim, claim_of, lease_for

# Lease the line's next run if it now holds all its turns (see turns); otherwise wake it.
GO_ON = f"""
WITH first AS MATERIALIZED ({turns.FIRST}),
next AS MATERIALIZED (
  SELECT r.lease_token IS NULL AND r.turns_held + 1 = cardinality(r.turn_keys)
         AND {turns.PASSES} AS passes, {BEFORE}
    FROM jobs_run r WHERE r.id = (SELECT id FROM first)),
leased AS (
  UPDATE jobs_run r SET turns_held = turns_held + 1, {LEASE}
   WHERE r.id = (SELECT id FROM next WHERE passes AND NOT stands_still)),
woken AS (
  UPDATE jobs_run SET due_at = statement_timestamp(), reason = ''
   WHERE id = (SELECT id FROM next WHERE stands_still OR NOT passes)
  RETURNING id)
SELECT passes AND NOT stands_still, (SELECT 'run' FROM woken), {CLAIMED}
  FROM next r {ITS_EVENT}
"""  # noqa: S608


def going_on(claimed: Claim) -> Statement:
    """For a completed run of one line; `gone_on` reads the result."""
    key = {"key": claimed.turn_keys[0], "line": 0}
    return turns.of_line(GO_ON, 0), lease_for(claimed.worker) | key


def gone_on(statement: Statement, rows: Rows) -> Claim | None:
    return next((claim_of(row[2:], dict(statement[1])) for row in rows if row[0]), None)
