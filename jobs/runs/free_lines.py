"""Turns in lines at which no other transaction looks, taken in the trip that finds the runs.

A line is decided about under its lock, by a snapshot that is younger than the lock (turns, 1). So
the trip of a look has three statements:
1. the look locks the due runs' rows, and notes those that wait for their only line;
2. it locks their lines, without waiting, and notes the runs whose line it got;
3. these take their turns.

The other runs' rows are free after the trip, for turns.take_turns. So no transaction waits for a
line's lock while it holds a run's row.
"""

from __future__ import annotations

from jobs import advisory_locks
from jobs.runs import line_locks, turns

# Notes for the transaction's next statements.
WAITING = "jobs.waiting_for_a_line"
FREE = "jobs.at_a_free_line"


def _noted(setting: str) -> str:
    return f"nullif(current_setting('{setting}', true), '')::uuid[]"


def _note(setting: str, source: str) -> str:
    ids = f"ARRAY(SELECT id FROM {source} LIMIT {line_locks.MAX_OWN_LOCKS})"  # noqa: S608
    return f"set_config('{setting}', ({ids})::text, true)"


def note_waiting(source: str) -> str:
    """`source` gives the ids of locked runs whose only line is still before them."""
    return _note(WAITING, source)


LOCK_FREE_LINES = line_locks.for_line(
    f"""
WITH tried AS MATERIALIZED (
  SELECT id, pg_try_advisory_xact_lock_shared({line_locks.BUCKET_KEY})
         AND pg_try_advisory_xact_lock(h) AS is_free
    FROM (SELECT id, h, {line_locks.BUCKET}
            FROM (SELECT id, {advisory_locks.line("turn_keys[%(column)s]")} AS h
                    FROM jobs_run WHERE id = ANY({_noted(WAITING)})) hashed) line)
SELECT {_note(FREE, "tried WHERE is_free")}
""",  # noqa: S608
    0,
)
TAKE_FREE_TURNS = turns.take_turns_query(0, f"r.id = ANY({_noted(FREE)})")
