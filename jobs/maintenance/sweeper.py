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

from jobs import models
from jobs.control.cancellation import cancel
from jobs.errors import WorkerLost
from jobs.execution.lost_attempt import record_attempt
from jobs.fetch.lease import hand_on_lapsed
from jobs.platform.postgres import notifier
from jobs.runs.lease import releasing

logger = logging.getLogger("jobs.engine")

# The first loss of a run, or one before a worker had begun with it: nobody's fault.
INNOCENT = f"""
UPDATE jobs_run SET {releasing(lost_count="lost_count + 1")}
 WHERE id IN (SELECT id FROM jobs_run
               WHERE lease_until < statement_timestamp() AND NOT begun
               ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED)
"""  # noqa: S608


def sweep() -> int:
    """Hand on what dead clusters held, and cancel what is out of time; returns how many were
    handed on."""
    _cancel_expired()
    handed_on = _lapsed_runs() + hand_on_lapsed()
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
    """While its function stands still, a run cannot start, and is not late (pauses._ready)."""
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
