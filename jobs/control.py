"""What a person may do to a run: cancel it, run it again."""

from __future__ import annotations

import contextlib
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import (
    askers,
    concurrency,
    endings,
    events,
    hooks,
    lineage,
    models,
    notifier,
    records,
    registry,
)
from jobs.error_reports import MESSAGE_LIMIT, storable
from jobs.errors import EndedFromInside, InvalidStep, InvalidTransition, UnknownRun
from jobs.excerpts import excerpt, quoted
from jobs.ids import new_id
from jobs.models import FINISHED, UNFINISHED, FetchStatus, RunStatus, StepKind, StepStatus
from jobs.options import seconds
from jobs.runner import Runner, current_runner
from jobs.values import named

RETRYABLE = (RunStatus.FAILED, RunStatus.CANCELLED)


def cancel(run_id: str | uuid.UUID, *, why: str = "", invoked: bool = False) -> bool:
    """End an unfinished run now, whatever its worker does: a late result of it is dropped.

    Its turn passes on and its `on_cancel` starts, in one transaction. True if it was cancelled,
    False if it was cancelled before; raises InvalidTransition if it ended otherwise.

    Runs that it has invoked go on, unless `invoked` is true: then those that are unfinished are
    cancelled too, and those that they have invoked, after it, each in a transaction of its own. To
    call it again does what is left: True then if any of them was cancelled.

    A function that cancels its own run is left there and then: this does not return, and what was
    not committed is void. At a person's asking (see askers.py) it asks for `jobs.cancel_run`, and
    raises NotAllowed.
    """
    own = _own_among(run_id, invoked)
    if own is not None:
        _refuse_ended(_found(run_id))
        own.suspend(EndedFromInside(partial(_cancel_own, run_id, why, invoked)))
    if not invoked:
        return _cancel_one(run_id, why)
    root = _found(run_id).id
    _refuse_asker(root)
    if connection.in_atomic_block:
        _lock_tree(root)
    done = _cancel_one(root, why)
    reason = why or f"Run {root} was cancelled, which had invoked it."
    while below := lineage.unfinished_below(root):
        done |= sum(_cancel_unless_ended(run, reason) for run in below) > 0
    return done


def _refuse_asker(root: uuid.UUID) -> None:
    """Before any run of the tree is cancelled, the asker's permission for each of them."""
    asker = askers.current()
    if asker.id:
        for run_id in (root, *lineage.unfinished_below(root)):
            asker.refuse("jobs.cancel_run", _found(run_id))


def _own_among(run_id: str | uuid.UUID, invoked: bool) -> Runner | None:
    """The runner that this is called in, if its run is one of those to be cancelled."""
    own = current_runner()
    if own is None:
        return None
    is_own = str(own.claim.run_id) == str(run_id)
    return own if is_own or (invoked and lineage.is_below(own.claim.run_id, run_id)) else None


def _cancel_one(run_id: str | uuid.UUID, why: str) -> bool:
    asker = askers.current()
    if asker.id:
        asker.refuse("jobs.cancel_run", _found(run_id))
    with transaction.atomic(), askers.asking(asker):
        run = _locked(run_id)
        _refuse_ended(run)
        if run.status == RunStatus.CANCELLED:
            return False
        error = reason_of(why) if why else None
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


def _refuse_ended(run: models.Run) -> None:
    if run.is_finished and run.status != RunStatus.CANCELLED:
        raise InvalidTransition(
            f"Run {run.id} is {run.status}; only unfinished runs can be cancelled."
        )


def _cancel_unless_ended(run_id: uuid.UUID, why: str) -> bool:
    with contextlib.suppress(InvalidTransition, UnknownRun):
        return _cancel_one(run_id, why)
    return False


def _lock_tree(root: uuid.UUID) -> None:
    """Take all locks that the cancellation of a tree needs, before it begins: in a transaction of
    the caller's they are held together, and must be taken in the order that workers take them.

    1. Rows, those of invoked runs before those of their parents: a run that ends wakes its parent.
    2. Then lines, the first of each run before the second ones (see endings.leaving).
    """
    ids = [root, *lineage.unfinished_below(root)]
    runs = [_locked(run_id) for run_id in reversed(ids)]
    for line in (0, 1):
        standing = [run for run in runs if line <= min(run.turns_held, len(run.turn_keys) - 1)]
        concurrency.lock({run.turn_keys[line] for run in standing}, line)


def reason_of(why: str) -> dict[str, Any]:
    """Why a run was cancelled, as its error is remembered."""
    return {"name": "Cancelled", "message": storable(str(why), MESSAGE_LIMIT), "stack": ""}


def _cancel_own(run_id: str | uuid.UUID, why: str, invoked: bool) -> None:
    with contextlib.suppress(InvalidTransition):  # it had lost its lease, and another ended it
        cancel(run_id, why=why, invoked=invoked)


