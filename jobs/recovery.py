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
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min
from django.db.models.functions import Now

from jobs import backoff, circles, conf, events, models, registry, statements
from jobs.attempts import class_path, describe
from jobs.clock import database_clock
from jobs.concurrency import LINES
from jobs.control import cancel
from jobs.errors import WorkerLost
from jobs.executor import fail_run
from jobs.memory import step_of
from jobs.models import Reason, RunStatus, StepStatus

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
        events.wake_clusters()
    return handed_on


def _cancel_expired() -> None:
    """Runs whose function's timeouts have passed (registry.Timeouts)."""
    expired = _expired().order_by("expires_at")
    for run_id in expired.values_list("id", flat=True)[:100]:
        _cancel_if_expired(run_id)


def _expired() -> models.RunQuerySet:
    return models.Run.objects.unfinished().filter(expires_at__lt=Now())


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
        _blame(run, WorkerLost("The whole cluster went silent."))
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
        events.wake_clusters()
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
    events.wake_clusters()
    return True


@transaction.atomic
def worker_died(run_id: uuid.UUID, token: uuid.UUID, pid: int, card: str) -> bool:
    """A worker of this cluster is gone while it held this run: that is an attempt of the step
    that it was at (memory.card_of). False if the run is in other hands by now."""
    held = models.Run.objects.filter(id=run_id, lease_token=token)
    run = held.select_for_update(of=("self",)).select_related("event").first()
    if run is None:
        return False
    step, seconds = step_of(card, run_id) or (None, 0.0)
    where = f"in step “{step.name}”" if step else "between two steps"
    error = WorkerLost(
        f"The worker process {pid} vanished {where}: killed, out of memory, out of time, or "
        "ended by the function itself."
    )
    _blame(run, error, step, seconds)
    events.wake_clusters()
    return True


def _blame(
    run: models.Run, error: WorkerLost, at: models.Step | None = None, seconds: float = 0.0
) -> None:
    """Record a lost worker as a failed attempt, then the retry policy, as a living worker would
    have done it (executor and runner); the caller holds the run's row lock.

    1. A step has a count of its own, `attempts`; the code between steps has the run's
       `function_errors`. Neither uses up the other's attempts.
    2. Without attempts left, a step is remembered as failed, and the function is called again, to
       meet that as a StepError; the code between steps fails the run.
    """
    step = _step_of(run, at) if at else None
    number = step.attempts if step else run.function_errors
    delay = _delay(run, error, number)
    now = database_clock().at
    story = _record(run, step, number, error, (now - backoff.span(seconds), now), delay)
    if step is not None:
        _note(step, story, delay, now)
    elif delay is None:
        fail_run(run, story)
        return
    models.Run.objects.filter(id=run.id).update(
        status=RunStatus.WAITING,
        reason=Reason.BACKOFF if delay is not None else Reason.NONE,
        due_at=_due_at(run, step, now, delay),
        lease_token=None,
        lease_until=None,
        begun=False,
        **_counts(run, step, number, final=delay is None),
    )


def _due_at(
    run: models.Run, step: models.Step | None, now: datetime, delay: float | None
) -> datetime:
    """When the run is looked at again: other branches may have something to do before the step
    that is to be tried again, which keeps its own time."""
    if delay is None:
        return now
    waiting = run.steps.filter(status=StepStatus.WAITING) if step else run.steps.none()
    earliest: datetime | None = waiting.aggregate(first=Min("due_at"))["first"]
    return min(filter(None, [earliest, now + backoff.span(delay)]))


def _counts(
    run: models.Run, step: models.Step | None, number: int, *, final: bool
) -> dict[str, int]:
    if step is None:
        return {"attempt": number + 1, "function_errors": number + 1}
    if not final:
        return {"attempt": number + 1}
    return {"attempt": 0, "function_errors": 0, "steps_done": run.steps_done + 1}


def _step_of(run: models.Run, at: models.Step) -> models.Step | None:
    """As its row has it, if an earlier attempt has left one; None if it is over: what is
    remembered is never undone, whoever says that a worker died in it (law 2)."""
    step = run.steps.filter(name=at.name).first()
    if step is None:
        at.position = (run.steps.aggregate(last=Max("position"))["last"] or 0) + 1
        return at
    return None if step.is_remembered else step


def _delay(run: models.Run, error: WorkerLost, number: int) -> float | None:
    if not registry.knows(run.fn_id):
        return backoff.delay(error, number, registry.DEFAULT_RETRIES, conf.backoff())
    function = registry.get(run.fn_id)
    return backoff.delay(error, number, function.retries, function.backoff or conf.backoff())


def _record(
    run: models.Run,
    step: models.Step | None,
    number: int,
    error: WorkerLost,
    span: tuple[datetime, datetime],
    delay: float | None,
) -> dict[str, Any]:
    story = describe(error)
    models.Attempt.objects.create(
        run_id=run.id,
        step_name=step.name if step else "",
        number=number,
        status=models.AttemptStatus.ERROR,
        started_at=span[0],
        ended_at=span[1],
        worker=run.worker,
        error_class=class_path(error),
        error_message=story["message"],
        traceback=story["stack"],
        retry_at=None if delay is None else span[1] + backoff.span(delay),
    )
    return story


def _note(step: models.Step, story: dict[str, Any], delay: float | None, now: datetime) -> None:
    step.attempts += 1
    step.error = story
    if delay is None:
        step.status, step.ended_at, step.due_at = StepStatus.FAILED, now, None
    else:
        step.status, step.due_at = StepStatus.WAITING, now + backoff.span(delay)
    models.Step.objects.bulk_create(
        [step],
        update_conflicts=True,
        unique_fields=["run", "name"],
        update_fields=["attempts", "error", "status", "ended_at", "due_at"],
    )


def next_due(at_most: float) -> float:
    """Seconds until the next run is due, between 0 and `at_most`."""
    rows = statements.execute(NEXT_DUE, {})
    return min(max(float(rows[0][0]), 0.0), at_most) if rows else at_most
