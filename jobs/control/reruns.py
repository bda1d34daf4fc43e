"""Runs again, for an operator or code: the same run from its failed step, or a new run of its
event. All of it is one transaction under the runs' row locks, where the state is checked again: of
two retries at the same moment one acts.
"""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import models
from jobs.control.deadlines import start_deadline
from jobs.control.lookup import find, lock_run
from jobs.control.permission_names import EDIT_RUN, RERUN_RUN
from jobs.control.retries import (
    RETRYABLE,
    TakenAlong,
    is_resumable,
    only_from_start,
    refusal_of_child,
    taken_along,
    wait_anew,
)
from jobs.errors import InvalidStep, InvalidTransition
from jobs.events import condition_problems, fan_out, requester, validation
from jobs.events.event import Event, EventPayload
from jobs.execution import records
from jobs.ids import new_id
from jobs.lib.excerpts import excerpt
from jobs.lib.json_values import named
from jobs.metrics import ended_runs
from jobs.models import FINISHED, REMEMBERED, FetchStatus, RunStatus, StepKind, StepStatus
from jobs.platform.postgres import notifier
from jobs.registry import catalog
from jobs.runs import completion, hook_events, invocation_tree, turns


def rerun(
    run_id: str | uuid.UUID,
    *,
    from_step: str | None = None,
    from_start: bool = False,
    data: dict[str, Any] | None = None,
) -> str:
    """Run again; returns the id of the run that goes on.

    By default the same run goes on from its failed step, and the ended runs that it waits for from
    theirs (retries.py). `from_start` makes a new run (`rerun_of`) of the same event, `data` of an
    edited one; with `from_step` the new run remembers the steps before that. `on_retry` starts.

    Raises InvalidTransition for a run that has not ended, and to go on with `resumable=False`:
    failed and cancelled runs, also those that this one waits for, start anew. An operator (see
    requester) needs `jobs.rerun_run`, for `data` `jobs.edit_run`, for each run that goes on, else
    NotAllowed; the runs remember the account. An error's `run_id` names another run to deal with
    first.
    """
    if from_step is not None and from_start:
        raise InvalidTransition("Give either from_step or from_start, not both.")
    anew = from_start or from_step is not None or data is not None
    # Before the lock: a run that leaves a line passes by locked rows.
    asker, run = requester.current(), find(run_id)
    asker.refuse(RERUN_RUN if data is None else EDIT_RUN, run)
    _refuse(run, anew, from_step)
    with transaction.atomic(), requester.asking(asker):
        along = TakenAlong() if anew else taken_along(run)
        below = along.lock()
        if along.run_ids:  # a parked one's row is locked from here on
            transaction.on_commit(partial(turns.wake_passed_by, along.run_ids), robust=True)
        run = lock_run(run_id)
        _refuse(run, anew, from_step)
        for child in below:
            if error := refusal_of_child(run, child, asker):
                raise error
        again = _anew(run, from_step, data) if anew else _resume(run, along)
        _announce_retry(run, again)
        for child in below:
            _announce_retry(child, _resume(child, along))
        notifier.tell_clusters()
    return str(again.id)


def _announce_retry(run: models.Run, again: models.Run) -> None:
    models.Run.objects.filter(id=run.id).update(epoch=F("epoch") + 1)
    completion.emit_and_start_hook(
        hook_events.RETRIED, completion.EndedRun.of_run(again), run.error, "retry"
    )


def rerun_once(run_id: uuid.UUID) -> str | None:
    """None if it was rerun before."""
    with transaction.atomic():
        lock_run(run_id)  # concurrent callers take turns
        if models.Run.objects.filter(rerun_of=run_id).exists():
            return None
        return rerun(run_id, from_start=True)


