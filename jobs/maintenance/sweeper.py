"""Every cluster sweeps every few seconds for what dead clusters held (laws 4, 5). No sweep waits:

1. Each change ends its own condition, checked again under the row's lock.
2. Locked rows are left to the next sweep.
3. A run that a set leaves (cancellation_sets) ends in its own transaction: two runs' lines could
   deadlock with another's.
"""

from __future__ import annotations

import logging
import uuid

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import models
from jobs.control.cancellation import cancel
from jobs.control.cancellation_sets import cancel_in_sets
from jobs.errors import WorkerLost
from jobs.execution.lost_attempt import record_attempt
from jobs.fetch.lease import requeue_lapsed
from jobs.platform.postgres import notifier, statements
from jobs.runs.lease import releasing

logger = logging.getLogger("jobs.engine")

MAX_EXPIRED = 1_000  # runs that one sweep cancels, most of them in sets
MAX_SINGLY = 100

# Losses without blame (_take_lapsed_runs).
REQUEUE_LAPSED = f"""
UPDATE jobs_run SET {releasing(lost_count="lost_count + 1")}
 WHERE id = ANY(ARRAY(SELECT id FROM jobs_run
                       WHERE lease_until < statement_timestamp() AND NOT begun
                       ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED))
"""  # noqa: S608


def sweep() -> int:
    """Returns how many runs and requests of silent clusters are queued again."""
    _cancel_expired()
    requeued = _take_lapsed_runs() + requeue_lapsed()
    if requeued:
        logger.warning("Requeued %d runs and requests whose cluster went silent.", requeued)
        notifier.tell_clusters()
    return requeued


def _cancel_expired() -> None:
    expired = _expired().order_by("expires_at")
    with statements.reading_by_index():
        first = list(expired.values_list("id", "started_at")[:MAX_EXPIRED])
    not_started = [run_id for run_id, started_at in first if started_at is None]
    not_finished = [run_id for run_id, started_at in first if started_at is not None]
    left = cancel_in_sets(not_started, _why("start"), late=True)
    left += cancel_in_sets(not_finished, _why("finish"), late=True)
    for run_id in left[:MAX_SINGLY]:
        _cancel_if_expired(run_id)


def _why(limit: str) -> str:
    return f"The run did not {limit} within its function's timeouts.{limit}."


def _expired() -> models.RunQuerySet:
    """A run that stands still with its function is not late (pauses._ready)."""
    expired = models.Run.objects.unfinished().filter(expires_at__lt=Now())
    paused = models.RegisteredFunction.objects.paused()
    still = paused.filter(stands_still=True).values("fn_id")
    return expired.exclude(started_at__isnull=True, fn_id__in=still)


@transaction.atomic
def _cancel_if_expired(run_id: uuid.UUID) -> None:
    """Asked again: the run may have started or ended."""
    run = _expired().select_for_update(skip_locked=True).filter(id=run_id).first()
    if run is not None:
        limit = "start" if run.started_at is None else "finish"
        cancel(run.id, why=_why(limit))


def _take_lapsed_runs() -> int:
    """Which run of a lost cluster a worker was at is unknown: a first loss, or one before a worker
    began, has no blame. From then on a worker notes that it begins the run (`begun`, see executor),
    and a loss is an attempt: a run that kills its cluster uses up its attempts, its neighbours do
    not.
    """
    suspects = models.Run.objects.lost().filter(begun=True).order_by("lease_until")
    with statements.reading_by_index():
        first = list(suspects.values_list("id", flat=True)[:200])
    blamed = sum(map(_record_lost_cluster, first))
    with connection.cursor() as cursor:
        cursor.execute(REQUEUE_LAPSED)
        return blamed + int(cursor.rowcount)


@transaction.atomic
def _record_lost_cluster(run_id: uuid.UUID) -> bool:
    lost = models.Run.objects.lost().filter(id=run_id, begun=True)
    run = lost.lock_first(skip_locked=True)
    if run is None:
        return False
    record_attempt(run, WorkerLost("The whole cluster went silent."))
    return True
