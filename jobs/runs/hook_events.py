"""Whether a hook's event is still current (README, “A hook that comes late”).

1. A run's `epoch` counts its ends and reruns, in their commits. The event carries its moment's.
2. A failure or cancellation is current while the run has that status and epoch, and no run of its
   lineage (its origin and reruns) is unfinished or ended later.
3. A retry is current while the run has that epoch and is unfinished.
4. An answer holds until its transaction commits: the lineage's ended runs are share-locked, so a
   rerun waits, and hooks of one run take turns. Unfinished runs are not locked: claims and wakes
   pass by locked rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from jobs import advisory_locks
from jobs.events.event_ids import event_ids_of
from jobs.ids import as_id
from jobs.models import Run
from jobs.platform.postgres import statements
from jobs.runs.rerun_tree import with_reruns

FAILED = "jobs/function.failed"
CANCELLED = "jobs/function.cancelled"
RETRIED = "jobs/function.retried"
MOMENTS = {FAILED: "failure", CANCELLED: "cancel", RETRIED: "retry"}
NAMES_IN_SQL = ", ".join(f"'{name}'" for name in sorted(MOMENTS))
MAX_EPOCH = 2**31 - 1
NO_RUN = uuid.UUID(int=0)

# `data_of` in SQL, of an ended run `r` with its `error`, and its event `e`.
DATA = """jsonb_build_object(
           'function_id', r.fn_id, 'run_id', r.id, 'epoch', r.epoch,
           'error', coalesce(r.error, 'null'), 'event', e.event,
           'events', jsonb_build_array(e.event))"""

LOCK_HOOKS = f"""
SELECT pg_advisory_xact_lock({advisory_locks.hooks("run_id::text")})
  FROM unnest(%(run_ids)s::uuid[]) AS run_id
"""  # noqa: S608

LINEAGE = """
WITH RECURSIVE told AS (
  SELECT * FROM unnest(%(names)s::text[], %(run_ids)s::uuid[], %(epochs)s::int[])
           WITH ORDINALITY AS t(name, run_id, epoch, number)),
lineage(number, id, rerun_of_id) AS (
  SELECT t.number, r.id, r.rerun_of_id FROM told t JOIN jobs_run r ON r.id = t.run_id
  UNION
  SELECT l.number, r.id, r.rerun_of_id FROM lineage l CROSS JOIN LATERAL (
    SELECT id, rerun_of_id FROM jobs_run WHERE rerun_of_id = l.id
    UNION ALL
    SELECT id, rerun_of_id FROM jobs_run WHERE id = l.rerun_of_id) r)
"""

LOCK_LINEAGE = f"""
SELECT id FROM jobs_run
 WHERE id = ANY(ARRAY({LINEAGE} SELECT id FROM lineage)) AND ended_at IS NOT NULL
 ORDER BY id DESC FOR SHARE
"""  # noqa: S608

CURRENT = f"""
{LINEAGE}
SELECT t.number FROM told t JOIN jobs_run r ON r.id = t.run_id
 WHERE (t.epoch IS NULL OR t.epoch = r.epoch)
   AND CASE WHEN t.name = '{RETRIED}' THEN r.ended_at IS NULL
            ELSE r.status = CASE t.name WHEN '{FAILED}' THEN 'failed' ELSE 'cancelled' END
                 AND NOT EXISTS (
                   SELECT 1 FROM lineage l JOIN jobs_run other ON other.id = l.id
                    WHERE l.number = t.number AND other.id <> r.id
                      AND (other.ended_at IS NULL OR other.ended_at > r.ended_at)) END
"""  # noqa: S608


OF_EVENTS = "SELECT event_id, id FROM jobs_run WHERE event_id = ANY(%(event_ids)s::uuid[])"
UNDER_WAY = f"""
{with_reruns(OF_EVENTS)}
SELECT DISTINCT f.root FROM reruns f JOIN jobs_run r ON r.id = f.id WHERE r.ended_at IS NULL
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class HookEvent:
    name: str
    run_id: uuid.UUID
    epoch: int | None  # None: from a version without epochs

    @classmethod
    def by(cls, name: str, run_id: Any, epoch: Any) -> HookEvent:
        """Operators may edit the data: an unknown id is outdated."""
        return cls(name, as_id(run_id) or NO_RUN, _epoch(epoch))


def _epoch(given: Any) -> int | None:
    if type(given) is not int:
        return None
    return given if 0 <= given <= MAX_EPOCH else -1  # no run's epoch


def data_of(
    fn_id: str,
    run_id: uuid.UUID,
    epoch: int,
    error: dict[str, Any] | None,
    event: dict[str, Any],
) -> dict[str, Any]:
    """A hook event's data is Inngest's, and the epoch."""
    return {
        "function_id": fn_id,
        "run_id": str(run_id),
        "error": error,
        "event": event,
        "events": [event],
        "epoch": epoch,
    }


def is_outdated(name: str, data: dict[str, Any]) -> bool:
    """See (4); False for other events."""
    if name not in MOMENTS:
        return False
    asked = _asked([HookEvent.by(name, data.get("run_id"), data.get("epoch"))])
    *_, still = statements.execute_many(
        (LOCK_HOOKS, asked), (LOCK_LINEAGE, asked), (CURRENT, asked)
    )
    return not still


def outdated(run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    runs = Run.objects.filter(id__in=run_ids, event__name__in=MOMENTS)
    data = ("event__data__function_id", "event__data__run_id", "event__data__epoch")
    rows = runs.values_list("id", "fn_id", "event__name", *data)
    tell = {
        run_id: HookEvent.by(name, *said)
        for run_id, fn_id, name, function_id, *said in rows
        if fn_id == f"{function_id}-{MOMENTS[name]}"  # others may count past failures, say
    }
    if not tell:
        return set()
    still = {number for (number,) in statements.execute(CURRENT, _asked(list(tell.values())))}
    return {run_id for number, run_id in enumerate(tell, 1) if number not in still}


def under_way(event_ids: Collection[str | uuid.UUID]) -> set[uuid.UUID]:
    values = {"event_ids": event_ids_of(event_ids, "under_way")}
    rows = statements.execute(UNDER_WAY, values)
    return {event_id for (event_id,) in rows}


def _asked(tell: list[HookEvent]) -> dict[str, Any]:
    return {
        "names": [told.name for told in tell],
        "run_ids": [told.run_id for told in tell],
        "epochs": [told.epoch for told in tell],
    }
