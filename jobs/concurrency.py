"""Whose turn it is (law 6).

A run stands in one line for each Concurrency of its function, and takes them in order: it holds
`turns_held` turns and waits in line number `turns_held` until it has all. Taking locks in one
order is what keeps two runs from waiting for each other.

First come is by the database's clock (`created_at`): ids carry the sender's.

A line is made of rows, nothing else, so it cannot drift from the truth: who holds a turn is an
unfinished run that got past that line, who waits is a queued run that stands in it.

1. Every decision about a line is made under its advisory lock, which lasts until the end of the
   transaction; the statement after the lock sees all that earlier holders of the lock committed.
   Both travel together, which PostgreSQL takes as one transaction.
2. A run that finds its line full is parked: `due_at` null, reason `turn`. Nothing polls it.
3. Whoever leaves a line (done, failed, cancelled) makes its first parked run due again, in the
   transaction in which it leaves. The woken run then takes its turn like anybody else, so a wake
   too many does no harm, and the sweep repairs a wake that was lost to a rollback.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobs import statements
from jobs.statements import Statement

# A due run is found by its id: by the statistics of a quiet hour the index of what is due is empty.
# Both lines' rules are the same; the column (an index of the array) is all that differs.
# PostgreSQL arrays count from 1.
LOCKS = """
SELECT pg_advisory_xact_lock(h)
  FROM (SELECT hashtextextended(key, 0) AS h FROM unnest(%(keys)s::text[]) AS key ORDER BY 1) k
"""

# Whether the run `r` may pass: how many hold a turn, or stand before it.
PASSES = """
         (SELECT count(*) FROM (
            SELECT 1 FROM jobs_run h
             WHERE h.turn_keys[%(column)s] = r.turn_keys[%(column)s]
               AND h.turns_held > %(line)s AND h.status IN ('queued', 'running', 'waiting')
             LIMIT r.turn_limits[%(column)s]) held)
       + (SELECT count(*) FROM (
            SELECT 1 FROM jobs_run w
             WHERE w.turn_keys[%(column)s] = r.turn_keys[%(column)s]
               AND w.turns_held = %(line)s AND w.status = 'queued'
               AND (w.created_at, w.id) < (r.created_at, r.id)
               AND (w.due_at IS NULL OR w.due_at <= clock_timestamp())
               AND w.reason NOT IN ('function', 'paused')
             LIMIT r.turn_limits[%(column)s]) ahead)
         < r.turn_limits[%(column)s]
"""

# Each run's row is looked up once: a join with `mine`, of which the planner expects one row, would
# look up all of them for each.
TAKE = f"""
WITH mine AS MATERIALIZED (
  SELECT r.id, r.turns_held + 1 = cardinality(r.turn_keys) AS is_last, {PASSES} AS passes
    FROM jobs_run r
   WHERE r.id = ANY(%(ids)s) AND r.turns_held = %(line)s
     AND coalesce(r.due_at, 'infinity') <= %(seen)s AND r.lease_token IS NULL
     FOR UPDATE SKIP LOCKED)
UPDATE jobs_run r
   SET (turns_held, due_at, reason, status, worker, lease_token, lease_until, started_at,
        expires_at) = (
     SELECT r.turns_held + passes::int,
            CASE WHEN passes AND NOT is_last THEN r.due_at END,
            CASE WHEN passes THEN '' ELSE 'turn' END,
            CASE WHEN passes AND is_last THEN 'running' ELSE r.status END,
            CASE WHEN passes AND is_last THEN %(worker)s ELSE r.worker END,
            CASE WHEN passes AND is_last THEN %(token)s::uuid END,
            CASE WHEN passes AND is_last
            THEN statement_timestamp() + make_interval(secs => %(lease)s) END,
            CASE WHEN passes AND is_last
            THEN coalesce(r.started_at, statement_timestamp()) ELSE r.started_at END,
            CASE WHEN passes AND is_last AND (r.started_at IS NULL OR r.expires_at IS NULL)
            THEN statement_timestamp() + make_interval(
                 secs => (%(finish)s::jsonb ->> r.fn_id)::double precision)
            ELSE r.expires_at END
       FROM mine WHERE mine.id = r.id),
       begun = false, stop_requested = false, error = NULL
 WHERE r.id = ANY(ARRAY(SELECT id FROM mine))
