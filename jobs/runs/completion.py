"""A run's end, in its transaction: turns pass on, the invoker goes on, hooks start (law 9)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from jobs import models
from jobs.events import fan_out, intake, requester, wake
from jobs.events.event import Event, EventPayload
from jobs.lib.failure_kinds import kind_of
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.statements import Statement
from jobs.registry import catalog, last_synced
from jobs.registry.function import Function
from jobs.runs.claimed_run import Claim
from jobs.runs.hook_events import CANCELLED, FAILED, RETRIED, data_of
from jobs.runs.lease import release
from jobs.runs.turns import wake_next_statements


@dataclass(frozen=True, slots=True)
class EndedRun:
    run_id: uuid.UUID
    fn_id: str
    event: dict[str, Any]
    turn_keys: list[str]
    turns_held: int
    invoked_by: uuid.UUID | None

    @classmethod
    def of_claim(cls, claim: Claim) -> EndedRun:
        keys = claim.turn_keys
        return cls(claim.run_id, claim.fn_id, claim.event, keys, len(keys), claim.invoked_by)

    @classmethod
    def of_run(cls, run: models.Run) -> EndedRun:
        event = EventPayload.of_row(run.event).as_json()
        return cls(run.id, run.fn_id, event, run.turn_keys, run.turns_held, run.invoked_by_id)


def release_statements(ended_run: EndedRun) -> list[Statement]:
    """Run these last: rows are locked before lines, then only SKIP LOCKED rows are written, so two
    ending runs cannot deadlock.
    """
    invoker = [] if ended_run.invoked_by is None else [wake.wake_statement([ended_run.invoked_by])]
    return invoker + wake_next_statements(ended_run.turn_keys, ended_run.turns_held)


def release_turns(ended_run: EndedRun) -> None:
    """Wake its invoker, too."""
    notifier.tell_if_due(statements.execute_many(*release_statements(ended_run)))


def emit_and_start_hook(
    name: str, ended_run: EndedRun, error: dict[str, Any] | None, moment: str
) -> None:
    """The event has the epoch that this transaction raised."""
    runs = models.Run.objects.filter(id=ended_run.run_id)
    epoch = runs.values_list("epoch", flat=True).get()
    emit(name, ended_run, epoch, error, last_synced.hook_of(ended_run.fn_id, moment))


def emit(
    name: str,
    ended_run: EndedRun,
    epoch: int,
    error: dict[str, Any] | None,
    hook: Function | None = None,
) -> None:
    """A run that such an event started by name starts nothing by name: a failing function that
    listens to failures would go on for ever.
    """
    data = data_of(ended_run.fn_id, ended_run.run_id, epoch, error, ended_run.event)
    sent = Event(name=name, data=data)
    triggers = not _is_started_by_engine(ended_run)
    if hook is None and not catalog.cancelled_by(name):
        intake.accept_fresh([sent], triggers=triggers)
        return
    with requester.on_behalf_of(ended_run.run_id):
        (row,) = intake.accept_fresh([sent], triggers=triggers)
        if hook is not None:
            fan_out.start([fan_out.new_run(hook, row, EventPayload.of_event(sent, row))])


def _is_started_by_engine(ended_run: EndedRun) -> bool:
    name = ended_run.event["name"]
    if name not in (FAILED, CANCELLED, RETRIED):
        return False
    return any(function.fn_id == ended_run.fn_id for function, _ in catalog.triggered_by(name))


def end(run: models.Run, status: models.RunStatus, error: dict[str, Any] | None) -> None:
    """End a run outside a worker, under the caller's row lock. The caller writes what follows for
    others.
    """
    release(
        models.Run.objects.filter(id=run.id),
        status=status,
        due_at=None,
        error=error,
        ended_at=Now(),
        expires_at=None,
        epoch=F("epoch") + 1,
    )


def await_nothing(run_id: uuid.UUID) -> None:
    """An ended run's waits are no concern of a sender's any more: each `send` of their event would
    look at all of them. A retry awaits anew.
    """
    waiting = models.Step.objects.filter(run_id=run_id, status=models.StepStatus.WAITING)
    waiting.exclude(awaits="").update(awaits="")


def fail_run(run: models.Run, error: dict[str, Any]) -> None:
    end(run, models.RunStatus.FAILED, error)
    settle_failure(EndedRun.of_run(run), error)


def settle_failure(ended_run: EndedRun, error: dict[str, Any]) -> None:
    """Write a failure's kind (the panel groups by it) and hook, behind the run's row."""
    models.Run.objects.filter(id=ended_run.run_id).update(failure_kind=kind_of(error))
    await_nothing(ended_run.run_id)
    emit_and_start_hook(FAILED, ended_run, error, "failure")
    release_turns(ended_run)
