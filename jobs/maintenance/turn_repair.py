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
from jobs.runs.turns import HEADS, HOLDING, ON_THE_WAY

logger = logging.getLogger("jobs.engine")


# The first parked run of a line with room for it: a rollback lost its wake.
STALLED_HEADS = f"""
WITH RECURSIVE {HEADS}, forgotten AS MATERIALIZED (
  SELECT r.id FROM heads r
   WHERE ({HOLDING}) + ({ON_THE_WAY}) < r.turn_limits[%(column)s]
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
            cursor.execute(for_line(STALLED_HEADS, line), {"line": line})
            found += len(cursor.fetchall())
    if found:
        logger.warning("Woke %d runs whose turn had come: their wake was lost.", found)
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