def _refuse(run: models.Run, anew: bool, from_step: str | None) -> None:
    if run.forgotten_at is not None:
        raise InvalidTransition(
            f"What run {run.id} worked with was forgotten at "
            f"{run.forgotten_at:%Y-%m-%d %H:%M} UTC; it cannot run again."
        )
    if anew and run.status not in FINISHED:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only a finished run can be rerun. Cancel it first."
        )
    if not anew and run.status not in RETRYABLE:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only failed and cancelled runs go on from where they "
            "stopped. A finished run can be rerun from the start."
        )
    goes_on = not anew or from_step is not None
    if goes_on and run.status in RETRYABLE and not is_resumable(run.fn_id):
        raise InvalidTransition(only_from_start(run))


def _resume(run: models.Run, along: TakenAlong) -> models.Run:
    """The same run, due, its failed step forgotten; by age it is first in its lines.

    Open steps get all attempts again; their errors stay (Attempts.record_success). A request that
    is in flight or answered is not paid again.
    """
    tried = run.steps.filter(kind__in=[StepKind.RUN, StepKind.SEND, StepKind.FETCH])
    in_flight = run.fetches.filter(status__in=[FetchStatus.SENDING, FetchStatus.ANSWERED])
    asked = tried.filter(status=StepStatus.RUNNING, name__in=in_flight.values("step_name"))
    asked.update(attempts=0)
    begun = tried.filter(status__in=[StepStatus.RUNNING, StepStatus.WAITING])
    begun.exclude(id__in=asked.values("id")).update(
        status=StepStatus.WAITING, attempts=0, due_at=None
    )
    failed = run.steps.filter(status=StepStatus.FAILED, name__in=invocation_tree.failed_steps(run))
    failed.update(status=StepStatus.WAITING, attempts=0, ended_at=None)
    wait_anew(run, along.stand_ins)
    ended_runs.record_undone_end(run.id)
    models.Run.objects.filter(id=run.id, status__in=RETRYABLE).update(
        status=RunStatus.QUEUED,
        reason="",
        due_at=Now(),
        ended_at=None,
        error=None,
        attempt=0,
        function_errors=0,
        requeue_count=0,
        stop_requested=False,
        turns_held=0,
        asked_by=requester.named_id(),
        steps_done=run.steps.filter(status__in=REMEMBERED).count(),
        **_ready_again(run),
    )
    return run


def _ready_again(run: models.Run) -> dict[str, Any]:
    """A run that never started is ready now, with all of `timeouts.start`; a started one has all of
    `timeouts.finish` from its next start (lease.LEASED)."""
    if run.started_at is not None:
        return {"expires_at": None}
    return {"ready_at": Now(), "expires_at": start_deadline(run.fn_id)}


def _anew(run: models.Run, from_step: str | None, data: dict[str, Any] | None) -> models.Run:
    function = catalog.get(run.fn_id)
    row, payload = run.event, EventPayload.of_row(run.event)
    if data is not None:
        edited = validation.validate(Event(name=run.event.name, data=data))
        catalog.read_data(function, edited.name, edited.data)
        row = models.Event(id=new_id(), name=edited.name, data=edited.data)
        row.save(force_insert=True)
        payload = EventPayload.of_event(edited, row)
    again = fan_out.new_run(function, row, payload, rerun_of=run.id).unsaved()
    again.event = row
    memory = _memory_before(run, from_step) if from_step is not None else []
    again.steps_done = len(memory)
    again.due_at = Now()
    again.save(force_insert=True)
    condition_problems.report()
    if memory:
        records.copy_steps(run.id, memory, again.id)
    return again


def _memory_before(run: models.Run, name: str) -> list[str]:
    steps = list(run.steps.only("name", "position", "status").order_by("position", "id"))
    target = next((step for step in steps if step.name == name), None)
    if target is None:
        names = ", ".join(f"“{step.name}”" for step in steps) or "none"
        raise InvalidStep(
            f"Run {run.id} has no step {named(name)}; it has {excerpt(names, 2_000)}."
        )
    return [s.name for s in steps if s.position < target.position and s.is_remembered]
