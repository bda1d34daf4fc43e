"""The attempt of an execution that did not settle: its worker died (lost_workers), its cluster went
silent (sweeper), or it is requeued (requeue). It counts as an error that a living worker records.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Max, Min

from jobs import models
from jobs.execution.attempts import error_columns, retry_delay
from jobs.execution.current_step import decode_current_step
from jobs.execution.records import Row
from jobs.lib import backoff
from jobs.lib.error_report import describe
from jobs.models import Reason, RunStatus, StepStatus
from jobs.platform.postgres.clock import database_clock
from jobs.registry import last_synced
from jobs.runs.completion import fail_run
from jobs.runs.lease import release


def record_attempt(
    run: models.Run, error: BaseException, current_step: str = "", log_lines: Iterable[Row] = ()
) -> None:
    """Record an error as an attempt of the encoded `current_step`, or of the code between steps,
    then apply the executor's retry policy. The caller holds the run's row lock.

    1. A step counts its `attempts`, code between steps `function_errors`: neither uses up the
       other's.
    2. Without attempts left, a step is remembered as failed and the function meets a StepError;
       code between steps fails the run.
    """
    at, seconds = decode_current_step(current_step, run.id) or (None, 0.0)
    step = _step_of(run, at) if at else None
    number = step.attempts if step else run.function_errors
    delay = retry_delay(last_synced.function_of(run.fn_id), error, number)
    now = database_clock().at
    description = _write_attempt(
        run, step, number, error, (now - backoff.span(seconds), now), delay
    )
    models.LogLine.objects.bulk_create(models.LogLine(run_id=run.id, **line) for line in log_lines)
    if step is not None:
        _write_step(step, description, delay, now)
    elif delay is None:
        fail_run(run, description)
        return
    release(
        models.Run.objects.filter(id=run.id),
        status=RunStatus.WAITING,
        reason=Reason.BACKOFF if delay is not None else Reason.NONE,
        due_at=_due_at(run, step, now, delay),
        begun=False,
        **_counts(run, step, number, final=delay is None),
    )


def _due_at(
    run: models.Run, step: models.Step | None, now: datetime, delay: float | None
) -> datetime:
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
    """None if the step is remembered: it is never undone, even if a worker is said to have died in
    it (law 2).
    """
    step = run.steps.filter(name=at.name).first()
    if step is None:
        at.position = (run.steps.aggregate(last=Max("position"))["last"] or 0) + 1
        return at
    return None if step.is_remembered else step


def _write_attempt(
    run: models.Run,
    step: models.Step | None,
    number: int,
    error: BaseException,
    span: tuple[datetime, datetime],
    delay: float | None,
) -> dict[str, Any]:
    description = describe(error)
    models.Attempt.objects.create(
        run_id=run.id,
        step_name=step.name if step else "",
        number=number,
        status=models.AttemptStatus.ERROR,
        started_at=span[0],
        ended_at=span[1],
        worker=run.worker,
        **error_columns(error, description, span[1], delay),
    )
    return description


def _write_step(
    step: models.Step, description: dict[str, Any], delay: float | None, now: datetime
) -> None:
    step.attempts += 1
    step.error = description
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
