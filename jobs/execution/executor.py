"""Advancing a run: replay ▸ advance ▸ settle."""

from __future__ import annotations

import logging
from typing import Any

from jobs import conf, models
from jobs.errors import (
    CommitRefused,
    ControlFlow,
    EndedFromInside,
    Interrupted,
    LeaseLost,
    StepError,
    Suspend,
    TransactionBroken,
)
from jobs.execution.attempts import Attempts
from jobs.execution.context import Context
from jobs.execution.observer import Nobody, Watch
from jobs.execution.process_checks import is_sound
from jobs.execution.requeue import requeue
from jobs.execution.settlement import Settlement
from jobs.execution.unit_of_work import Journal
from jobs.lib import backoff
from jobs.lib.error_report import chain, codes_of, describe, is_a
from jobs.lib.json_values import remembered
from jobs.models import Reason, RunStatus
from jobs.platform.ipc import forked_copies
from jobs.registry import catalog
from jobs.registry.function import Function
from jobs.runs.claim import Claim, refreshed
from jobs.runs.completion import Ending, leaving, settle_failure
from jobs.runs.handover import going_on, gone_on

logger = logging.getLogger("jobs.engine")


def execute(claim: Claim, watch: Watch | None = None) -> Claim | None:
    """Advance a claimed run as far as it goes, and settle it; returns the claim that the worker
    is to go on with, if it may (`watch.may_go_on`): who was next in the run's line.

    1. Call the function from the top; steps that are remembered return at once.
    2. It comes to an end, it has to wait, or it errs: each is one commit, under the lease.
    3. If the commit is refused by a deferred constraint, nothing of it happened: go again, with
       each step's constraints checked by itself, so that the step that breaks one is the one that
       fails.
    4. If the lease was lost, nothing since the last commit happened, and somebody else goes on.
    5. An execution that ends in any other way has settled nothing: its run is requeued, which is
       counted (requeue). Nothing that an author's code does leaves this function.
    6. If the engine's own code failed, if no database was reached for as long as a lease, or if
       something that every run needs does not work any more (process_checks), this process may be
       what is wrong: code that is over may have changed whatever lies in it. Then it is to execute
       no other run (`watch.is_spoilt`).
    """
    watch = watch or Nobody()
    try:
        return _execute(claim, watch)
    finally:
        if not is_sound(claim.fn_id):
            watch.is_spoilt = True


def _execute(claim: Claim, watch: Watch) -> Claim | None:
    try:
        return _advance_or_check_step_by_step(claim, watch)
    except LeaseLost as lost:
        logger.warning("Let go: %s", lost)
    except Interrupted as stop:
        logger.warning("Run %s is interrupted: %s", claim.run_id, stop)
        watch.is_spoilt |= not requeue(claim, stop)
    except ControlFlow:
        raise
    except BaseException as error:
        logger.exception("Run %s cannot be settled", claim.run_id)
        watch.is_spoilt = True
        requeue(claim, Interrupted(error))
    return None


def _advance_or_check_step_by_step(claim: Claim, watch: Watch) -> Claim | None:
    _begin(claim)
    try:
        return _advance(claim, Journal(claim), watch)
    except CommitRefused as refusal:
        logger.info("run %s: checking step by step, since %s", claim.run_id, refusal)
        claim = refreshed(claim)
        return _advance(claim, Journal(claim, solo=True), watch)


def _begin(claim: Claim) -> None:
    """A run that went down with a cluster before may be what took it down: say, durably, that a
    worker begins with it, so that the next loss can be told from bad neighbourhood."""
    if claim.lost_count:
        mine = models.Run.objects.filter(id=claim.run_id, lease_token=claim.token)
        if not mine.update(begun=True):
            raise LeaseLost(f"run {claim.run_id} is in other hands")


def _advance(claim: Claim, journal: Journal, watch: Watch) -> Claim | None:
    function = catalog.get(claim.fn_id)
    try:
        return _play(claim, function, journal, watch)
    except EndedFromInside as exit_:
        journal.roll_back()
        exit_.end()
    except TransactionBroken as error:
        _err(claim, function, journal, error)
    except ControlFlow:
        journal.roll_back()
        raise
    except BaseException as error:
        if journal.transaction.is_databases_fault(error):
            journal.roll_back()
            raise Interrupted(error) from error
        _err(claim, function, journal, error)
    finally:
        journal.leave_connection()
    return None


def _play(claim: Claim, function: Function, journal: Journal, watch: Watch) -> Claim | None:
    """Call the function; settle its end, or its suspension."""
    context = Context(claim, function, journal, watch)
    try:
        with context.runner.playing(), context.runner.log.listening(), forked_copies.OnlyHere():
            output = function.handler(context)
            journal.transaction.raise_if_left_open()
        context.runner.raise_if_suspended()  # a bare “except:” may have swallowed it
        output = remembered(output, f"What “{claim.fn_id}” returns")
    except Suspend as pause:
        asks = bool(journal.fetches)
        _suspend(journal, pause, waits=not asks)
        if asks:
            watch.request_waits()
        return None
    return _complete(claim, journal, output, goes_on=watch.may_go_on)


def _complete(claim: Claim, journal: Journal, output: Any, *, goes_on: bool) -> Claim | None:
    settled = Settlement(status=RunStatus.COMPLETED, output=output, ended=True)
    then = leaving(Ending.of_claim(claim))
    goes_on = goes_on and len(claim.turn_keys) == 1
    if goes_on:
        then[-1] = going_on(claim)  # instead of waking him
    rows = journal.commit(settled, then=then)
    return gone_on(then[-1], rows[-1]) if goes_on else None


def _suspend(journal: Journal, pause: Suspend, *, waits: bool = True) -> None:
    settled = Settlement(
        status=pause.status, reason=pause.reason, delay=pause.delay, until=pause.until
    )
    journal.commit(settled, waits=waits)


def _err(claim: Claim, function: Function, journal: Journal, error: BaseException) -> None:
    """The function itself erred, between its steps: try again from its memory, or fail."""
    journal.has_erred = True
    if journal.transaction.is_broken:
        journal.roll_back()
    table = function.backoff or conf.backoff()
    attempt = journal.function_errors
    now = claim.clock.now()
    delay = backoff.delay(error, attempt, function.retries, table, now)
    if is_a(error, StepError):  # the step's own attempts have told it
        story = describe(error)
    else:
        story = Attempts(claim, journal).erred("", attempt, error, now, delay)
    story |= _step_behind(error)
    if delay is not None:
        journal.attempt = journal.function_errors = attempt + 1
        _suspend(journal, Suspend(RunStatus.WAITING, Reason.BACKOFF, delay))
        return
    journal.commit(
        Settlement(status=RunStatus.FAILED, error=story, ended=True),
        lambda: settle_failure(Ending.of_claim(claim), story),
    )


def _step_behind(error: BaseException) -> dict[str, Any]:
    """The failed step that an error tells of, also where the function put it in other words: it
    is what a person's retry begins with."""
    inner = next((link for link in chain(error) if is_a(link, StepError)), None)
    if not isinstance(inner, StepError):
        return {}
    cause = {"name": inner.name, "message": inner.message, **codes_of(inner)}
    return {"step": inner.step_id, "cause": cause}
