"""Whose turn it is (law 6).

A run passes its function's Concurrency lines in order and waits in line number `turns_held`. One
order for all keeps two runs from waiting for each other. First come first served goes by
`created_at`, the database's clock; ids carry the sender's.

A line is rows alone and cannot drift: an unfinished run past it holds a turn, a queued run in it
waits.
1. Each decision about a line is under its lock (line_locks) until the transaction ends. The next
   statement, in the same trip, sees earlier holders' commits.
2. A run in a full line is parked: `due_at` null, reason `turn`. Nothing polls it.
3. A run that leaves a line makes the first parked run due, in the same transaction. That run takes
   its turn like any other, so an extra wake is harmless; the sweep repairs a lost one.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from jobs.events.wake import WORD, waking_parked
from jobs.models import UNFINISHED, in_sql
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.query import Query
from jobs.platform.postgres.statements import Statement
from jobs.runs import lease
from jobs.runs.line_locks import LOCK_LINE, LOCK_LINES, MAX_OWN_LOCKS, for_line, lock

# `line` is a line's number, from 0, and `column` its place in a run's arrays, from 1: part of the
# text (for_line), as each column has an index.

# Turns held in the line of run `r`, counted up to its limit.
HOLDING = f"""
          SELECT count(*) FROM (
            SELECT 1 FROM jobs_run holder
             WHERE holder.turn_keys[%(column)s] = r.turn_keys[%(column)s]
               AND holder.turns_held > %(line)s AND holder.status IN {in_sql(UNFINISHED)}
             LIMIT r.turn_limits[%(column)s]) held
"""  # noqa: S608


def _room_behind(condition: str) -> str:
    """SQL: run `r` passes its line while fewer turns than this are held.

    That is its limit, less one for each run `w` before it that fits the condition. Each of these
    must be able to pass, too: its limit may be smaller.
    """
    return f"""
          SELECT least(r.turn_limits[%(column)s] - count(*), min(w_limit - place + 1)) FROM (
            SELECT w.turn_limits[%(column)s] AS w_limit,
                   row_number() OVER (ORDER BY w.created_at, w.id) AS place
              FROM jobs_run w
             WHERE w.turn_keys[%(column)s] = r.turn_keys[%(column)s]
               AND w.turns_held = %(line)s AND w.status = 'queued'
               AND (w.created_at, w.id) < (r.created_at, r.id)
               AND {condition}
               AND w.reason NOT IN ('function', 'paused')
             ORDER BY w.created_at, w.id
             LIMIT r.turn_limits[%(column)s]) before_it
"""  # noqa: S608


ROOM = _room_behind("(w.due_at IS NULL OR w.due_at <= clock_timestamp())")
# Behind runs that are not parked.
ROOM_BEHIND_DUE = _room_behind("coalesce(w.due_at, 'infinity') <= statement_timestamp()")
PASSES = f"({HOLDING}) < ({ROOM})"

LEASE_AFTER_LAST_LINE = lease.leasing_where("passes AND is_last_line")

# A run that passes its last line is leased, one that passes another stays due, another is parked.
# Values are looked up for each run: a join with `mine`, planned as one row, would look up all.
TAKE_TURNS = f"""
WITH mine AS MATERIALIZED (
  SELECT r.id, r.turns_held + 1 = cardinality(r.turn_keys) AS is_last_line, {PASSES} AS passes
    FROM jobs_run r
   WHERE {{of_line}}
     FOR UPDATE SKIP LOCKED)
UPDATE jobs_run r SET (turns_held, due_at, reason, {", ".join(LEASE_AFTER_LAST_LINE)}) = (
     SELECT r.turns_held + passes::int,
            CASE WHEN passes AND NOT is_last_line THEN r.due_at END,
            CASE WHEN passes THEN '' ELSE 'turn' END,
            {", ".join(LEASE_AFTER_LAST_LINE.values())}
       FROM mine WHERE mine.id = r.id),
       {lease.clearing()}
 WHERE r.id = ANY(ARRAY(SELECT id FROM mine))
