"""Calls a claimed run's function and settles what it returns, waits for or raises, by one commit
under the lease (law 4).
"""

from __future__ import annotations

import logging
from typing import Any

from jobs import models
from jobs.errors import (
    CommitRefused,
    ControlFlow,
    EndedFromInside,
    Interrupted,
    InvalidOutput,
    LeaseLost,
    StepError,
    Suspend,
    TransactionBroken,
)
from jobs.execution import calls
from jobs.execution.attempts import Attempts, retry_delay
from jobs.execution.context import Context
from jobs.execution.observer import NullObserver, WorkerObserver
from jobs.execution.own_context import in_own_context
from jobs.execution.process_checks import is_sound
from jobs.execution.requeue import requeue, take_a_clean_connection
from jobs.execution.returns import with_place
from jobs.execution.settlement import Settlement
from jobs.execution.steps import Steps
from jobs.execution.suspension import suspension_first
from jobs.execution.unit_of_work import UnitOfWork
from jobs.lib.error_report import chain, codes_of, describe, failed_steps, is_a
from jobs.lib.json_values import to_json
from jobs.models import Reason, RunStatus
from jobs.platform.ipc import forked_copies
from jobs.registry import catalog
from jobs.registry.function import Function
from jobs.runs.claimed_run import Claim, reload
from jobs.runs.completion import EndedRun, release_statements, settle_failure
from jobs.runs.next_in_line import next_in_line_statement, parse_next_in_line

logger = logging.getLogger("jobs.engine")

MAX_STEPS = 100  # named by an error; retries begin with these


def execute(claim: Claim, observer: WorkerObserver | None = None) -> Claim | None:
    """Advance a claimed run as far as it goes, and settle it. Returns the claim of the line's next
    run if the worker may take it (`observer.may_take_next`).

    1. The function is called from the top; remembered steps return at once.
    2. It ends, waits or errs, each by one commit under the lease.
    3. If a deferred constraint refuses the commit, nothing happened: the function is called again,
       with constraints checked after each step, so that the breaking one fails.
    4. If the lease was lost, nothing since the last commit happened; another worker goes on.
    5. Any other end settles nothing: the run is requeued and counted (requeue). No author's
       exception leaves this function. The next execution takes a new connection: this worker's may
       have prepared the same old plan as the last one's.
    6. If the engine's code failed, no database was reached for a lease's time, or a process check
       fails, code may have damaged this process: it must execute no other run
       (`observer.is_spoilt`).
    """
    observer = observer or NullObserver()
    try:
        return in_own_context(_execute, claim, observer)
    finally:
        if not is_sound(claim.fn_id):
            observer.is_spoilt = True


def _execute(claim: Claim, observer: WorkerObserver) -> Claim | None:
    try:
        return _advance_or_check_step_by_step(claim, observer)
    except LeaseLost as lost:
        logger.warning("Let go: %s", lost)
    except Interrupted as stop:
        logger.warning("Run %s is interrupted: %s", claim.run_id, stop)
        observer.is_spoilt |= not requeue(claim, stop)
    except ControlFlow:
        raise
    except BaseException as error:
        logger.exception("Run %s cannot be settled", claim.run_id)
        observer.is_spoilt = True
        requeue(claim, Interrupted(error))
    return None


def _advance_or_check_step_by_step(claim: Claim, observer: WorkerObserver) -> Claim | None:
    if claim.requeue_count:
        take_a_clean_connection()
    _mark_begun(claim)
    try:
        return _advance(claim, UnitOfWork(claim), observer)
    except CommitRefused as refusal:
        logger.info("run %s: checking step by step, since %s", claim.run_id, refusal)
        claim = reload(claim)
        return _advance(claim, UnitOfWork(claim, check_each_step=True), observer)


def _mark_begun(claim: Claim) -> None:
    """A run lost with a cluster may have caused that. Record its beginning, to tell its next loss
    from its neighbours'.
    """
    if not claim.lost_count:
        return
    if not models.Run.objects.held(claim.run_id, claim.token).update(begun=True):
        raise LeaseLost(claim.run_id)


