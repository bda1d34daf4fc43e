"""Runs that stand in a line behind others are parked before any worker has room for them.

The pusher lets a due run past its line when it takes it, and parks it if its turn has not come (see
concurrency). Of many runs of few lines nearly all are parked; as long as they are not, they stand
among what is due before the runs whose turn it is.

1. Runs that are sent together are inserted together: those of one line beyond its limit stand
   behind the first ones whatever else is in the line, and are parked from the beginning. The first
   ones are due, and wake the next ones as they leave the line, which they do later than all become
   visible.
2. While its workers have enough to do, the pusher parks what is due and stands behind others. A run
   whose turn it is stays due; it is taken when there is room.
"""

from __future__ import annotations

from typing import Any

from jobs.platform.postgres import statements
from jobs.runs import shares, turns

MOST = 100  # due runs that are looked at at a time

STANDING = f"""
WITH RECURSIVE {shares.CLASSES}
SELECT id, turn_keys[1], statement_timestamp() FROM ready CROSS JOIN LATERAL (
  SELECT id, turn_keys, turns_held, reason FROM jobs_run
   WHERE {shares.OF_CLASS} LIMIT {shares.SHARE}) due
 WHERE turns_held = 0 AND turn_keys[1] IS NOT NULL AND reason = ''
"""  # noqa: S608

PARK = f"""
WITH mine AS MATERIALIZED (
  SELECT r.id, {turns.PASSES} AS passes
    FROM jobs_run r
   WHERE r.id = ANY(%(ids)s) AND r.turns_held = %(line)s AND r.reason = ''
     AND coalesce(r.due_at, 'infinity') <= %(seen)s AND r.lease_token IS NULL
     FOR UPDATE SKIP LOCKED)
UPDATE jobs_run r SET due_at = NULL, reason = 'turn'
  FROM mine WHERE r.id = mine.id AND r.id = ANY(%(ids)s) AND NOT passes
RETURNING r.id
"""  # noqa: S608


def park_due(most: int = MOST) -> bool:
    """Park due runs that stand in their first line behind others; returns whether it is worth
    looking for more of them at once."""
    asked: dict[str, Any] = {"limit": most, "after": ""}
    standing = statements.execute(STANDING, asked)
    if not standing:
        return False
    ids, keys, seen = zip(*standing, strict=True)
    asked = {"ids": list(ids), "keys": list(set(keys)), "seen": max(seen), "line": 0}
    locks, park = turns.of_line(turns.LOCKS, 0), (turns.of_line(PARK, 0), asked)
    _, parked = statements.together((locks, asked), park)
    return 2 * len(parked) >= most
