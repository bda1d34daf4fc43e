"""Runs behind others in a line are parked before a worker has room for them: many runs in few lines
would otherwise stand before runs whose turn it is.
1. Of runs sent together, those beyond their line's limit are inserted parked. Once all are visible,
   the first wake them as they leave.
2. While its workers are busy, the pusher parks due runs behind others. A run whose turn it is stays
   due.
"""

from __future__ import annotations

from typing import Any

from jobs.platform.postgres import statements
from jobs.runs import shares, turns
from jobs.runs.line_locks import LOCK_LINES, for_line

MAX_DUE = 100  # due runs per look

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
   WHERE {turns.AS_SEEN} AND r.reason = ''
     FOR UPDATE SKIP LOCKED)
UPDATE jobs_run r SET due_at = NULL, reason = 'turn'
  FROM mine WHERE r.id = mine.id AND r.id = ANY(%(ids)s) AND NOT passes
RETURNING r.id
"""  # noqa: S608


def park_due(most: int = MAX_DUE) -> bool:
    asked: dict[str, Any] = {"limit": most, "after": ""}
    standing = statements.execute(STANDING, asked)
    if not standing:
        return False
    ids, keys, seen = zip(*standing, strict=True)
    asked = {"ids": list(ids), "keys": list(set(keys)), "seen": max(seen), "line": 0}
    locks, park = for_line(LOCK_LINES, 0), (for_line(PARK, 0), asked)
    _, parked = statements.execute_many((locks, asked), park)
    return 2 * len(parked) >= most
