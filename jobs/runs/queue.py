"""Claiming due runs: a batch at a time, each under a lease (law 4)."""

from __future__ import annotations

import logging

from jobs.models import Reason
from jobs.platform.postgres import statements
from jobs.registry import catalog
from jobs.runs import shares
from jobs.runs.claim import BEFORE, CLAIMED, ITS_EVENT, LEASE, Claim, lease_for
from jobs.runs.turns import take_turns
from jobs.runs.unclaimable import claim_or_aside, set_aside

logger = logging.getLogger("jobs.engine")

FREE = (True, False, False)  # known function, not standing still; in no line


# Due runs of every class (see shares) that no other cluster is looking at; those in no line, or
# past all, are leased. There is always one row, with the state of the round.
TAKE = f"""
WITH RECURSIVE {shares.CLASSES}, due AS MATERIALIZED (
  SELECT ready.number, picked.*,
         row_number() OVER (PARTITION BY ready.number ORDER BY picked.due_at, picked.id) AS place
    FROM ready CROSS JOIN LATERAL (
         SELECT r.due_at, r.fn_id = ANY(%(known)s) AS is_known,
                r.turns_held < cardinality(r.turn_keys) AS stands_in_line, {BEFORE}
           FROM jobs_run r
          WHERE {shares.OF_CLASS} LIMIT {shares.SHARE}
            FOR UPDATE SKIP LOCKED) picked),
leased AS (
  UPDATE jobs_run r SET {LEASE}
   WHERE r.id = ANY(ARRAY(SELECT id FROM due
                           WHERE is_known AND NOT stands_still AND NOT stands_in_line)))
SELECT {shares.SHARE}, {shares.NEXT}, taken.*
  FROM (SELECT) look LEFT JOIN LATERAL (
       SELECT number, place, is_known, stands_still, stands_in_line, {CLAIMED}
         FROM due r {ITS_EVENT}) taken ON true
 ORDER BY place, number
"""  # noqa: S608


NEXT_DUE = """
SELECT extract(epoch FROM due_at - clock_timestamp()) FROM jobs_run
 WHERE due_at IS NOT NULL AND lease_token IS NULL ORDER BY due_at LIMIT 1
"""


def claim(limit: int, worker: str = "") -> list[Claim]:
    return look(limit, worker)[0]


def look(limit: int, worker: str) -> tuple[list[Claim], bool]:
    """Claim due runs whose turn it is, out of `limit` due ones (see shares); returns them, and
    whether there may be more.

    Each statement is a transaction, right whatever became of the one before:
    1. lease due runs in no line, or past all of theirs;
    2. set aside runs whose function this process does not know, or which stands still;
    3. take the others' turns: lease those that are through, park the rest.

    A crash in between loses nothing: unleased runs are still due.
    """
    lease = lease_for(worker)
    rows = statements.execute(TAKE, {**lease, "known": catalog.ids(), **shares.asked(limit)})
    (share, next_after), due = rows[0][:2], [row[2:] for row in rows if row[2] is not None]
    may_be_more = shares.here.goes_on(share, next_after, [number for number, *_ in due])
    read = [(row[2:5], claim_or_aside(row[5:], lease)) for row in due]
    found = [(kept, c) for kept, c in read if c is not None]
    mine = {c.run_id for kept, c in found if kept == FREE}
    in_line = [c for (is_known, is_still, _), c in found if is_known and not is_still]
    in_line = [c for c in in_line if c.run_id not in mine]
    if in_line:
        queued = [(c.run_id, c.turn_keys, c.turns_held) for c in in_line]
        mine |= take_turns(queued, in_line[0].clock.at, lease)
    for (is_known, is_still, _), c in found:
        if not is_known or is_still:
            set_aside(c, Reason.PAUSED if is_still else Reason.FUNCTION)
    return [c for _, c in found if c.run_id in mine], may_be_more


def next_due(at_most: float) -> float:
    rows = statements.execute(NEXT_DUE, {})
    return min(max(float(rows[0][0]), 0.0), at_most) if rows else at_most
