"""Senders of one event id take turns (bucket_locks), until the first one's transaction ends; later
ones get its event.

Many are more than MAX_OWN_LOCKS ids in one transaction, in one list or one by one. Others with an
id wait for its commit, unless they came first: send a long list last. Buckets of an earlier send in
its transaction stay locked.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from jobs import advisory_locks
from jobs.advisory_locks import EVENT_ID_BUCKETS
from jobs.events import insertion
from jobs.events.insertion import Parts
from jobs.platform.postgres import statements
from jobs.platform.postgres.bucket_locks import lock_without_waiting
from jobs.platform.postgres.query import Query
from jobs.platform.postgres.statements import Rows, Statement

DEDUPE_WINDOW = timedelta(hours=24)
MAX_OWN_LOCKS = 50  # ids with own locks
BUCKETS = 512  # a power of two

IDS = f"""
SELECT h, (h & {BUCKETS - 1})::int AS bucket
  FROM (SELECT {advisory_locks.event_id("id")} AS h FROM unnest(%(ids)s::text[]) AS id) hashes
"""  # noqa: S608

# The settings `jobs.ids_…` end with the transaction or savepoint, like locks. Over MAX_OWN_LOCKS,
# nothing is locked, no row returned.
LOCK_FEW = f"""
WITH ids AS MATERIALIZED ({IDS}), sent AS MATERIALIZED (
  SELECT set_config('jobs.ids_sent', (cardinality(%(ids)s::text[])
           + coalesce(nullif(current_setting('jobs.ids_sent', true), ''), '0')::int)::text,
           true)::int AS so_far)
SELECT CASE WHEN h IS NULL THEN pg_advisory_xact_lock_shared({EVENT_ID_BUCKETS}, bucket)
            ELSE pg_advisory_xact_lock(h) END
  FROM (SELECT NULL::bigint AS h, bucket FROM (SELECT DISTINCT bucket FROM ids) b
        UNION ALL SELECT h, NULL FROM ids ORDER BY 1 NULLS FIRST, 2) locks
 WHERE (SELECT so_far FROM sent) <= {MAX_OWN_LOCKS}
"""  # noqa: S608

# Returns the shared buckets. A transaction that gets over MAX_OWN_LOCKS takes all, once.
LOCK_BUCKETS = f"""
WITH ids AS MATERIALIZED ({IDS}), buckets AS MATERIALIZED (
  SELECT are_mine, set_config('jobs.ids_buckets', 'all', true)
    FROM (SELECT coalesce(current_setting('jobs.ids_buckets', true), '') = 'all' AS are_mine
          OFFSET 0) so_far)
SELECT bucket FROM (
  SELECT bucket, CASE WHEN pg_try_advisory_xact_lock({EVENT_ID_BUCKETS}, bucket) THEN false
                      ELSE pg_advisory_xact_lock_shared({EVENT_ID_BUCKETS}, bucket) IS NOT NULL
                 END AS shared
    FROM (SELECT bucket FROM generate_series(0, {BUCKETS - 1}) AS bucket
           WHERE NOT (SELECT are_mine FROM buckets) OR bucket IN (SELECT bucket FROM ids)
           ORDER BY bucket) in_order
  OFFSET 0) asked WHERE shared
"""  # noqa: S608

IDS_IN = f"SELECT h FROM ({IDS}) ids WHERE bucket = ANY(%(shared)s::int[]) ORDER BY h"  # noqa: S608
LOCK_IDS_IN = f"SELECT pg_advisory_xact_lock(h) FROM ({IDS_IN}) in_order"  # noqa: S608
# Returns one that another transaction has.
TRY_IDS_IN = f"""
SELECT h FROM (SELECT h, pg_try_advisory_xact_lock(h) AS is_mine FROM ({IDS_IN}) in_order
               OFFSET 0) asked
 WHERE NOT is_mine LIMIT 1
