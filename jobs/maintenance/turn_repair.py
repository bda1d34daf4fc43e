"""Repairs lost wakes and circles."""

from __future__ import annotations

import logging
import uuid

from django.db import connection, transaction

from jobs import models
from jobs.events.wake import waking_parked
from jobs.models import RunStatus
from jobs.platform.postgres import notifier
from jobs.runs import deadlocks
from jobs.runs.completion import fail_run
from jobs.runs.line_locks import for_line
from jobs.runs.turns import HEADS, HOLDING, PARKED_IN_LINE, ROOM_BEHIND_DUE

logger = logging.getLogger("jobs.engine")


# The first parked runs of each line with room for them: a rollback lost their wake, or a deploy
# raised their limit.
STALLED = f"""
WITH RECURSIVE {HEADS}, forgotten AS MATERIALIZED (
  SELECT next.id
    FROM (SELECT r.key, ({ROOM_BEHIND_DUE}) - ({HOLDING}) AS room FROM heads r) line
   CROSS JOIN LATERAL (
         SELECT id FROM jobs_run {PARKED_IN_LINE}
          LIMIT greatest(line.room, 0)) next
   LIMIT 500
), mine AS MATERIALIZED (
  SELECT id FROM jobs_run
   WHERE id = ANY(ARRAY(SELECT id FROM forgotten)) AND status = 'queued' AND due_at IS NULL
     FOR UPDATE SKIP LOCKED
)
{waking_parked("r.id = ANY(ARRAY(SELECT id FROM mine))")}
"""  # noqa: S608


def repair_turns() -> int:
    """Returns how many runs were woken or failed. It reads all lines: call it rarely."""
    found = 0
    with connection.cursor() as cursor:
        for line in (0, 1):
            cursor.execute(for_line(STALLED, line), {"line": line})
            found += len(cursor.fetchall())
    if found:
        why = "their wake was lost, or their limit raised"
        logger.warning("Woke %d runs whose turn had come: %s.", found, why)
        notifier.tell_clusters()
    return found + sum(_break_circle(suspect) for suspect in deadlocks.suspects())


@transaction.atomic
def _break_circle(suspect: uuid.UUID) -> bool:
    found = deadlocks.victim_of(suspect)
    if found is None:
        return False
    run_id, key = found
    queued = models.Run.objects.filter(id=run_id, status=RunStatus.QUEUED)
    run = queued.lock_first(skip_locked=True)
    if run is None or deadlocks.victim_of(run_id) is None:
        return False
    error = deadlocks.error_of(run.fn_id, key)
    logger.warning("run %s: %s", run_id, error["message"])
    fail_run(run, error)
    notifier.tell_clusters()
    return True
