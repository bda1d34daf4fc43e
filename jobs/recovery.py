"""What died, and who goes on (laws 4 and 5).

Any cluster sweeps, every few seconds; each statement is safe to run by several at once, since it
changes rows by a condition that the change itself ends, and skips rows that somebody else is at.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import backoff, conf, events, models, registry
from jobs.attempts import class_path, describe
from jobs.clock import database_clock
from jobs.control import cancel
from jobs.errors import InvalidTransition, WorkerLost
from jobs.executor import fail_run
from jobs.memory import step_of
from jobs.models import Reason, RunStatus, StepStatus

logger = logging.getLogger("jobs.engine")

LAPSED = """
SELECT id, lease_token, begun FROM jobs_run WHERE lease_until < statement_timestamp()
 ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED
"""

LAPSED_FETCHES = """
UPDATE jobs_fetch SET status = 'pending', lease_token = NULL, lease_until = NULL
 WHERE id IN (SELECT id FROM jobs_fetch WHERE lease_until < statement_timestamp()
               ORDER BY lease_until LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

# The first parked run of a line that has room for it and for those who are on their way before it:
# a wake was lost to somebody's rollback.
FORGOTTEN = """
UPDATE jobs_run SET due_at = statement_timestamp(), reason = ''
 WHERE status = 'queued' AND due_at IS NULL AND id IN (
   SELECT head.id FROM (
     SELECT DISTINCT ON (turn_keys[%(column)s])
            id, created_at, turn_keys[%(column)s] AS key, turn_limits[%(column)s] AS room
       FROM jobs_run
      WHERE status = 'queued' AND due_at IS NULL AND reason = 'turn' AND turns_held = %(line)s
      ORDER BY turn_keys[%(column)s], created_at, id) head
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
    LIMIT 500)
RETURNING id
"""

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
        events.wake_clusters()
    return handed_on


@transaction.atomic
def _lapsed_runs() -> int:
    """Runs whose lease lapsed: their whole cluster is gone.

    1. Nobody can say which of them a worker was at. The first loss is nobody's fault: the run is
       due again, without blame.
    2. But from then on a worker that begins with it says so first, durably (`begun`, see
       executor). If it is lost again after that, the loss is an attempt of this run: a run that
       kills its cluster every time comes to the end of its attempts, its neighbours do not.
    """
    with connection.cursor() as cursor:
        cursor.execute(LAPSED)
        rows = cursor.fetchall()
    for run_id, token, begun in rows:
        if begun:
            _blame(run_id, token, WorkerLost("The whole cluster went silent."))
    innocent = [run_id for run_id, _, begun in rows if not begun]
    models.Run.objects.filter(id__in=innocent).update(
        status=RunStatus.QUEUED,
        due_at=Now(),
        reason="",
        lease_token=None,
        lease_until=None,
        lost_count=F("lost_count") + 1,
    )
    return len(rows)


def _cancel_expired() -> None:
    """Runs whose function's timeouts have passed (registry.Timeouts)."""
    expired = models.Run.objects.unfinished().filter(expires_at__lt=Now())
    for run_id, started_at in expired.values_list("id", "started_at")[:100]:
        limit = "start" if started_at is None else "finish"
        try:
            cancel(run_id, why=f"It did not {limit} within its function's timeouts.{limit}.")
        except InvalidTransition:
            logger.info("Run %s ended before its timeout could.", run_id)


def _lapsed_fetches() -> int:
    """Requests whose gateway is gone: sent again, under the same Idempotency-Key."""
    with connection.cursor() as cursor:
        cursor.execute(LAPSED_FETCHES)
        return len(cursor.fetchall())


def mend_lines() -> int:
    """Wake the first in every line that has room and does not know it; returns how many.

    A repair of what should not happen, and it looks at all lines: once in a while is enough.
    """
    found = 0
    with connection.cursor() as cursor:
        for line in (0, 1):
            cursor.execute(FORGOTTEN.replace("%(column)s", str(line + 1)), {"line": line})
            found += len(cursor.fetchall())
    if found:
        logger.warning("Woke %d runs whose turn had come without a word.", found)
        events.wake_clusters()
    return found


def worker_died(run_id: uuid.UUID, token: uuid.UUID, pid: int, card: str) -> bool:
    """A worker of this cluster is gone while it held this run: that is an attempt of the step
    that it was at (memory.card_of). False if the run is in other hands by now."""
    step = step_of(card, run_id)
    where = f"in step “{step.name}”" if step else "between two steps"
    error = WorkerLost(
        f"The worker process {pid} vanished {where}: killed, out of memory, out of time, or "
        "ended by the function itself."
    )
    with transaction.atomic():
        blamed = _blame(run_id, token, error, step)
        if blamed:
            events.wake_clusters()
    return blamed


def _blame(
    run_id: uuid.UUID, token: uuid.UUID, error: WorkerLost, at: models.Step | None = None
) -> bool:
    """Record a lost worker as a failed attempt, then the retry policy, under the run's lock."""
    run = (
        models.Run.objects.select_for_update(of=("self",))
        .select_related("event")
        .filter(id=run_id, lease_token=token)
        .first()
    )
    if run is None:
        return False
    step = _step_of(run, at) if at else None
    number = step.attempts if step else run.attempt
    delay = _delay(run, error, number)
    story = _record(run, step.name if step else "", number, error, delay)
    if step is not None:
        _note(step, story, final=delay is None)
    if delay is None and step is None:
        fail_run(run, story)
    else:
        models.Run.objects.filter(id=run.id, lease_token=token).update(
            status=RunStatus.WAITING,
            reason=Reason.BACKOFF if delay is not None else Reason.NONE,
            due_at=Now() + backoff.span(delay or 0.0),
            attempt=number + 1 if delay is not None else 0,
            lease_token=None,
            lease_until=None,
            begun=False,
        )
    return True


def _delay(run: models.Run, error: WorkerLost, number: int) -> float | None:
    if not registry.knows(run.fn_id):
        return backoff.delay(error, number, registry.DEFAULT_RETRIES, conf.backoff())
    function = registry.get(run.fn_id)
    return backoff.delay(error, number, function.retries, function.backoff or conf.backoff())


def _step_of(run: models.Run, at: models.Step) -> models.Step | None:
    """As its row has it, if an earlier attempt has left one; None if it is over: what is
    remembered is never undone, whoever says that a worker died in it (law 2)."""
    at.position = run.steps_done + 1
    step = run.steps.filter(name=at.name).first() or at
    return None if step.is_remembered else step


def _note(step: models.Step, story: dict[str, Any], *, final: bool) -> None:
    step.attempts += 1
    step.error = story
    step.status = StepStatus.FAILED if final else StepStatus.WAITING
    models.Step.objects.bulk_create(
        [step],
        update_conflicts=True,
        unique_fields=["run", "name"],
        update_fields=["attempts", "error", "status"],
    )


def _record(
    run: models.Run, step_name: str, number: int, error: WorkerLost, delay: float | None
) -> dict[str, Any]:
    now = database_clock().at
    story = describe(error)
    models.Attempt.objects.create(
        run_id=run.id,
        step_name=step_name,
        number=number,
        status=models.AttemptStatus.ERROR,
        started_at=now,
        ended_at=now,
        worker=run.worker,
        error_class=class_path(error),
        error_message=story["message"],
        traceback=story["stack"],
        retry_at=None if delay is None else now + backoff.span(delay),
    )
    return story


def next_due(at_most: float) -> float:
    """Seconds until the next run is due, between 0 and `at_most`."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        row = cursor.fetchone()
    return at_most if row is None else min(max(float(row[0]), 0.0), at_most)