"""  # noqa: S608

# An index look-up per id, whatever the statistics.
NEWEST = """
SELECT known.* FROM unnest(%(ids)s::text[]) AS sent(id) CROSS JOIN LATERAL (
  SELECT id, name, data AS text, dedupe_id, repeat AS repeated FROM jobs_event
   WHERE dedupe_id = sent.id AND NOT (dedupe_id = '')
     AND received_at > statement_timestamp() - %(window)s::interval
   ORDER BY received_at DESC LIMIT 1) known
"""


# After LOCK_FEW in the same trip: an insertion that inserts nothing, and says so, if one of the ids
# is known or too many were sent. Most ids are new.
NEW = f"""
new AS MATERIALIZED (
  SELECT current_setting('jobs.ids_sent')::int <= {MAX_OWN_LOCKS}
         AND NOT EXISTS ({NEWEST}) AS are_all)
"""
IF_NEW = "WHERE (SELECT are_all FROM new)"


def _if_new(parts: Parts) -> str:
    runs = f", runs AS ({parts.runs} {IF_NEW})" if parts.runs else ""
    events = f"events AS ({parts.events} {IF_NEW})"
    return f"WITH {NEW}, {events}{runs} SELECT are_all FROM new"  # noqa: S608


TEXT_IF_NEW = {parts: _if_new(parts) for parts in insertion.TEXT}


@dataclass(slots=True, eq=False)
class KnownEvent:
    """JSON columns are text."""

    id: uuid.UUID
    name: str
    text: str
    dedupe_id: str
    repeated: str | None

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def repeat(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = json.loads(self.repeated or "null")
        return found


KNOWN = Query(NEWEST, KnownEvent)


class InsertionOutcome(Enum):
    INSERTED = 1
    KNOWN = 2  # one of the ids is; all are locked until the transaction ends
    MANY = 3  # too many for LOCK_FEW, which has counted them in this transaction
    NOT_TRIED = 4


def insert_if_new(parts: Parts, values: dict[str, Any], ids: Collection[str]) -> list[Statement]:
    """A lock on MAX_OWN_LOCKS ids at most, then the insertion; `outcome_of` reads the answers."""
    wanted = _wanted(ids)
    return [(LOCK_FEW, wanted), (TEXT_IF_NEW[parts], values | wanted)]


def outcome_of(locked: Rows, inserted: Rows) -> InsertionOutcome:
    if not locked:
        return InsertionOutcome.MANY
    is_new = statements.only_value(inserted)
    return InsertionOutcome.INSERTED if is_new else InsertionOutcome.KNOWN


def find(ids: Collection[str]) -> dict[str, KnownEvent]:
    """As `lock_ids`, under locks that are there."""
    return {event.dedupe_id: event for event in KNOWN.execute(_wanted(ids))}


def _wanted(ids: Collection[str]) -> dict[str, Any]:
    return {"ids": sorted(ids), "window": DEDUPE_WINDOW}


def lock_ids(ids: Collection[str]) -> dict[str, KnownEvent]:
    """Returns each id's newest event within 24 hours."""
    wanted = _wanted(ids)
    locked, found = statements.execute_many((LOCK_FEW, wanted), KNOWN.asked(wanted))
    return {event.dedupe_id: event for event in KNOWN.rows(found)} if locked else lock_many(ids)


def lock_many(ids: Collection[str]) -> dict[str, KnownEvent]:
    """As `lock_ids`, in a transaction, for ids that LOCK_FEW counted and did not lock."""
    wanted = _wanted(ids)
    if not lock_without_waiting(lambda: _taken_of(wanted)):
        _lock_ids_by(LOCK_IDS_IN, wanted)
    return find(ids)


def _taken_of(wanted: dict[str, Any]) -> int | None:
    """Locks the ids until it meets one that another transaction has, and returns that."""
    taken = _lock_ids_by(TRY_IDS_IN, wanted)
    return int(statements.only_value(taken)) if taken else None


def _lock_ids_by(how: str, wanted: dict[str, Any]) -> Rows:
    shared = [bucket for (bucket,) in statements.execute(LOCK_BUCKETS, wanted)]
    return statements.execute(how, {**wanted, "shared": shared}) if shared else []
