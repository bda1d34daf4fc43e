"""What the sweep finds and hands on: any cluster does it, every few seconds (law 5).

Each statement is safe to run by several clusters at once: it changes rows by a condition that
the change itself ends, and skips rows that somebody else is at.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import connection, transaction

logger = logging.getLogger("jobs.engine")

LOST_RUNS = """
UPDATE jobs_run SET due_at = statement_timestamp(), reason = '', lease_token = NULL,
       lease_until = NULL
 WHERE id IN (SELECT id FROM jobs_run WHERE lease_until < statement_timestamp()
               ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

LOST_FETCHES = """
UPDATE jobs_fetch SET status = 'pending', lease_token = NULL, lease_until = NULL
 WHERE id IN (SELECT id FROM jobs_fetch WHERE lease_until < statement_timestamp()
               ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

# Parked runs at the head of a line that has room: a wake was lost to somebody's rollback.
FORGOTTEN = """
UPDATE jobs_run r SET due_at = statement_timestamp(), reason = ''
 WHERE r.id IN (
   SELECT p.id FROM jobs_run p
    WHERE p.status = 'queued' AND p.due_at IS NULL AND p.reason = 'turn'
      AND (SELECT count(*) FROM jobs_run h
            WHERE h.turn_keys[%(column)s] = p.turn_keys[%(column)s]
              AND h.turns_held > %(line)s AND h.status IN ('queued', 'running', 'waiting'))
          < p.turn_limits[%(column)s]
      AND p.turns_held = %(line)s
    ORDER BY p.id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING r.id
"""

NEXT_DUE = """
SELECT extract(epoch FROM due_at - clock_timestamp()) FROM jobs_run
 WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1
"""


def sweep() -> int:
    """Give back what dead workers and gateways held, and turns that nobody took; returns how
    many runs and requests were handed on."""
    with transaction.atomic(), connection.cursor() as cursor:
        runs = _ids(cursor, LOST_RUNS)
        fetches = _ids(cursor, LOST_FETCHES)
        for line in (0, 1):
            statement = FORGOTTEN.replace("%(column)s", str(line + 1))
            cursor.execute(statement, {"line": line})
            runs += [row[0] for row in cursor.fetchall()]
    if runs or fetches:
        logger.warning("Handed on: %d runs, %d requests.", len(runs), len(fetches))
    return len(runs) + len(fetches)


def _ids(cursor: Any, statement: str) -> list[Any]:
    cursor.execute(statement)
    return [row[0] for row in cursor.fetchall()]


def next_due(at_most: float) -> float:
    """Seconds until the next run is due, between 0 and `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        row = cursor.fetchone()
    return at_most if row is None else min(max(float(row[0]), 0.0), at_most)
