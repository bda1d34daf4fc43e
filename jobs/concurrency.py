"""Whose turn it is (law 6).

A run stands in one line for each Concurrency of its function, and takes them in order: it holds
`turns_held` turns and waits in line number `turns_held` until it has all. Taking locks in one
order is what keeps two runs from waiting for each other.

First come is by the database's clock (`created_at`): ids carry the sender's.

A line is made of rows, nothing else, so it cannot drift from the truth: who holds a turn is an
unfinished run that got past that line, who waits is a queued run that stands in it.

1. Every decision about a line is made under its advisory lock, which lasts until the end of the
   transaction; the statement after the lock sees all that earlier holders of the lock committed.
2. A run that finds its line full is parked: `due_at` null, reason `turn`. Nothing polls it.
3. Whoever leaves a line (done, failed, cancelled) makes its first parked run due again, in the
   transaction in which it leaves. The woken run then takes its turn like anybody else, so a wake
   too many does no harm, and the sweep repairs a wake that was lost to a rollback.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import connection

# Both lines' rules are the same; the column (an index of the array) is all that differs.
# PostgreSQL arrays count from 1.
TAKE = """
UPDATE jobs_run AS r SET turns_held = r.turns_held + 1
WHERE r.id = ANY(%(ids)s) AND r.turns_held = %(line)s
  AND (SELECT count(*) FROM (
         SELECT 1 FROM jobs_run h
          WHERE h.turn_keys[%(column)s] = r.turn_keys[%(column)s]
            AND h.turns_held > %(line)s AND h.status IN ('queued', 'running', 'waiting')
          LIMIT r.turn_limits[%(column)s]) held)
    + (SELECT count(*) FROM (
         SELECT 1 FROM jobs_run w
          WHERE w.turn_keys[%(column)s] = r.turn_keys[%(column)s]
            AND w.turns_held = %(line)s AND w.status = 'queued'
            AND (w.created_at, w.id) < (r.created_at, r.id)
            AND (w.due_at IS NULL OR w.due_at <= statement_timestamp())
            AND w.reason NOT IN ('function', 'paused')
          LIMIT r.turn_limits[%(column)s]) ahead)
    < r.turn_limits[%(column)s]
RETURNING r.id
"""

WAKE = """
UPDATE jobs_run SET due_at = statement_timestamp(), reason = ''
WHERE id = (SELECT id FROM jobs_run
             WHERE turn_keys[%(column)s] = %(key)s AND turns_held = %(line)s
               AND status = 'queued' AND due_at IS NULL
             ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
"""


def take_turns(waiting: Sequence[tuple[uuid.UUID, list[str], int]]) -> set[uuid.UUID]:
    """Let queued runs past their lines, in order; returns those that now hold all their turns.

    `waiting` is (run id, turn keys, turns held); the caller holds the runs' row locks and is in a
    transaction. First come first served: a run goes through only if fewer than `limit` others
    hold a turn or stand before it.
    """
    held = {run_id: turns for run_id, _, turns in waiting}
    keys = {run_id: run_keys for run_id, run_keys, _ in waiting}
    for line in range(max((len(run_keys) for run_keys in keys.values()), default=0)):
        here = [i for i, turns in held.items() if turns == line < len(keys[i])]
        if here:
            lock({keys[i][line] for i in here})
            for run_id in _take(here, line):
                held[run_id] = line + 1
    return {run_id for run_id, turns in held.items() if turns == len(keys[run_id])}


def _take(run_ids: list[uuid.UUID], line: int) -> list[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE.replace("%(column)s", str(line + 1)), {"ids": run_ids, "line": line})
        return [row[0] for row in cursor.fetchall()]


def pass_turns_on(turn_keys: Sequence[str], turns_held: int) -> bool:
    """Wake the next in every line that a run leaves: those it got past and the one it stood in.

    Called after the run's own row was changed, in the same transaction. Whether there was a next.
    """
    left = list(turn_keys)[: turns_held + 1]
    woken = 0
    if not left:
        return False
    with connection.cursor() as cursor:
        for line, key in enumerate(left):
            lock([key])  # line after line, as take_turns does
            statement = WAKE.replace("%(column)s", str(line + 1))
            cursor.execute(statement, {"key": key, "line": line})
            woken += cursor.rowcount
    return woken > 0


def lock(keys: Sequence[str] | set[str]) -> None:
    """Take the lines' locks, in an order that is the same for everybody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) "
            "FROM (SELECT key FROM unnest(%s::text[]) AS key ORDER BY hashtextextended(key, 0)) k",
            [list(keys)],
        )
