"""What a person may do to a run: cancel it, run it again."""

from __future__ import annotations

import contextlib
import uuid
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import endings, events, hooks, models, registry
from jobs.error_reports import MESSAGE_LIMIT, storable
from jobs.errors import EndedFromInside, InvalidStep, InvalidTransition, UnknownRun
from jobs.ids import new_id
from jobs.models import FINISHED, UNFINISHED, FetchStatus, RunStatus, StepKind, StepStatus
from jobs.runner import runner_inside

RETRYABLE = (RunStatus.FAILED, RunStatus.CANCELLED)


def cancel(run_id: str | uuid.UUID, *, why: str = "") -> bool:
    """End an unfinished run now, whatever its worker does: a late result of it is dropped.

    Its turn passes on and its `on_cancel` starts, in one transaction. True if it was cancelled,
    False if it was cancelled before; raises InvalidTransition if it ended otherwise.

    A function that cancels its own run is left there and then: this does not return, and what was
    not committed is void.
    """
    own = runner_inside(run_id)
    if own is not None:
        own.suspend(EndedFromInside(partial(_cancel_own, run_id, why)))
    with transaction.atomic():
        run = _locked(run_id)
        if run.status == RunStatus.CANCELLED:
            return False
        if run.is_finished:
            raise InvalidTransition(
                f"Run {run.id} is {run.status}; only unfinished runs can be cancelled."
            )
        error = _reason(why) if why else None
        models.Run.objects.filter(id=run.id, status__in=UNFINISHED).update(
            status=RunStatus.CANCELLED,
            reason="",
            due_at=None,
            expires_at=None,
            lease_token=None,
            lease_until=None,
            ended_at=Now(),
            error=error,
            epoch=F("epoch") + 1,
        )
        models.Fetch.objects.filter(run_id=run.id, status=FetchStatus.PENDING).update(
            status=FetchStatus.FAILED, error={"message": "cancelled", "final": True}, ended_at=Now()
        )
        ending = endings.Ending.of_run(run)
        endings.announce(hooks.CANCELLED, ending, error, "cancel")
        endings.leave(ending)
    return True


def _reason(why: str) -> dict[str, Any]:
    return {"name": "Cancelled", "message": storable(str(why), MESSAGE_LIMIT), "stack": ""}


def _cancel_own(run_id: str | uuid.UUID, why: str) -> None:
    with contextlib.suppress(InvalidTransition):  # it had lost its lease, and another ended it
        cancel(run_id, why=why)


def rerun(
    run_id: str | uuid.UUID,
    *,
    from_step: str | None = None,
    from_start: bool = False,
    data: dict[str, Any] | None = None,
) -> str:
    """Run again; returns the id of the run that goes on.

    By default the same run, from its failed step: what it remembers stays remembered. With
    `from_start` a new run (`rerun_of`) of the same event, or of an edited one with `data`; with
    `from_step` a new run that remembers what the old one did before that step. `on_retry` starts.
    """
    if from_step is not None and from_start:
        raise InvalidTransition("Give either from_step or from_start, not both.")
    anew = from_start or from_step is not None or data is not None
    # Also before its row is locked: it may be the next in a line, and who leaves that passes by
    # what somebody is at.
    _refuse(_found(run_id), anew)
    with transaction.atomic():
        run = _locked(run_id)
        _refuse(run, anew)
        again = _anew(run, from_step, data) if anew else _resume(run)
        models.Run.objects.filter(id=run.id).update(epoch=F("epoch") + 1)
        endings.announce(hooks.RETRIED, endings.Ending.of_run(again), run.error, "retry")
        events.wake_clusters()
    return str(again.id)


def rerun_once(run_id: uuid.UUID) -> str | None:
    """Run again from the start, unless somebody has asked for that before: None then."""
    with transaction.atomic():
        _locked(run_id)  # who asks at the same moment takes turns
        if models.Run.objects.filter(rerun_of=run_id).exists():
            return None
        return rerun(run_id, from_start=True)


def _locked(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.select_for_update(of=("self",)), run_id)


def _found(run_id: str | uuid.UUID) -> models.Run:
    return _one(models.Run.objects.all(), run_id)


def _one(runs: models.RunQuerySet, run_id: str | uuid.UUID) -> models.Run:
    try:
        return runs.select_related("event").get(id=run_id)
    except (models.Run.DoesNotExist, ValidationError, ValueError, TypeError):
        raise UnknownRun(f"There is no run {str(run_id)!r:.80}.") from None


def _refuse(run: models.Run, anew: bool) -> None:
    if anew and run.status not in FINISHED:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only a finished run can be rerun. Cancel it first."
        )
    if not anew and run.status not in RETRYABLE:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only failed and cancelled runs go on from where they "
            "stopped. A finished run can be rerun from the start."
        )


def _resume(run: models.Run) -> models.Run:
    """The same run, due again, its failed step forgotten; by its age it is first in its lines.

    Open steps have all their attempts again; their errors stay, as a sign that there were some
    (Attempts.went_well). A request that was in the air when the run was cancelled is waited for,
    or has been answered: it is not sent, and paid, once more.
    """
    tried = run.steps.filter(kind__in=[StepKind.RUN, StepKind.SEND, StepKind.FETCH])
    in_the_air = run.fetches.filter(status__in=[FetchStatus.SENDING, FetchStatus.ANSWERED])
    asked = tried.filter(status=StepStatus.RUNNING, name__in=in_the_air.values("step_name"))
    asked.update(attempts=0)
    begun = tried.filter(status__in=[StepStatus.RUNNING, StepStatus.WAITING])
    begun.exclude(id__in=asked.values("id")).update(
        status=StepStatus.WAITING, attempts=0, due_at=None
    )
    failed_step = (run.error or {}).get("step")
    run.steps.filter(name=failed_step, status=StepStatus.FAILED).update(
        status=StepStatus.WAITING, attempts=0, ended_at=None
    )
    remembered = [StepStatus.COMPLETED, StepStatus.FAILED]
    models.Run.objects.filter(id=run.id, status__in=RETRYABLE).update(
        status=RunStatus.QUEUED,
        reason="",
        due_at=Now(),
        ended_at=None,
        error=None,
        attempt=0,
        function_errors=0,
        requeue_count=0,
        expires_at=None,
        stop_requested=False,
        turns_held=0,
        steps_done=run.steps.filter(status__in=remembered).count(),
    )
    return run


def _anew(run: models.Run, from_step: str | None, data: dict[str, Any] | None) -> models.Run:
    function = registry.get(run.fn_id)
    row, event = run.event, events.as_json(run.event)
    if data is not None:
        edited = events.validated(events.Event(name=run.event.name, data=data))
        row = models.Event(id=new_id(), name=edited.name, data=edited.data)
        row.save(force_insert=True)
        event = events.stored(edited, row)
    again = events.new_run(function, row, event, rerun_of=run.id)
    again.event = row
    memory = _memory_before(run, from_step) if from_step is not None else []
    again.steps_done = len(memory)
    again.due_at = Now()
    again.save(force_insert=True)
    for step in memory:
        step.id, step.run_id = new_id(), again.id
    models.Step.objects.bulk_create(memory)
    return again


def _memory_before(run: models.Run, name: str) -> list[models.Step]:
    steps = list(run.steps.order_by("position", "id"))
    target = next((step for step in steps if step.name == name), None)
    if target is None:
        names = ", ".join(f"“{step.name}”" for step in steps) or "none"
        raise InvalidStep(f"Run {run.id} has no step “{name}”; it has {names}.")
    return [s for s in steps if s.position < target.position and s.is_remembered]
