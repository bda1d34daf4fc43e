"""Events that are sent again under their sender's own id: senders of one id take turns, and the
later one is told which event came first.

The locks are PostgreSQL's advisory ones, held to the end of the sender's transaction. All sessions
share one table for them, with room for some 64 a session. So there are two kinds:

    an id      one lock each for a sender of few ids, so that unrelated senders never meet
    a bucket   every id belongs to one of a fixed number. A sender of few ids shares the buckets of
               its ids with others. A sender of many takes whole buckets for itself, and needs no
               locks for the ids in them

1. Many are more than FEW ids in one transaction, in one list or one by one.
2. A sender of many does not wait for those of few. If a bucket is shared just then, it shares it
   too, and takes a lock for each of its own ids in it.
3. Others with an id wait until a sender of many commits, unless they came first. So a transaction
   does best to send its long list last.
4. The order is the same for all: buckets, then ids, each by its number. A sender of many goes
   through all buckets when it becomes one, also those that none of its ids is in. From then on it
   waits for another sender only over an id that both send. So two transactions that send several
   times never wait for each other because of a bucket.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobs.platform.postgres import statements
from jobs.platform.postgres.query import Query

DEDUPE_WINDOW = timedelta(hours=24)
FEW = 50  # ids of one transaction that have locks of their own
BUCKETS = 512  # a power of two
NAMESPACE = 1_785_672_307  # of the buckets' locks; those of ids are hashes of 64 bits

IDS = f"""
SELECT h, (h & {BUCKETS - 1})::int AS bucket
  FROM (SELECT hashtextextended(id, 1) AS h FROM unnest(%(ids)s::text[]) AS id) hashes
"""  # noqa: S608

# The count is the transaction's own and goes with it, or with its savepoint, as the locks do.
# Nothing is locked, and no row returned, if it is over FEW.
LOCK_FEW = f"""
WITH ids AS MATERIALIZED ({IDS}), sent AS MATERIALIZED (
  SELECT set_config('jobs.ids_sent', (cardinality(%(ids)s::text[])
           + coalesce(nullif(current_setting('jobs.ids_sent', true), ''), '0')::int)::text,
           true)::int AS so_far)
SELECT CASE WHEN h IS NULL THEN pg_advisory_xact_lock_shared({NAMESPACE}, bucket)
            ELSE pg_advisory_xact_lock(h) END
  FROM (SELECT NULL::bigint AS h, bucket FROM (SELECT DISTINCT bucket FROM ids) b
        UNION ALL SELECT h, NULL FROM ids ORDER BY 1 NULLS FIRST, 2) locks
 WHERE (SELECT so_far FROM sent) <= {FEW}
"""  # noqa: S608

# Which buckets are shared with others. A transaction that gets over FEW goes through all of them.
LOCK_BUCKETS = f"""
WITH ids AS MATERIALIZED ({IDS})
SELECT bucket FROM (
  SELECT bucket, CASE WHEN pg_try_advisory_xact_lock({NAMESPACE}, bucket) THEN false
                      ELSE pg_advisory_xact_lock_shared({NAMESPACE}, bucket) IS NOT NULL END shared
    FROM (SELECT bucket FROM generate_series(0, {BUCKETS - 1}) AS bucket
           WHERE current_setting('jobs.ids_sent')::int - cardinality(%(ids)s::text[]) <= {FEW}
              OR bucket IN (SELECT bucket FROM ids)
           ORDER BY bucket) in_order
  OFFSET 0) asked WHERE shared
"""  # noqa: S608

LOCK_IDS_IN = f"""
SELECT pg_advisory_xact_lock(h)
  FROM (SELECT h FROM ({IDS}) ids WHERE bucket = ANY(%(shared)s::int[]) ORDER BY h) in_order
"""  # noqa: S608

# One leap through the index for each id, however long the list and whatever the statistics say.
NEWEST = """
SELECT known.* FROM unnest(%(ids)s::text[]) AS sent(id) CROSS JOIN LATERAL (
  SELECT id, name, data AS text, dedupe_id, repeat AS repeated FROM jobs_event
   WHERE dedupe_id = sent.id AND NOT (dedupe_id = '')
     AND received_at > statement_timestamp() - %(window)s::interval
   ORDER BY received_at DESC LIMIT 1) known
"""


@dataclass(slots=True, eq=False)
class KnownEvent:
    """An event that is stored already; JSON columns as their texts."""

    id: uuid.UUID
    name: str
    text: str  # its data
    dedupe_id: str
    repeated: str | None

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    @property
    def repeat(self) -> dict[str, Any] | None:
        """What came again under its id, see id_conflicts."""
        found: dict[str, Any] | None = json.loads(self.repeated or "null")
        return found


KNOWN = Query(NEWEST, KnownEvent)


def take_turns(ids: Collection[str]) -> dict[str, KnownEvent]:
    """Wait for other senders of these ids, and have later ones wait for this transaction's end;
    returns the newest event of each id that came within the last 24 hours."""
    wanted = {"ids": sorted(ids), "window": DEDUPE_WINDOW}
    locked, found = statements.together((LOCK_FEW, wanted), KNOWN.asked(wanted))
    if not locked:
        shared = [bucket for (bucket,) in statements.execute(LOCK_BUCKETS, wanted)]
        waits = [(LOCK_IDS_IN, {**wanted, "shared": shared})] if shared else []
        found = statements.together(*waits, KNOWN.asked(wanted))[-1]
    return {event.dedupe_id: event for event in KNOWN.rows(found)}