def _advance(claim: Claim, unit_of_work: UnitOfWork, observer: WorkerObserver) -> Claim | None:
    function = catalog.get(claim.fn_id)
    try:
        return _call_function(claim, function, unit_of_work, observer)
    except EndedFromInside as exit_:
        unit_of_work.roll_back()
        exit_.end()
    except TransactionBroken as error:
        _retry_or_fail(claim, function, unit_of_work, error)
    except ControlFlow:
        unit_of_work.roll_back()
        raise
    except BaseException as error:
        if unit_of_work.transaction.is_databases_fault(error):
            unit_of_work.roll_back()
            raise Interrupted(error) from error
        error = calls.explained(unit_of_work.transaction.explained(error), Steps)
        _retry_or_fail(claim, function, unit_of_work, error)
    finally:
        unit_of_work.leave_connection()
    return None


def _call_function(
    claim: Claim, function: Function, unit_of_work: UnitOfWork, observer: WorkerObserver
) -> Claim | None:
    context = Context(claim, function, unit_of_work, observer)
    try:
        with (
            context.runner.playing(),
            context.runner.log.capturing(),
            forked_copies.OnlyHere(),
            suspension_first(context.runner),
        ):
            output = function.handler(context)
            unit_of_work.transaction.raise_if_left_open()
        output = _storable(function, output)
    except Suspend as pause:
        asks = bool(unit_of_work.fetches)
        _suspend(unit_of_work, pause, waits=not asks)
        if asks:
            observer.request_queued()
        return None
    context.runner.await_nothing()
    return _complete(claim, unit_of_work, output, observer)


def _storable(function: Function, output: Any) -> Any:
    try:
        return to_json(output, f"The output of “{function.fn_id}”")
    except InvalidOutput as error:
        raise with_place(error, function.handler) from None


def _complete(
    claim: Claim, unit_of_work: UnitOfWork, output: Any, observer: WorkerObserver
) -> Claim | None:
    settled = Settlement(status=RunStatus.COMPLETED, output=output, ended=True)
    then = release_statements(EndedRun.of_claim(claim))
    if len(claim.turn_keys) != 1:
        unit_of_work.commit(settled, then=then)
        return None
    takes_next = observer.may_take_next and not observer.short_lines.has(claim.fn_id)
    if takes_next:
        then[-1] = next_in_line_statement(claim)  # instead of a wake
    rows = unit_of_work.commit(settled, then=then)
    observer.short_lines.note_end(claim.fn_id, leaves_one=bool(rows[-1]))
    return parse_next_in_line(then[-1], rows[-1]) if takes_next else None


def _suspend(unit_of_work: UnitOfWork, pause: Suspend, *, waits: bool = True) -> None:
    settled = Settlement(
        status=pause.status, reason=pause.reason, delay=pause.delay, until=pause.until
    )
    unit_of_work.commit(settled, waits=waits)


def _retry_or_fail(
    claim: Claim, function: Function, unit_of_work: UnitOfWork, error: BaseException
) -> None:
    unit_of_work.has_erred = True
    if unit_of_work.transaction.is_broken:
        unit_of_work.roll_back()
    attempt = unit_of_work.function_errors
    now = claim.clock.now()
    delay = retry_delay(function, error, attempt, now)
    if is_a(error, StepError):  # already in the step's attempts
        description = describe(error)
    else:
        description = Attempts(claim, unit_of_work).record_error("", attempt, error, now, delay)
    description |= _failed_step(error)
    if delay is not None:
        unit_of_work.attempt = unit_of_work.function_errors = attempt + 1
        _suspend(unit_of_work, Suspend(RunStatus.WAITING, Reason.BACKOFF, delay))
        return
    unit_of_work.commit(
        Settlement(status=RunStatus.FAILED, error=description, ended=True),
        lambda: settle_failure(EndedRun.of_claim(claim), description),
    )


def _failed_step(error: BaseException) -> dict[str, Any]:
    """The failed step behind an error, and those of the branches beside it: an operator's retry
    begins there.
    """
    inner = next((link for link in chain(error) if is_a(link, StepError)), None)
    steps = [failed.step_id for failed in failed_steps(error)][:MAX_STEPS]
    beside = {"steps": steps} if len(steps) > 1 or (steps and inner is None) else {}
    if not isinstance(inner, StepError):
        return beside
    cause = {"name": inner.name, "message": inner.message, **codes_of(inner)}
    return {"step": inner.step_id, "cause": cause, **beside}