RETURNING r.id, r.turns_held > %(line)s AS passes
"""  # noqa: S608


class TurnRow(NamedTuple):
    id: uuid.UUID
    passes: bool


def take_turns_query(line: int, of_line: str) -> Query[TurnRow]:
    """`of_line` is the condition of runs `r` that wait in it."""
    return Query(for_line(TAKE_TURNS.format(of_line=of_line), line), TurnRow)


# Found by id: in a quiet hour's statistics the index of due runs is empty.
AS_SEEN = """
         r.id = ANY(%(ids)s) AND r.turns_held = %(line)s
     AND coalesce(r.due_at, 'infinity') <= %(seen)s AND r.lease_token IS NULL"""
TAKE_TURNS_OF_LINE = [take_turns_query(line, AS_SEEN) for line in (0, 1)]

# All lines: leaps through the index, so long ones cost no more.
LINES = f"""lines(key) AS (
  (SELECT turn_keys[%(column)s] FROM jobs_run
    WHERE turn_keys[%(column)s] IS NOT NULL AND status IN {in_sql(UNFINISHED)}
    ORDER BY 1 LIMIT 1)
  UNION ALL
  SELECT (SELECT turn_keys[%(column)s] FROM jobs_run
           WHERE turn_keys[%(column)s] > lines.key AND status IN {in_sql(UNFINISHED)}
           ORDER BY 1 LIMIT 1)
    FROM lines WHERE lines.key IS NOT NULL
)"""  # noqa: S608

PARKED = """
     WHERE turn_keys[%(column)s] = {key} AND turns_held = %(line)s
       AND status = 'queued' AND due_at IS NULL
     ORDER BY created_at, id
"""

# Of each line that may need a wake: the first run that was parked in it.
HEADS = f"""{LINES}, heads AS MATERIALIZED (
  SELECT lines.key, head.* FROM lines CROSS JOIN LATERAL (
    SELECT id, created_at, turn_keys, turn_limits FROM jobs_run
     WHERE turn_keys[%(column)s] = lines.key AND turns_held = %(line)s
       AND status = 'queued' AND due_at IS NULL AND reason = 'turn'
     ORDER BY created_at, id LIMIT 1) head
)"""  # noqa: S608

FIRST_PARKED = f"""
SELECT id FROM jobs_run {PARKED.format(key="%(key)s")} LIMIT 1 FOR UPDATE SKIP LOCKED
"""  # noqa: S608

WAKE = f"""
WITH woken AS ({waking_parked(f"r.id = ({FIRST_PARKED})")})
{WORD}
"""

PARKED_IN_LINE = PARKED.format(key="line.key")
# Of each line, as many parked runs as it has room for at its first.
WAKE_EACH = f"""
WITH heads AS MATERIALIZED (
  SELECT line.key, head.* FROM unnest(%(keys)s::text[]) AS line(key)
   CROSS JOIN LATERAL (
         SELECT id, created_at, turn_keys, turn_limits
           FROM jobs_run {PARKED_IN_LINE} LIMIT 1) head
), next AS MATERIALIZED (
  SELECT next.id
    FROM (SELECT r.key, ({ROOM}) - ({HOLDING}) AS room FROM heads r) line
   CROSS JOIN LATERAL (
         SELECT id FROM jobs_run {PARKED_IN_LINE}
          LIMIT greatest(line.room, 0) FOR UPDATE SKIP LOCKED) next
), woken AS ({waking_parked("r.id = ANY(ARRAY(SELECT id FROM next))")})
{WORD}
"""  # noqa: S608


# Lines with room and a queued run, perhaps: no lock is held.
WITH_ROOM = f"""
SELECT r.key FROM unnest(%(keys)s::text[]) AS line(key)
 CROSS JOIN LATERAL (SELECT line.key, turn_keys, turn_limits FROM jobs_run
                      WHERE turn_keys[%(column)s] = line.key AND turns_held = %(line)s
                        AND status = 'queued' LIMIT 1) r
 WHERE ({HOLDING}) < r.turn_limits[%(column)s]
