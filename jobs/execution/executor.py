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
    """Advance a claimed run as far as it goes, and settle it. Returns the claim of the line's next
    run, if the worker may go on with it (`watch.may_go_on`).

    1. The function is called from the top; remembered steps return at once.
    2. It ends, waits, or errs: each is one commit, under the lease.
    3. If a deferred constraint refuses the commit, nothing happened: the function is called again
       with constraints checked after each step, so that the step that breaks one fails.
    4. If the lease was lost, nothing since the last commit happened; another worker goes on.
    5. Any other end settles nothing: the run is requeued and counted (requeue). No author's
       exception leaves this function.
    6. If the engine's code failed, no database was reached for a lease's time, or a process check
       fails, code may have damaged this process: it must execute no other run (`watch.is_spoilt`).
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
    """A run lost with a cluster may have caused that: record that a worker begins it, to tell its
    next loss from its neighbours'.
    """
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
    context = Context(claim, function, journal, watch)
    try:
        with context.runner.playing(), context.runner.log.listening(), forked_copies.OnlyHere():
            output = function.handler(context)
            journal.transaction.raise_if_left_open()
        context.runner.raise_if_suspended()  # a bare “except:” may have swallowed it
        output = remembered(output, f"The output of “{claim.fn_id}”")
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
        then[-1] = going_on(claim)  # instead of a wake
    rows = journal.commit(settled, then=then)
    return gone_on(then[-1], rows[-1]) if goes_on else None


def _suspend(journal: Journal, pause: Suspend, *, waits: bool = True) -> None:
    settled = Settlement(
        status=pause.status, reason=pause.reason, delay=pause.delay, until=pause.until
    )
    journal.commit(settled, waits=waits)


def _err(claim: Claim, function: Function, journal: Journal, error: BaseException) -> None:
    journal.has_erred = True
    if journal.transaction.is_broken:
        journal.roll_back()
    table = function.backoff or conf.backoff()
    attempt = journal.function_errors
    now = claim.clock.now()
    delay = backoff.delay(error, attempt, function.retries, table, now)
    if is_a(error, StepError):  # already in the step's attempts
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
    """The failed step behind an error: an operator's retry begins there."""
    inner = next((link for link in chain(error) if is_a(link, StepError)), None)
    if not isinstance(inner, StepError):
        return {}
    cause = {"name": inner.name, "message": inner.message, **codes_of(inner)}
    return {"step": inner.step_id, "cause": cause}
