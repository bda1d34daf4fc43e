"""Steps that wait for something another run or the outside does: an event, a function's end."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from jobs import events, expressions, models, registry
from jobs.errors import InvalidStep
from jobs.excerpts import quoted
from jobs.ids import new_id
from jobs.models import Reason, RunStatus, StepStatus
from jobs.records import StepRecord
from jobs.runner import Runner
from jobs.secrets import names_in

INVOKED_EVENT = "jobs/function.invoked"
# Whoever ends a wait wakes the run. In case the word was lost, it looks by itself as well: this
# long after the wait has begun, then after twice the time, and so on: two dozen looks in a year.
SECOND_LOOK = timedelta(seconds=1)


def event(
    runner: Runner,
    step: StepRecord,
    name: str,
    timeout: timedelta,
    if_exp: str | None,
    where: str,
) -> None:
    """Settle the step with the awaited event, or suspend.

    1. Whoever sends an event wakes the runs that wait for it (events._wake_waiting), and each
       time the run is woken it looks among the events that came after its own.
    2. A sender that did not see the wait, since neither had committed, wakes nobody: so there are
       more looks, each after twice the time of the one before, and a last one when it is over.
    """
    _begin_wait(runner, step, name, timeout, if_exp, where)
    found = _look(runner, step)
    if found is not None:
        step.detail = {**step.detail, "matched": str(found.id)}
        runner.settle(step, events.as_json(found))
        return
    now = runner.now()
    if step.due_at is None or step.due_at <= now:
        runner.settle(step, None)
        return
    runner.wait(step, Reason.EVENT, _next_look(step, now))


def _next_look(step: StepRecord, now: datetime) -> datetime | None:
    look = now + max(SECOND_LOOK, now - (step.started_at or now))
    return look if step.due_at is None else min(look, step.due_at)


def _begin_wait(
    runner: Runner,
    step: StepRecord,
    name: str,
    timeout: timedelta,
    if_exp: str | None,
    where: str,
) -> None:
    if not isinstance(name, str) or not events.is_name(name):
        raise InvalidStep(f"{where}: event={quoted(name)} is not an event's name.")
    if if_exp is not None:
        expressions.compiled(if_exp)
        if names := names_in(if_exp):
            raise InvalidStep(f"{where}: if_exp holds the value of settings.{names[0]}.")
    if step.status != StepStatus.WAITING:
        step.status, step.awaits = StepStatus.WAITING, name
        step.due_at = runner.now() + timeout
        if if_exp is not None:
            step.detail = {**step.detail, "if": if_exp}


def _look(runner: Runner, step: StepRecord) -> models.Event | None:
    """The first event after the run's own that fits, and that no other wait of it has taken."""
    own = models.Event.objects.filter(runs=runner.claim.run_id).values("received_at")
    taken = models.Step.objects.filter(run_id=runner.claim.run_id, detail__has_key="matched")
    used = {uuid.UUID(detail["matched"]) for detail in taken.values_list("detail", flat=True)}
    used |= {
        uuid.UUID(noted.detail["matched"])
        for noted in runner.journal.steps.values()
        if "matched" in noted.detail
    }
    candidates = (
        models.Event.objects.filter(name=step.awaits, received_at__gt=own[:1])
        .exclude(id__in=used)
        .order_by("received_at", "id")
    )
    variables = {"event": runner.claim.event}
    for row in candidates.iterator(chunk_size=100):
        if events.satisfies(step.detail, variables | {"async": events.as_json(row)}):
            return row
    return None


def function(
    runner: Runner,
    step: StepRecord,
    target: registry.Function | str,
    data: dict[str, Any],
    timeout: timedelta,
) -> None:
    """Settle the step with the other run's end, or start that run and suspend.

    1. The other run's end wakes this one, in the same commit (endings.leave), and each time this
       one is woken it looks at the other.
    2. An end that is being committed while this run is on its way from one worker to the next
       finds nobody to wake, and this run sees no end yet: so there are more looks, as for events.
    """
    if step.status != StepStatus.WAITING:
        run = _invoke(runner, step, target, data)
        step.status, step.due_at = StepStatus.WAITING, runner.now() + timeout
        step.detail = {**step.detail, "run_id": str(run.id)}
        runner.wait(step, Reason.INVOKE, _next_look(step, runner.now()))
    run = models.Run.objects.get(id=step.detail["run_id"])
    if run.status == RunStatus.COMPLETED:
        runner.settle(step, run.output)
    elif run.status == RunStatus.FAILED:
        runner.fail(step, run.error or {})
    elif run.is_finished:
        runner.fail(step, _error(f"Run {run.id} of “{run.fn_id}” was {run.status}."))
    elif step.due_at is not None and step.due_at <= runner.now():
        runner.fail(step, _error(f"Run {run.id} of “{run.fn_id}” has not ended in time."))
    else:
        runner.wait(step, Reason.INVOKE, _next_look(step, runner.now()))


def _invoke(
    runner: Runner, step: StepRecord, target: registry.Function | str, data: dict[str, Any]
) -> models.Run:
    """The invoked run, in the transaction in which the step begins to wait for it."""
    called = target if isinstance(target, registry.Function) else registry.get(target)
    sent = events.validated(events.Event(name=INVOKED_EVENT, data=data))
    runner.journal.begin()
    row = models.Event(id=new_id(), name=sent.name, data=sent.data)
    row.save(force_insert=True)
    run = events.new_run(called, row, events.stored(sent, row))
    run.invoked_by_id = runner.claim.run_id
    run.save(force_insert=True)
    events.wake_clusters()
    return run


def _error(message: str) -> dict[str, Any]:
    return {"name": "InvokeError", "message": message, "stack": ""}
