"""What died, and who goes on (laws 4 and 5).

Any cluster sweeps, every few seconds. It is safe for several to do so at once, and none of them
ever has to wait for anybody:

1. A row is changed by a condition that the change itself ends, and asked for again under its lock.
2. A row that somebody else is at is passed by; the next sweep will see what became of it.
3. Whatever ends a run is a transaction of its own, since it takes the locks of the run's lines: two
   runs' lines in one transaction could be taken in an order that blocks somebody else.
"""

from __future__ import annotations

import logging
import uuid

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import circles, models, notifier, statements
from jobs.concurrency import LINES
from jobs.control import cancel
from jobs.endings import fail_run
from jobs.errors import WorkerLost
from jobs.lost_workers import record_attempt
from jobs.models import RunStatus

logger = logging.getLogger("jobs.engine")

# The first loss of a run, or one before a worker had begun with it: nobody's fault.
INNOCENT = """
UPDATE jobs_run SET status = 'queued', due_at = statement_timestamp(), reason = '',
       lease_token = NULL, lease_until = NULL, lost_count = lost_count + 1
 WHERE id IN (SELECT id FROM jobs_run
               WHERE lease_until < statement_timestamp() AND NOT begun
               ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED)
"""

# Requests whose gateway is gone, or goes. Nobody waits for the answer to one whose run has ended:
# it is not sent again.
HAND_ON = """
UPDATE jobs_fetch f SET lease_token = NULL, lease_until = NULL, sent_at = {sent_at},
       status = CASE WHEN r.ended_at IS NULL THEN 'pending' ELSE 'failed' END,
       error = CASE WHEN r.ended_at IS NULL THEN f.error
                    ELSE jsonb_build_object('message', 'its run has ended', 'final', true) END,
       ended_at = CASE WHEN r.ended_at IS NOT NULL THEN statement_timestamp() END
  FROM jobs_run r WHERE r.id = f.run_id AND f.id IN ({which})
RETURNING f.id
"""
LAPSED = """
SELECT id FROM jobs_fetch WHERE lease_until < statement_timestamp()
 ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED
"""

# The first parked run of a line that has room for it and for those who are on their way before it:
# a wake was lost to somebody's rollback.
FORGOTTEN = f"""
WITH RECURSIVE {LINES}, heads AS MATERIALIZED (
  SELECT lines.key, head.* FROM lines CROSS JOIN LATERAL (
    SELECT id, created_at, turn_limits[%(column)s] AS room FROM jobs_run
     WHERE turn_keys[%(column)s] = lines.key AND turns_held = %(line)s
       AND status = 'queued' AND due_at IS NULL AND reason = 'turn'
     ORDER BY created_at, id LIMIT 1) head
), forgotten AS MATERIALIZED (
  SELECT head.id FROM heads head
   WHERE (SELECT count(*) FROM (
            SELECT 1 FROM jobs_run h
             WHERE h.turn_keys[%(column)s] = head.key AND h.turns_held > %(line)s
               AND h.status IN ('queued', 'running', 'waiting')
             LIMIT head.room) held)
       + (SELECT count(*) FROM (
            SELECT 1 FROM jobs_run w
             WHERE w.turn_keys[%(column)s] = head.key AND w.turns_held = %(line)s
               AND w.status = 'queued'
               AND (w.created_at, w.id) < (head.created_at, head.id)
               AND coalesce(w.due_at, 'infinity') <= statement_timestamp()
               AND w.reason NOT IN ('function', 'paused')
             LIMIT head.room) on_the_way) < head.room
   LIMIT 500
), mine AS MATERIALIZED (
  SELECT id FROM jobs_run
   WHERE id = ANY(ARRAY(SELECT id FROM forgotten)) AND status = 'queued' AND due_at IS NULL
     FOR UPDATE SKIP LOCKED
)
UPDATE jobs_run SET due_at = statement_timestamp(), reason = ''
 WHERE id = ANY(ARRAY(SELECT id FROM mine))
RETURNING id
"""  # noqa: S608

NEXT_DUE = """
SELECT extract(epoch FROM due_at - clock_timestamp()) FROM jobs_run
 WHERE due_at IS NOT NULL AND lease_token IS NULL ORDER BY due_at LIMIT 1
"""