"""  # noqa: S608


PARKED_AMONG = """
SELECT turn_keys, turns_held FROM jobs_run
 WHERE id = ANY(%(ids)s) AND status = 'queued' AND due_at IS NULL AND reason = 'turn'
"""


def take_turns(
    waiting: Sequence[tuple[uuid.UUID, list[str], int]], seen: datetime, leased: dict[str, Any]
) -> set[uuid.UUID]:
    """Take due runs' turns, line by line: lease those that hold all, park those that may not pass;
    returns the leased ids.

    `waiting` is (run id, turn keys, turns held) as `seen` at a time, `leased` is
    claimed_run.lease_for's. Locked runs and those due since are left alone.
    """
    keys = {run_id: turn_keys for run_id, turn_keys, _ in waiting}
    held = {run_id: turns_held for run_id, _, turns_held in waiting}
    for line in range(max(map(len, keys.values()))):
        in_line = [run_id for run_id in held if held[run_id] == line < len(keys[run_id])]
        if in_line:
            line_keys = list({keys[run_id][line] for run_id in in_line})
            parameters = {**leased, "seen": seen, "keys": line_keys}
            for run_id in _take_turns_of_line(in_line, line, parameters):
                held[run_id] = line + 1
    return {run_id for run_id in held if held[run_id] == len(keys[run_id])}


def _take_turns_of_line(
    run_ids: list[uuid.UUID], line: int, parameters: dict[str, Any]
) -> list[uuid.UUID]:
    parameters = {**parameters, "ids": run_ids, "line": line}
    take = TAKE_TURNS_OF_LINE[line]
    _, taken = statements.execute_many(
        (for_line(LOCK_LINES, line), parameters), take.asked(parameters)
    )
    return [turn.id for turn in take.rows(taken) if turn.passes]


def wake_next_statements(turn_keys: Sequence[str], turns_held: int) -> list[Statement]:
    """For each line that a run leaves: those it passed, and its own. Run these after the change of
    its row, in its transaction.
    """
    passing: list[Statement] = []
    for line, key in enumerate(list(turn_keys)[: turns_held + 1]):  # in take_turns's order
        passing += _wake_next_in_line(key, line)
    return passing


def make_way_statements(turn_keys: Sequence[str], turns_held: int) -> list[Statement]:
    """A set-aside run keeps its place and turns."""
    if turns_held == len(turn_keys):
        return []
    return _wake_next_in_line(turn_keys[turns_held], turns_held)


def _wake_next_in_line(key: str, line: int) -> list[Statement]:
    asked = {"key": key, "line": line}
    return [(for_line(LOCK_LINE, line), asked), (for_line(WAKE, line), asked)]


def wake_next_in_lines(keys: Collection[str], line: int) -> None:
    """`wake_next_statements` for many ended runs, in first (0) or second (1) lines."""
    if keys:
        lock(keys, line)
        woken = statements.execute(for_line(WAKE_EACH, line), {"keys": list(keys), "line": line})
        notifier.tell_if_due([woken])


def wake_where_room_is(keys: Collection[str], line: int) -> None:
    """`wake_next_in_lines` for the lines that need it, usually none; outside a transaction."""
    asked = {"keys": list(keys), "line": line}
    found = statements.execute_by_index(for_line(WITH_ROOM, line), asked)
    for start in range(0, len(found), MAX_OWN_LOCKS):
        with transaction.atomic():
            wake_next_in_lines([key for (key,) in found[start : start + MAX_OWN_LOCKS]], line)


def wake_passed_by(run_ids: Collection[uuid.UUID]) -> None:
    """After a transaction that locked these rows: a run that ended meanwhile passed by those that
    are parked, and may have woken none of their line. Outside a transaction."""
    if not run_ids:
        return
    keys: tuple[set[str], set[str]] = (set(), set())
    for turn_keys, turns_held in statements.execute(PARKED_AMONG, {"ids": list(run_ids)}):
        keys[turns_held].add(turn_keys[turns_held])
    for line, line_keys in enumerate(keys):
        if line_keys:
            wake_where_room_is(line_keys, line)