RETURNING r.id, r.turns_held > %(line)s
"""  # noqa: S608

# All lines in which a run stands: the query leaps through the index from one to the next, so that a
# long line costs no more than a short one.
LINES = """lines(key) AS (
  (SELECT turn_keys[%(column)s] FROM jobs_run
    WHERE turn_keys[%(column)s] IS NOT NULL AND status IN ('queued', 'running', 'waiting')
    ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT turn_keys[%(column)s] FROM jobs_run
           WHERE turn_keys[%(column)s] > lines.key AND status IN ('queued', 'running', 'waiting')
           ORDER BY 1 LIMIT 1)
    FROM lines WHERE lines.key IS NOT NULL
)"""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"

FIRST = """
SELECT id FROM jobs_run
 WHERE turn_keys[%(column)s] = %(key)s AND turns_held = %(line)s
   AND status = 'queued' AND due_at IS NULL
 ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

# Clusters are told, at the commit, if there was a next.
WAKE = f"""
WITH woken AS (
  UPDATE jobs_run SET due_at = statement_timestamp(), reason = '' WHERE id = ({FIRST})
  RETURNING id)
SELECT pg_notify('jobs', 'run') FROM woken
"""  # noqa: S608


def take_turns(
    waiting: Sequence[tuple[uuid.UUID, list[str], int]], seen: datetime, lease: dict[str, Any]
) -> set[uuid.UUID]:
    """Let due runs past their lines, in order; lease those that hold all their turns, park those
    that are not let past. Returns the leased ones.

    `waiting` is (run id, turn keys, turns held) as they were `seen` at a time, `lease` what
    claims._lease says. First come first served: a run goes through only if fewer than `limit`
    others hold a turn or stand before it. A run that somebody else is looking at, or that has
    become due since it was seen, whatever befell it meanwhile, is left alone.
    """
    held = {run_id: turns for run_id, _, turns in waiting}
    keys = {run_id: run_keys for run_id, run_keys, _ in waiting}
    for line in range(max(len(run_keys) for run_keys in keys.values())):
        here = [i for i, turns in held.items() if turns == line < len(keys[i])]
        if here:
            parameters = {**lease, "seen": seen, "keys": list({keys[i][line] for i in here})}
            for run_id in _take(here, line, parameters):
                held[run_id] = line + 1
    return {run_id for run_id, turns in held.items() if turns == len(keys[run_id])}


def _take(run_ids: list[uuid.UUID], line: int, parameters: dict[str, Any]) -> list[uuid.UUID]:
    """One transaction: the line's locks, then all that is decided under them."""
    parameters = {**parameters, "ids": run_ids, "line": line}
    _, taken = statements.together((LOCKS, parameters), (of_line(TAKE, line), parameters))
    return [run_id for run_id, passes in taken if passes]


def passing_on(turn_keys: Sequence[str], turns_held: int) -> list[Statement]:
    """What wakes the next in every line that a run leaves: those it got past and the one it stood
    in. To be executed after the run's own row was changed, in the same transaction."""
    passing: list[Statement] = []
    for line, key in enumerate(list(turn_keys)[: turns_held + 1]):  # in take_turns's order
        passing += [(LOCK, {"key": key}), (of_line(WAKE, line), {"key": key, "line": line})]
    return passing


def of_line(statement: str, line: int) -> str:
    return statement.replace("%(column)s", str(line + 1))


def lock(keys: Sequence[str]) -> None:
    """Take the lines' locks, in an order that is the same for everybody."""
    statements.execute(LOCKS, {"keys": list(keys)})
