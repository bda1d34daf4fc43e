"""Cancelling many runs in sets: as `cancellation.cancel` does one, in one transaction with a fixed
number of statements, which wakes each line once.

1. Locked rows are passed by: a set waits for none. Lines are locked after rows
   (completion.release_statements).
2. It takes plain runs: no lease, no unfinished run that invoked it, no requests. The others are
   done singly.
3. A set with more lines than MAX_OWN_LOCKS is done in smaller ones: the locks of so many would hold
   up other lines.
4. A run that is parked in its first line stands in no other run's way, so that line is not locked.
   But while the run's row is locked, other transactions pass by it: an ending run may wake nothing,
   and a run behind it may be parked. So PassedLines looks at such lines after the commit.
5. If the process dies, a set is done or not; turn_repair does what (4) leaves.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db import transaction

from jobs.control import cancellation_events
from jobs.control.cancellation_events import is_listened_to, is_waited_for
from jobs.control.passed_lines import PassedLines
from jobs.events import requester
from jobs.events.insertion import INTO_RUNS
from jobs.ids import as_array, new_keys
from jobs.lib.error_report import MESSAGE_LIMIT, describe_as, fit_text
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.query import Query
from jobs.registry import last_synced
from jobs.registry.function import Function
from jobs.runs import line_locks, turns
from jobs.runs.claim_row import HAS_MEMORY

LARGEST_SET = 1_000  # runs

# One look for each id, whatever the statistics.
FUNCTIONS = """
SELECT DISTINCT (SELECT fn_id FROM jobs_run WHERE id = given.id LIMIT 1)
  FROM unnest(%(ids)s::uuid[]) given(id)
"""

# Lists of ids are text on the way. See (4).
LOCK = """
SELECT array_agg(id)::text AS ids,
       array_agg(DISTINCT key) FILTER (WHERE NOT is_parked) AS keys_of_first_lines,
       array_agg(DISTINCT key) FILTER (WHERE is_parked) AS keys_of_passed_lines,
       count(DISTINCT turn_keys[2]) FILTER (WHERE turns_held > 0) AS second_lines
  FROM (
  SELECT id, turn_keys, turns_held, turn_keys[1] AS key,
         turns_held = 0 AND reason = 'turn' AS is_parked
    FROM jobs_run r
   WHERE id = ANY(%(ids)s::uuid[]) AND ended_at IS NULL AND lease_token IS NULL
     AND (NOT %(late)s OR expires_at < statement_timestamp())
     AND (invoked_by_id IS NULL
          OR (SELECT ended_at FROM jobs_run WHERE id = r.invoked_by_id LIMIT 1) IS NOT NULL)
   ORDER BY id FOR UPDATE SKIP LOCKED) free
"""

HOOKS = """(
  SELECT (%(hook_ids)s::uuid[])[number] AS id, hook AS fn_id,
         (%(event_ids)s::uuid[])[number] AS event_id, '{}'::text[] AS turn_keys,
         '{}'::int[] AS turn_limits, %(asked_by)s::text AS asked_by, NULL::timestamptz AS planned,
         NULL::float8 AS start_within, false AS is_parked
    FROM numbered WHERE hook IS NOT NULL) given
