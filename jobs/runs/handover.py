"""The turn that a run leaves, handed to the next run of its line on the same worker."""

from __future__ import annotations

from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs import turns
from jobs.runs.claim import BEFORE, CLAIMED, ITS_EVENT, LEASE, Claim, claim_of, lease_for

# The turn that a run of this function leaves, taken up at once by the worker that it leaves free:
# the first in the line is leased, if it is past all of its lines then, by the same rules as any
# other (see turns). Otherwise it is woken.
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
    """To be executed when a run has ended that stood in one line: who is next in it is leased for
    the same worker, if anybody is, and if it is his turn. See `gone_on`."""
    key = {"key": claimed.turn_keys[0], "line": 0}
    return turns.of_line(GO_ON, 0), lease_for(claimed.worker) | key


def gone_on(statement: Statement, rows: Rows) -> Claim | None:
    """The claim that `going_on` has made, if it has."""
    return next((claim_of(row[2:], dict(statement[1])) for row in rows if row[0]), None)
