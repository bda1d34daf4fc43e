"""One step of a run: found in its memory and replayed, or attempted, then remembered, retried or
failed. An atomic body and its record commit together (law 3, unit_of_work).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NoReturn

from django.db import DatabaseError, InterfaceError

from jobs.errors import (
    ControlFlow,
    Interrupted,
    InvalidOutput,
    InvalidStep,
    StepError,
    Suspend,
)
from jobs.events import requester
from jobs.execution.attempts import Attempts, retry_delay
from jobs.execution.current_step import encode_current_step
from jobs.execution.log_capture import LogCapture
from jobs.execution.memory import Memory
from jobs.execution.observer import WorkerObserver
from jobs.execution.outside_commit import commit_what_acted_outside
from jobs.execution.returns import PLAIN, Returns, with_place
from jobs.execution.suspension import unswallowed
from jobs.execution.unit_of_work import UnitOfWork
from jobs.lib import backoff
from jobs.lib.error_report import describe
from jobs.lib.json_values import ENCODER, copy_json, size_of, to_sized_json
from jobs.models import Reason, RunStatus, StepKind, StepStatus
from jobs.platform.ipc import forked_copies
from jobs.registry import event_data
from jobs.registry.function import Function
from jobs.runs.claimed_run import Claim
from jobs.runs.step_record import StepRecord

_playing: ContextVar[StepRunner | None] = ContextVar("playing", default=None)


class StepRunner:
    def __init__(
        self, claim: Claim, function: Function, unit_of_work: UnitOfWork, observer: WorkerObserver
    ) -> None:
        self.claim = claim
        self.unit_of_work = unit_of_work
        self.memory = Memory(claim)
        replaying = self.memory.is_replaying
        self.log = LogCapture(claim, unit_of_work, lambda: self.errors_here, replaying=replaying)
        self._function = function
        self._observer = observer
        self._attempts = Attempts(claim, unit_of_work)
        self._inside: StepRecord | None = None
        self._is_over = False
        self._pause: ControlFlow | None = None
        self._depth, self._thread = forked_copies.depth(), threading.get_ident()

    @contextlib.contextmanager
    def playing(self) -> Iterator[None]:
        token = _playing.set(self)
        try:
            with requester.inside(self.claim.run_id):
                yield
        finally:
            self._is_over = True
            _playing.reset(token)

    def now(self) -> datetime:
        return self.claim.clock.now()

    @property
    def errors_here(self) -> int:
        """Of the step that is being done, of the branch, or of the function."""
        if self._inside:
            return self._inside.attempts
        if self.memory.branch:
            return max(self.unit_of_work.function_errors, self.memory.errors_of_branch())
        return self.unit_of_work.attempt

    def kinds_of_its_event(self) -> list[Any]:
        return event_data.kinds_of(self._function.triggers)

    def begin(self, id: str, kind: StepKind) -> StepRecord:
        self._raise_if_elsewhere(id)
        if self._is_over:
            raise InvalidStep(
                f"Step “{id}” was asked for with the `ctx` of an execution that is over; a step is "
                "done in the function, before it returns, and with the `ctx` of that call."
            )
        self.raise_if_suspended()
        if self.unit_of_work.callbacks.is_calling:
            raise InvalidStep(
                f"Step “{id}” was asked for in a callback of transaction.on_commit, when the "
                "transaction of the steps is over; ask for it in the function."
            )
        self.unit_of_work.transaction.raise_if_broken()
        self.unit_of_work.transaction.raise_if_left_open()
        if self._inside:
            raise InvalidStep(
                f"Step “{id}” was asked for inside step “{self._inside.name}”; steps cannot nest."
            )
        step = self.memory.visit(id, kind)
        self.log.step_found(step, replaying=self.memory.is_replaying)
        is_stopping = self._observer.is_stopping or self.unit_of_work.is_stopped
        if is_stopping and not step.is_remembered:
            self.suspend(Suspend(RunStatus.QUEUED, Reason.NONE, 0.0))
        return step

    def _raise_if_elsewhere(self, id: str) -> None:
        if forked_copies.depth() != self._depth:
            raise InvalidStep(
                f"Step “{id}” was asked for in a process that the function has forked; the worker "
                "alone can do steps."
            )
        if threading.get_ident() != self._thread:
            raise InvalidStep(
                f"Step “{id}” was asked for in a thread that the function has started; its own "
                "thread alone can do steps. step.parallel() lets steps wait side by side."
            )

    def replay(self, step: StepRecord, returns: Returns = PLAIN) -> Any:
        if step.status == StepStatus.FAILED:
            raise StepError(step.name, step.error or {})
        return returns.read(self.output_of(step), f"What step “{step.name}” remembers")

    def output_of(self, step: StepRecord) -> Any:
        """An unreadable output ends the execution, without an error of the step."""
        try:
            return self.memory.outputs.of(step)
        except (DatabaseError, InterfaceError) as error:
            self.suspend(Interrupted(error))
        except ControlFlow as stop:
            self.suspend(stop)

    @unswallowed
    def attempt(
        self,
        step: StepRecord,
        body: Callable[[], Any],
        *,
        atomic: bool,
        returns: Returns = PLAIN,
        maker: Any = None,
    ) -> Any:
        """`maker` is the author's function, for messages."""
        if step.is_remembered:
            return self.replay(step, returns)
        if step.due_at is not None and step.due_at > self.now():
            self.suspend(Suspend(RunStatus.WAITING, Reason.BACKOFF, until=step.due_at))
        if not atomic:
            self.unit_of_work.commit()
        started, current_step = self.now(), encode_current_step(step)
        self.log.enter(step.name, step.attempts)
        self._inside = step
        self._observer.step_changed(current_step)
        try:
            kept, output = self._call_body(step, body, atomic, returns, maker)
        except Interrupted as stop:
            raise self._interrupted(stop, step, current_step) from stop.error
        except ControlFlow:
            raise
        except BaseException as error:
            # Also SystemExit (of sys.exit() or django-q2's timeout) and other languages' (a panic
            # of Rust's).
            if self.unit_of_work.transaction.is_databases_fault(error):
                raise self._interrupted(Interrupted(error), step, current_step) from error
            self.retry_or_fail(step, error, started)
        finally:
            self._inside = None
            self._observer.step_changed("")
            self.log.leave(replaying=self.memory.is_replaying)
        self.complete(step, kept, started)
        if not atomic:
            commit_what_acted_outside(self.unit_of_work, step.name)
        elif self.unit_of_work.is_overdue:
            self.unit_of_work.commit()
        return output

    def _interrupted(self, stop: Interrupted, step: StepRecord, current_step: str) -> Interrupted:
        """Let the interruption become an attempt of the step."""
        self.log.end_line()
        stop.log_lines = [
            line for line in self.unit_of_work.log_lines if line["step_name"] == step.name
        ]
        stop.current_step = current_step
        return stop

    def _call_body(
        self, step: StepRecord, body: Callable[[], Any], atomic: bool, returns: Returns, maker: Any
    ) -> tuple[Any, Any]:
        if atomic:
            with self.unit_of_work.transaction.step_savepoint(), forked_copies.OnlyHere():
                return self._checked_output(step, body(), returns, maker)
        with self.unit_of_work.transaction.outside_body(), forked_copies.OnlyHere():
            output = body()
        return self._checked_output(step, output, returns, maker)

    def _checked_output(
        self, step: StepRecord, output: Any, returns: Returns, maker: Any
    ) -> tuple[Any, Any]:
        """What is remembered, and what the function gets."""
        what = f"The output of step “{step.name}”"
        try:
            kept, size = to_sized_json(output, what)
            given = returns.read(copy_json(kept), what)
        except InvalidOutput as error:
            raise with_place(error, maker) from None
        refusal = self.memory.outputs.refusal(step.name, size)
        if refusal is not None:
            raise refusal
        step.output_bytes = size
        return kept, given

    def complete(self, step: StepRecord, output: Any, started: datetime) -> None:
        step.ended_at = self.now()
        self._attempts.record_success(step, started, step.ended_at)
        step.attempts += 1
        self.settle(step, output)

    def receive(self, step: StepRecord, output: Any) -> None:
        """Another run or the outside has answered. Too large an output fails the step."""
        size = 0 if output is None else size_of(ENCODER.encode(output))
        refusal = self.memory.outputs.refusal(step.name, size)
        if refusal is not None:
            self.fail(step, describe(refusal), refusal)
        step.output_bytes = size
        self.settle(step, output)

    def settle(self, step: StepRecord, output: Any) -> None:
        step.status, step.output, step.error = StepStatus.COMPLETED, output, None
        step.ended_at, step.due_at = step.ended_at or self.now(), None
        self.memory.outputs.hold(step)
        self.unit_of_work.record_done(step)

    def retry_or_fail(
        self,
        step: StepRecord,
        error: BaseException,
        started: datetime,
        ended: datetime | None = None,
    ) -> NoReturn:
        self.unit_of_work.has_erred = True
        step.output = step.output_bytes = None
        now = self.now()
        delay = retry_delay(self._function, error, step.attempts, now)
        step.error = self._attempts.record_error(
            step.name, step.attempts, error, started, delay, ended
        )
        step.attempts += 1
        if delay is not None:
            step.status, step.due_at = StepStatus.WAITING, now + backoff.span(delay)
            self.unit_of_work.record(step)
            self.unit_of_work.attempt = step.attempts
            self.suspend(Suspend(RunStatus.WAITING, Reason.BACKOFF, delay))
        self.fail(step, step.error, error)

    def fail(
        self, step: StepRecord, error: dict[str, Any], cause: BaseException | None = None
    ) -> NoReturn:
        step.status, step.error, step.ended_at = StepStatus.FAILED, error, self.now()
        step.due_at = None
        self.unit_of_work.record_done(step)
        raise StepError(step.name, error) from cause

    def wait(self, step: StepRecord, reason: Reason, until: datetime | None = None) -> NoReturn:
        self.unit_of_work.record(step)
        self.suspend(Suspend(RunStatus.WAITING, reason, until=until))

    def await_nothing(self) -> None:
        """Of a run that completes; see completion.await_nothing."""
        for step in self.memory.awaiting():
            step.awaits = ""
            self.unit_of_work.record(step)

    def suspend(self, pause: ControlFlow) -> NoReturn:
        """From here on each step raises the suspension again, even in a `finally` or behind a bare
        `except:` (law 10).
        """
        self._pause = pause
        raise pause

    def raise_if_suspended(self) -> None:
        if self._pause is not None:
            raise self._pause

    def clear_suspension(self) -> None:
        self._pause = None


def current_runner() -> StepRunner | None:
    return _playing.get()