"""

# Under the row's lock, earlier work of the run is committed. Its steps are found by the run, not by
# the index of all that is awaited, whose condition is in no other words here
# (completion.await_nothing).
CANCELLED_RUNS = f"""
WITH cancelled AS MATERIALIZED (
  UPDATE jobs_run r
     SET status = 'cancelled', reason = '', due_at = NULL, expires_at = NULL,
         ended_at = statement_timestamp(), error = %(error)s::jsonb, epoch = epoch + 1
   WHERE id = ANY(%(locked)s::uuid[])
     AND (NOT ({HAS_MEMORY})
          OR (SELECT 1 FROM jobs_fetch WHERE run_id = r.id LIMIT 1) IS NULL
         AND (NOT %(alone)s OR (SELECT 1 FROM jobs_run WHERE invoked_by_id = r.id LIMIT 1) IS NULL))
  RETURNING id, fn_id, event_id, epoch, error, turn_keys, turns_held, {HAS_MEMORY} AS has_memory
), awaiting_nothing AS (
  UPDATE jobs_step SET awaits = ''
   WHERE run_id = ANY(ARRAY(SELECT id FROM cancelled WHERE has_memory))
     AND status = 'waiting' AND length(awaits) > 0
)
"""  # noqa: S608
OTHERS_AND_LINES = """
       CASE WHEN (SELECT count(*) FROM cancelled) < cardinality(%(ids)s::uuid[])
            THEN ARRAY(SELECT unnest(%(ids)s::uuid[]) EXCEPT SELECT id FROM cancelled)
            ELSE '{}' END AS others,
       ARRAY(SELECT DISTINCT turn_keys[2] FROM cancelled
              WHERE turn_keys[2] IS NOT NULL AND turns_held > 0) AS keys_of_second_lines
"""
CANCEL_AND_TELL = f"""
{CANCELLED_RUNS}, numbered AS MATERIALIZED (
  SELECT *, row_number() OVER (ORDER BY id) AS number, %(hooks)s::jsonb ->> fn_id AS hook
    FROM cancelled
), told AS ({cancellation_events.INSERT_NOW}
), hooked AS ({INTO_RUNS.format(runs=HOOKS)}
  RETURNING id
)
SELECT (SELECT count(*) FROM hooked) AS hooks, {OTHERS_AND_LINES}
"""  # noqa: S608
CANCEL = f"""
{CANCELLED_RUNS}
SELECT array_agg(id)::text AS ids, array_agg(epoch) AS epochs, {OTHERS_AND_LINES}
  FROM cancelled
"""  # noqa: S608


class LockedRow(NamedTuple):
    ids: str | None
    keys_of_first_lines: list[str | None] | None
    keys_of_passed_lines: list[str | None] | None
    second_lines: int


class ToldRow(NamedTuple):
    hooks: int
    others: list[uuid.UUID]
    keys_of_second_lines: list[str]


class CancelledRow(NamedTuple):
    ids: str | None
    epochs: list[int] | None
    others: list[uuid.UUID]
    keys_of_second_lines: list[str]


LOCKING = Query(LOCK, LockedRow)
TELLING = Query(CANCEL_AND_TELL, ToldRow)
CANCELLING = Query(CANCEL, CancelledRow)


class TooManyLines(Exception):
    """Undoes a set's transaction."""


def cancel_in_sets(
    run_ids: Sequence[uuid.UUID], why: str, *, late: bool = False
) -> list[uuid.UUID]:
    """`cancel_plain` for any number of runs, callers first. Returns the others' ids, in order."""
    if not run_ids:
        return []
    found = statements.execute(FUNCTIONS, {"ids": list(run_ids)})
    fn_ids = {fn_id for (fn_id,) in found if fn_id is not None}
    others = set[uuid.UUID]()
    with PassedLines() as passed_lines:
        for start in range(0, len(run_ids), LARGEST_SET):
            part = run_ids[start : start + LARGEST_SET]
            others |= cancel_plain(part, fn_ids, why, passed_lines, late=late)
    return [run_id for run_id in run_ids if run_id in others]


def cancel_plain(
    run_ids: Sequence[uuid.UUID],
    fn_ids: Collection[str],
    why: str,
    passed_lines: PassedLines,
    *,
    alone: bool = False,
    late: bool = False,
) -> set[uuid.UUID]:
    """Cancel the plain ones, and those that are plain once the run that invoked them is cancelled;
    returns the others' ids.

    With `alone`, runs that invoked others are not plain, with `late` those whose time is not over.
    `fn_ids` are the runs' functions. At most LARGEST_SET runs; the caller has checked permissions.
    """
    hooks = _hooks(fn_ids)
    left, before = list(run_ids), -1
    if not left or hooks is None or is_waited_for():
        return set(left)
    asked = {"alone": alone, "late": late}
    cancel_set = partial(_cancel_set, hooks=hooks, why=why, passed_lines=passed_lines, asked=asked)
    while left and len(left) != before:
        before = len(left)
        others = _cancel_in_parts(left, cancel_set)
        left = [run_id for run_id in left if run_id in others] if others else []
    return set(left)


