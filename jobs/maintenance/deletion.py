"""Deletes runs with all their rows, and events that no run has, in one trip.

Django would send the ids once for each table, and read rows before it deletes them: that took twice
as long.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import timedelta

from jobs.platform.postgres import statements
from jobs.platform.postgres.statements import Statement

OF_RUNS = (
    "DELETE FROM jobs_step WHERE run_id = ANY(%(ids)s::uuid[])",
    "DELETE FROM jobs_attempt WHERE run_id = ANY(%(ids)s::uuid[])",
    "DELETE FROM jobs_logline WHERE run_id = ANY(%(ids)s::uuid[])",
    "DELETE FROM jobs_fetch WHERE run_id = ANY(%(ids)s::uuid[])",
    "UPDATE jobs_run SET rerun_of_id = NULL WHERE rerun_of_id = ANY(%(ids)s::uuid[])",
    "UPDATE jobs_run SET invoked_by_id = NULL WHERE invoked_by_id = ANY(%(ids)s::uuid[])",
    "DELETE FROM jobs_run WHERE id = ANY(%(ids)s::uuid[])",
)

# Those that a sender has locked stay.
EVENTS = """
WITH free AS (
  SELECT id FROM jobs_event e
   WHERE id = ANY(%(ids)s::uuid[]) AND received_at < statement_timestamp() - %(keep)s::interval
     AND name <> ALL(%(awaited)s::text[])
     AND NOT EXISTS (SELECT FROM jobs_run r WHERE r.event_id = e.id OFFSET 0)
     FOR UPDATE SKIP LOCKED),
gone AS (DELETE FROM jobs_event WHERE id = ANY(ARRAY(SELECT id FROM free)) RETURNING 1)
SELECT count(*) FROM gone
"""


def delete_runs(
    ids: Iterable[uuid.UUID],
    events: Collection[uuid.UUID],
    keep: timedelta,
    awaited: Collection[str],
) -> int:
    """The runs, which the caller has locked, then those of their `events` that may go; returns how
    many events went.
    """
    values = {"ids": _texts(ids)}
    runs: list[Statement] = [(text, values) for text in OF_RUNS]
    *_, gone = statements.execute_many(*runs, _events(events, keep, awaited))
    return int(statements.only_value(gone))


def delete_events(ids: Iterable[uuid.UUID], keep: timedelta, awaited: Collection[str]) -> int:
    """Of these, the ones accepted longer ago than `keep`, without a run and not `awaited`."""
    (gone,) = statements.execute_many(_events(ids, keep, awaited))
    return int(statements.only_value(gone))


def _events(ids: Iterable[uuid.UUID], keep: timedelta, awaited: Collection[str]) -> Statement:
    return EVENTS, {"ids": _texts(ids), "keep": keep, "awaited": sorted(awaited)}


def _texts(ids: Iterable[uuid.UUID]) -> list[str]:
    """They are sent as texts: psycopg would find out the type of each."""
    return [str(id) for id in ids]