def sweep() -> int:
    """Hand on what dead clusters held, and cancel what is out of time; returns how many were
    handed on."""
    _cancel_expired()
    handed_on = _lapsed_runs() + _lapsed_fetches()
    if handed_on:
        logger.warning("Handed on %d runs and requests whose cluster went silent.", handed_on)
        notifier.wake_clusters()
    return handed_on


def _cancel_expired() -> None:
    """Runs whose function's timeouts have passed (registry.Timeouts)."""
    expired = _expired().order_by("expires_at")
    for run_id in expired.values_list("id", flat=True)[:100]:
        _cancel_if_expired(run_id)


def _expired() -> models.RunQuerySet:
    """While its function stands still, a run cannot start, and is not late (pausing._ready)."""
    expired = models.Run.objects.unfinished().filter(expires_at__lt=Now())
    paused = models.RegisteredFunction.objects.filter(paused_at__isnull=False)
    still = paused.filter(stands_still=True).values("fn_id")
    return expired.exclude(started_at__isnull=True, fn_id__in=still)


@transaction.atomic
def _cancel_if_expired(run_id: uuid.UUID) -> None:
    """Asked again under its lock: the run may have started, or ended, since it was listed."""
    run = _expired().select_for_update(skip_locked=True).filter(id=run_id).first()
    if run is not None:
        limit = "start" if run.started_at is None else "finish"
        cancel(run.id, why=f"It did not {limit} within its function's timeouts.{limit}.")


def _lapsed_runs() -> int:
    """Runs whose lease lapsed: their whole cluster is gone.

    1. Nobody can say which of them a worker was at. The first loss is nobody's fault: the run is
       due again, without blame.
    2. But from then on a worker that begins with it says so first, durably (`begun`, see
       executor). If it is lost again after that, the loss is an attempt of this run: a run that
       kills its cluster every time comes to the end of its attempts, its neighbours do not.
    """
    suspects = models.Run.objects.lost().filter(begun=True).order_by("lease_until")
    blamed = sum(_cluster_died(run_id) for run_id in suspects.values_list("id", flat=True)[:200])
    with connection.cursor() as cursor:
        cursor.execute(INNOCENT)
        return blamed + int(cursor.rowcount)


@transaction.atomic
def _cluster_died(run_id: uuid.UUID) -> bool:
    lost = models.Run.objects.lost().filter(id=run_id, begun=True)
    run = lost.select_for_update(of=("self",), skip_locked=True).select_related("event").first()
    if run is not None:
        record_attempt(run, WorkerLost("The whole cluster went silent."))
    return run is not None


def _lapsed_fetches() -> int:
    """Requests whose gateway is gone: sent again, under the same Idempotency-Key, if their run
    still waits for them."""
    with connection.cursor() as cursor:
        cursor.execute(HAND_ON.format(sent_at="f.sent_at", which=LAPSED))
        return len(cursor.fetchall())


def mend_lines() -> int:
    """Wake the first in every line that has room and does not know it, and break the circles of
    runs that wait for each other; returns how many runs were woken or failed.

    A repair of what should not happen, and it looks at all lines: once in a while is enough.
    """
    found = 0
    with connection.cursor() as cursor:
        for line in (0, 1):
            cursor.execute(FORGOTTEN.replace("%(column)s", str(line + 1)), {"line": line})
            found += len(cursor.fetchall())
    if found:
        logger.warning("Woke %d runs whose turn had come without a word.", found)
        notifier.wake_clusters()
    return found + sum(_break_circle(suspect) for suspect in circles.suspects())


@transaction.atomic
def _break_circle(suspect: uuid.UUID) -> bool:
    """Fail one of the invoked runs, if this run and others wait for each other (circles)."""
    found = circles.victim_of(suspect)
    if found is None:
        return False
    run_id, key = found
    queued = models.Run.objects.filter(id=run_id, status=RunStatus.QUEUED)
    run = queued.select_for_update(of=("self",), skip_locked=True).select_related("event").first()
    if run is None or circles.victim_of(run_id) is None:
        return False
    error = circles.story(run.fn_id, key)
    logger.warning("run %s: %s", run_id, error["message"])
    fail_run(run, error)
    notifier.wake_clusters()
    return True


def next_due(at_most: float) -> float:
    """Seconds until the next run is due, between 0 and `at_most`."""
    rows = statements.execute(NEXT_DUE, {})
    return min(max(float(rows[0][0]), 0.0), at_most) if rows else at_most
