"""How a run waits for an event or for a run that it invokes. The wait is a row, and its end wakes
the run. The run also looks again by itself (CHECK_INTERVAL), last at the timeout:

1. A sender and a wait that commit at the same moment miss each other.
2. An invoked run that ends while this one passes between workers finds no run to wake.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from jobs import models
from jobs.errors import InvalidExpression, InvalidStep
from jobs.events import condition_problems, fan_out, requester, validation, wake
from jobs.events.event import Event, EventPayload
from jobs.execution.returns import PLAIN, Returns
from jobs.execution.step_runner import StepRunner
from jobs.execution.suspension import by_the_engine
from jobs.execution.unmet_conditions import UnmetCondition
from jobs.ids import new_id
from jobs.lib.error_report import describe_as
from jobs.lib.json_values import plain
from jobs.lib.secrets import names_in
from jobs.lib.shapes.reading import name_of, shape_of
from jobs.lib.shapes.shape import Unsupported
from jobs.models import Reason, RunStatus, StepStatus
from jobs.platform.postgres import notifier
from jobs.registry import catalog, event_names, expression_names
from jobs.registry.event_data import INVOKED_EVENT
from jobs.registry.function import Function
from jobs.registry.validation import expression_problems
from jobs.runs import deadlocks
from jobs.runs.step_record import StepRecord

# The run looks again this long after the wait began, then after twice the time, and so on: two
# dozen looks in a year.
CHECK_INTERVAL = timedelta(seconds=1)


@by_the_engine
def await_event(
    runner: StepRunner,
    step: StepRecord,
    name: str,
    timeout: timedelta,
    if_exp: str | None,
    where: str,
    data: Any = None,
) -> None:
    """Settle the step with the awaited event, or suspend. The event's sender wakes the run
    (wake.wake_waiting), which looks among the events after its own.
    """
    begins = step.due_at is None  # or waits anew, after an operator's retry
    _begin_wait(runner, step, name, timeout, if_exp, where, data)
    found = _find_event(runner, step, begins=begins)
    if found is not None:
        runner.receive(step, EventPayload.of_row(found).as_json())
        step.detail = {**step.detail, "matched": str(found.id)}
        return
    now = runner.now()
    if step.due_at is None or step.due_at <= now:
        runner.settle(step, None)
        return
    runner.wait(step, Reason.EVENT, _next_check(step, now))


def data_type(kind: Any, where: str) -> Returns:
    """Raises InvalidStep for a type that no event's data has."""
    if kind is None:
        return PLAIN
    try:
        is_object = shape_of(kind).is_object
    except Unsupported as problem:
        raise InvalidStep(f"{where}: data={name_of(kind)}: {problem}.") from None
    if not is_object:
        raise InvalidStep(
            f"{where}: data={name_of(kind)}: a dataclass, a TypedDict, a dict or a model is "
            "allowed, an object."
        )
    return Returns(kind, where)


def _next_check(step: StepRecord, now: datetime) -> datetime | None:
    look = now + max(CHECK_INTERVAL, now - (step.started_at or now))
    return look if step.due_at is None else min(look, step.due_at)


def _begin_wait(
    runner: StepRunner,
    step: StepRecord,
    name: str,
    timeout: timedelta,
    if_exp: str | None,
    where: str,
    data: Any,
) -> None:
    problem = event_names.problem_of(name)
    if problem:
        raise InvalidStep(f"{where}: {problem}")
    for secret in names_in(if_exp) if isinstance(if_exp, str) else ():
        raise InvalidStep(f"{where}: if_exp holds the value of settings.{secret}.")
    known = (expression_names.EVENT, expression_names.ASYNC)
    kinds = {
        expression_names.EVENT: runner.kinds_of_its_event(),
        expression_names.ASYNC: [] if data is None else [data],
    }
    for problem in () if if_exp is None else expression_problems(if_exp, *known, kinds=kinds):
        raise InvalidExpression(f"{where}: {problem}")
    name, if_exp = plain(name), plain(if_exp)
    if step.due_at is None:
        step.status = StepStatus.WAITING
        step.due_at = runner.now() + timeout
    if not step.awaits:  # a retried run's steps await nothing any more
        step.awaits = name
        kept = {key: told for key, told in step.detail.items() if key != "if"}
        step.detail = kept if if_exp is None else {**kept, "if": if_exp}