def _cancel_in_parts(
    run_ids: Sequence[uuid.UUID], cancel_set: Callable[[Sequence[uuid.UUID]], set[uuid.UUID]]
) -> set[uuid.UUID]:
    """See (3)."""
    try:
        return cancel_set(run_ids)
    except TooManyLines:
        starts = range(0, len(run_ids), line_locks.MAX_OWN_LOCKS)
        parts = (run_ids[start : start + line_locks.MAX_OWN_LOCKS] for start in starts)
        return set[uuid.UUID]().union(*map(cancel_set, parts))


def _cancel_set(
    run_ids: Sequence[uuid.UUID],
    hooks: dict[str, str],
    why: str,
    passed_lines: PassedLines,
    asked: dict[str, Any],
) -> set[uuid.UUID]:
    with statements.reading_by_index():
        asked = asked | {"ids": as_array(run_id.hex for run_id in run_ids)}
        (locked,) = LOCKING.execute(asked)
        if locked.ids is None:
            return set(run_ids)
        left = [key for key in locked.keys_of_first_lines or [] if key is not None]
        if max(len(left), locked.second_lines) > line_locks.MAX_OWN_LOCKS:
            raise TooManyLines  # see (3)
        asked |= {"locked": locked.ids, "error": json.dumps(reason_of(why)) if why else None}
        row = _cancel(asked, len(run_ids), hooks)
        if is_waited_for():
            transaction.set_rollback(True)
            return set(run_ids)
        turns.wake_next_in_lines(left, 0)  # in take_turns's order
        turns.wake_next_in_lines(row.keys_of_second_lines, 1)
    passed_lines.add(locked.keys_of_passed_lines or [])
    return set(row.others)


def _cancel(asked: dict[str, Any], count: int, hooks: dict[str, str]) -> ToldRow | CancelledRow:
    """Many without a hook are told of later."""
    if hooks or count < cancellation_events.LEAST:
        (told,) = TELLING.execute(asked | _values(count, hooks))
        if told.hooks:
            notifier.tell_clusters(notifier.RUN_DUE)
        return told
    (row,) = CANCELLING.execute(asked)
    if row.ids is not None:
        ids = row.ids.strip("{}").split(",")
        epochs = dict(zip(ids, row.epochs or (), strict=True))
        cancellation_events.tell_later(epochs, asked["error"])
    return row


def _hooks(fn_ids: Collection[str]) -> dict[str, str] | None:
    """Each function's `on_cancel` hook; None if more follows: a listener, or a hook not plain."""
    if is_listened_to():
        return None
    found = {fn_id: last_synced.hook_of(fn_id, "cancel") for fn_id in fn_ids}
    hooks = {fn_id: hook for fn_id, hook in found.items() if hook is not None}
    if any(not _is_plain(hook) for hook in hooks.values()):
        return None
    return {fn_id: hook.fn_id for fn_id, hook in hooks.items()}


def _is_plain(hook: Function) -> bool:
    """Without lines or a timeout to start, as create_function makes hooks."""
    return not hook.concurrency and hook.timeouts.start is None


def _values(count: int, hooks: dict[str, str]) -> dict[str, Any]:
    return {
        "event_ids": as_array(new_keys(count)),
        "hook_ids": as_array(new_keys(count if hooks else 0)),
        "hooks": json.dumps(hooks),
        "asked_by": requester.named_id(),
    }


def reason_of(why: str) -> dict[str, Any]:
    return describe_as("Cancelled", fit_text(str(why), MESSAGE_LIMIT))