def rerun(
    run_id: str | uuid.UUID,
    *,
    from_step: str | None = None,
    from_start: bool = False,
    data: dict[str, Any] | None = None,
) -> str:
    """Run again; returns the id of the run that goes on.

    By default the same run, from its failed step: what it remembers stays remembered. If that step
    waits for a run that it has invoked, and that has failed or was cancelled, the invoked run goes
    on from its own failed step, and the step waits for it again. With
    `from_start` a new run (`rerun_of`) of the same event, or of an edited one with `data`; with
    `from_step` a new run that remembers what the old one did before that step. `on_retry` starts.
    At a person's asking (see askers.py) it asks for `jobs.rerun_run`, with `data` for
    `jobs.edit_run`, and raises NotAllowed; the run that goes on remembers the account.
    """
    if from_step is not None and from_start:
        raise InvalidTransition("Give either from_step or from_start, not both.")
    anew = from_start or from_step is not None or data is not None
    # Also before its row is locked: it may be the next in a line, and who leaves that passes by
    # what somebody is at.
    asker, run = askers.current(), _found(run_id)
    asker.refuse("jobs.rerun_run" if data is None else "jobs.edit_run", run)
    _refuse(run, anew)
    with transaction.atomic(), askers.asking(asker):
        below = [] if anew else [_locked(child) for child in reversed(_to_go_on(run_id))]
        for child in below:
            asker.refuse("jobs.rerun_run", child)
        run = _locked(run_id)
        _refuse(run, anew)
        again = _anew(run, from_step, data) if anew else _resume(run)
        _announce_retry(run, again)
        for child in (child for child in below if child.status in RETRYABLE):
            _announce_retry(child, _resume(child))
        notifier.wake_clusters()
    return str(again.id)


def _announce_retry(run: models.Run, again: models.Run) -> None:
    """Tell of a rerun of this run, which `again` is; the run's epoch is another one then."""
    models.Run.objects.filter(id=run.id).update(epoch=F("epoch") + 1)
    endings.announce(hooks.RETRIED, endings.Ending.of_run(again), run.error, "retry")


def _to_go_on(run_id: str | uuid.UUID) -> list[uuid.UUID]:
    """The ended runs that have to go on so that this one can: those that it waits for, and those
    that these wait for. Their rows are locked before its own, as by a worker that ends one."""
    found: list[uuid.UUID] = []
    for child in lineage.awaited_by(_found(run_id)):
        if child.status in RETRYABLE:
            found += [child.id, *_to_go_on(child.id)]
    return found


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
        given = str(run_id) if isinstance(run_id, uuid.UUID) else run_id
        raise UnknownRun(f"There is no run {quoted(given)}.") from None


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
    run.steps.filter(name=lineage.failed_step(run), status=StepStatus.FAILED).update(
        status=StepStatus.WAITING, attempts=0, ended_at=None
    )
    # What is waited for anew is looked at soon, and has its whole time again (awaiting.function).
    invoking = run.steps.filter(kind=StepKind.INVOKE, status=StepStatus.WAITING)
    invoking.update(started_at=Now(), due_at=None)
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
        stop_requested=False,
        turns_held=0,
        asked_by=askers.named_id(),
        steps_done=run.steps.filter(status__in=remembered).count(),
        **_ready_again(run),
    )
    return run


def _ready_again(run: models.Run) -> dict[str, Any]:
    """A run that has never started is ready from now on, and has all of `timeouts.start` again;
    what has started has `timeouts.finish` again from its next start (claims.LEASE)."""
    if run.started_at is not None:
        return {"expires_at": None}
    start = registry.get(run.fn_id).timeouts.start if registry.knows(run.fn_id) else None
    in_time = None if start is None else Now() + timedelta(seconds=seconds(start))
    return {"ready_at": Now(), "expires_at": in_time}


def _anew(run: models.Run, from_step: str | None, data: dict[str, Any] | None) -> models.Run:
    function = registry.get(run.fn_id)
    row, event = run.event, events.as_json(run.event)
    if data is not None:
        edited = events.validated(events.Event(name=run.event.name, data=data))
        row = models.Event(id=new_id(), name=edited.name, data=edited.data)
        row.save(force_insert=True)
        event = events.stored(edited, row)
    again = events.new_run(function, row, event, rerun_of=run.id).unsaved()
    again.event = row
    memory = _memory_before(run, from_step) if from_step is not None else []
    again.steps_done = len(memory)
    again.due_at = Now()
    again.save(force_insert=True)
    if memory:
        records.copy_steps(run.id, memory, again.id)
    return again


def _memory_before(run: models.Run, name: str) -> list[str]:
    """The names of the steps that are remembered and came before this one, in their order."""
    steps = list(run.steps.only("name", "position", "status").order_by("position", "id"))
    target = next((step for step in steps if step.name == name), None)
    if target is None:
        names = ", ".join(f"“{step.name}”" for step in steps) or "none"
        raise InvalidStep(
            f"Run {run.id} has no step {named(name)}; it has {excerpt(names, 2_000)}."
        )
    return [s.name for s in steps if s.position < target.position and s.is_remembered]