def _find_event(runner: StepRunner, step: StepRecord, *, begins: bool) -> models.Event | None:
    """The first fitting event after the run's own that none of its other waits took, by the
    database's clock; within one send by id. One that came when the time was over is late, also if
    the run looks later still.
    """
    own = models.Event.objects.filter(id=runner.claim.event_id).values("received_at")[:1]
    later = Q(received_at__gt=own) | Q(id__gt=runner.claim.event_id)
    in_time = Q() if begins else Q(received_at__lte=step.due_at)
    taken = models.Step.objects.filter(run_id=runner.claim.run_id, detail__has_key="matched")
    used = {uuid.UUID(detail["matched"]) for detail in taken.values_list("detail", flat=True)}
    used |= {
        uuid.UUID(noted.detail["matched"])
        for noted in runner.unit_of_work.steps.values()
        if "matched" in noted.detail
    }
    candidates = (
        models.Event.objects.filter(later, in_time, name=step.awaits, received_at__gte=own)
        .exclude(id__in=used)
        .order_by("received_at", "id")
    )
    unmet = UnmetCondition(step)
    try:
        for row in candidates.iterator(chunk_size=100):
            came = EventPayload.of_row(row).as_json()
            reason = wake.why_not(step.detail, {"event": runner.claim.event, "async": came})
            if reason is None:
                return row
            unmet.note(came["id"], reason)
        return None
    finally:
        unmet.log()


@by_the_engine
def await_run(
    runner: StepRunner,
    step: StepRecord,
    target: Function | str,
    data: dict[str, Any],
    timeout: timedelta,
) -> None:
    """Settle the step with the other run's end, or start that run and suspend. Its end wakes this
    run, in the same commit (completion.release_turns). A paused function's run starts when that is
    resumed.
    """
    run = _invoked(step)
    if run is None:
        run = _invoke(runner, step, target, data)
        step.status, step.due_at = StepStatus.WAITING, runner.now() + timeout
        step.detail = {**step.detail, "run_id": str(run.id)}
        runner.wait(step, Reason.INVOKE, _next_check(step, runner.now()))
    step.due_at = step.due_at or runner.now() + timeout  # an operator's retry waits anew
    if run.status == RunStatus.COMPLETED:
        runner.receive(step, run.output)
    elif run.status == RunStatus.FAILED:
        runner.fail(step, run.error or {})
    elif run.is_finished:
        runner.fail(step, _error(f"Run {run.id} of “{run.fn_id}” was {run.status}."))
    elif step.due_at <= runner.now():
        runner.fail(
            step, _error(f"Run {run.id} of “{run.fn_id}” has not ended in time{_why(run)}.")
        )
    else:
        runner.wait(step, Reason.INVOKE, _next_check(step, runner.now()))


def _invoked(step: StepRecord) -> models.Run | None:
    """None if not started, or deleted before an operator's retry."""
    if step.status != StepStatus.WAITING or "run_id" not in step.detail:
        return None
    return models.Run.objects.filter(id=step.detail["run_id"]).first()


def _why(run: models.Run) -> str:
    return ": its function is paused" if run.reason == Reason.PAUSED else ""


def _invoke(
    runner: StepRunner, step: StepRecord, target: Function | str, data: dict[str, Any]
) -> models.Run:
    """In the transaction in which the wait begins."""
    called = target if isinstance(target, Function) else catalog.get(target)
    sent = validation.validate(Event(name=INVOKED_EVENT, data=data))
    catalog.read_data(called, sent.name, sent.data)
    row = models.Event(id=new_id(), name=sent.name, data=sent.data)
    run = fan_out.new_run(called, row, EventPayload.of_event(sent, row)).unsaved()
    run.invoked_by_id = runner.claim.run_id
    line = deadlocks.line_shut_by(run, runner.claim.run_id)
    if line:  # remembered: the next call might find no circle
        runner.fail(step, deadlocks.error_of(run.fn_id, line))
    runner.unit_of_work.transaction.begin()
    row.save(force_insert=True)
    fan_out.hold_if_paused(run)
    run.asked_by = requester.current_id()
    run.save(force_insert=True)
    condition_problems.report()
    notifier.tell_clusters(notifier.RUN_DUE)
    return run


def _error(message: str) -> dict[str, Any]:
    return describe_as("InvokeError", message)
