"""The transaction that a run advances in, and the records that commit with it (laws 3, 4).

    begin ─ step, step, step … ─ commit(steps, attempts, log lines, the run's own row)

Consecutive atomic steps share one transaction; their records are written just before the commit. A
step that fails loses its own effects only:
1. The transaction's first step needs no savepoint: the transaction is rolled back.
2. Each further step sets a savepoint, in the trip of its first statement, and releases the last.
3. A commit with a request does not wait for the disk: nothing reaches the outside before a gateway
   takes the request, which waits for both (outbox, 2). It waits if callbacks of
   `transaction.on_commit` may reach the outside.
4. The commit stands, whatever those raise (commit_callbacks).
5. A broken commit of a body that acted outside is repeated on another connection. Otherwise the
   body would act twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    IntegrityError,
    InterfaceError,
    connection,
    connections,
    transaction,
)
from django.db import Error as DatabaseError

from jobs import conf, models
from jobs.errors import (
    CommitRefused,
    ControlFlow,
    Interrupted,
    SwallowedDatabaseError,
    TransactionBroken,
    TransactionEnded,
    TransactionLeftOpen,
    TransactionLost,
)
from jobs.execution import records
from jobs.execution.commit_callbacks import Callbacks
from jobs.execution.outer_transaction import OuterTransaction, go_back_to
from jobs.fetch.request import FetchRecord
from jobs.lib.error_report import is_a
from jobs.platform.postgres import connection_state, notifier, session_state, statements
from jobs.platform.postgres.outages import is_unavailable, sqlstate_of
from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs import step_record
from jobs.runs.claim import Claim
from jobs.runs.step_record import StepRecord

logger = logging.getLogger("jobs.engine")

# After this long the next step boundary commits: the product's rows are locked.
LONGEST = 0.05  # seconds
RECONNECT_SECONDS = 0.5
OF_THE_DATA = (DataError, IntegrityError)
RAISED = "P0"  # PL/pgSQL: RAISE EXCEPTION, ASSERT


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An execution's end: the run has ended, or is due after a delay (seconds), at a time, or at a
    wake.
    """

    status: str
    reason: str = ""
    delay: float | None = None
    until: datetime | None = None
    ended: bool = False
    output: Any = None
    error: dict[str, Any] | None = None

    def parameters(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("status", "reason", "delay", "until")}
        values["ended"] = self.ended
        values["output"] = None if self.output is None else json.dumps(self.output)
        values["error"] = None if self.error is None else json.dumps(self.error)
        return values


class Journal:
    """The work for a run since the last commit."""

    def __init__(self, claim: Claim, *, solo: bool = False) -> None:
        self.claim = claim
        self.solo = solo  # check constraints after each step, to find the breaking one
        self.attempt = claim.attempt
        self.steps_done = claim.steps_done
        self.is_stopped = False  # put the run down at the next step
        self.function_errors = claim.function_errors
        self.has_erred = False  # an attempt erred in this execution
        self._database = connections[DEFAULT_DB_ALIAS]  # this thread's; a look-up is slow
        self._outer = OuterTransaction(self._database)
        self.callbacks = Callbacks(claim)
        self._raw: Any = None  # the open transaction's connection
        self._wrappers = list(self._database.execute_wrappers)
        session_state.forget(self._database.connection)
        self._remember_counts()
        self._clear()

    def _clear(self) -> None:
        self.steps: dict[str, StepRecord] = {}
        self.fetches: list[FetchRecord] = []
        self.attempts: list[records.Row] = []
        self.lines: list[records.Row] = []
        self._scope: contextlib.ExitStack | None = None
        self._opened = 0.0
        self._savepoints = 0

    # --- the transaction ----------------------------------------------------------------------

    def begin(self) -> contextlib.ExitStack:
        self.raise_if_broken()
        if self._scope is None:
            self._outer.close_what_is_inside()
            scope = contextlib.ExitStack()
            scope.enter_context(transaction.atomic())
            self._scope, self._raw = scope, self._database.connection
            session_state.notice(self._raw)
            self._blocks = len(self._database.atomic_blocks)
            self._begun = statements.transactions_begun()
            self._opened = time.monotonic()
        return self._scope

    def raise_if_broken(self) -> None:
        """Refuse work after a failed statement or in a lost transaction: its connection is gone, or
        a COMMIT or ROLLBACK not Django's ended it.
        """
        if self._is_lost:
            raise TransactionEnded
        if self.is_broken:
            raise TransactionBroken

    @property
    def is_broken(self) -> bool:
        return self._is_lost or connection_state.is_failed(self._database)

    @property
    def _is_lost(self) -> bool:
        if self._scope is None:
            return False
        if connection_state.is_lost(self._database, self._raw):
            return True
        return not connection_state.is_failed(self._database) and self._was_ended_by_hand()

    def raise_if_left_open(self) -> None:
        """Undo what returned code has left open, and raise TransactionLeftOpen."""
        if self._is_left_open if self._scope else self._outer.close_what_is_inside():
            raise TransactionLeftOpen

    @property
    def _is_left_open(self) -> bool:
        return len(self._database.atomic_blocks) > self._blocks

    def _undo_what_is_left_open(self) -> None:
        while self._scope is not None and self._is_left_open:
            self._database.atomic_blocks[-1].__exit__(_Undo, _Undo(), None)

    def leave_connection(self) -> None:
        """Drop the connection if code has set it up (session_state), left a transaction open (whose
        later work would never commit), or erred, perhaps because of it. Always remove code's
        wrappers.
        """
        self._database.execute_wrappers[:] = self._wrappers
        if self._outer.is_there:
            return
        is_set_up = session_state.is_set_up(self._database.connection)
        if self.has_erred or is_set_up or connection_state.is_left_open(self._database):
            connection_state.drop(self._database)

    def is_databases_fault(self, error: BaseException) -> bool:
        return connection_state.is_databases_fault(self._database, error)

    @contextlib.contextmanager
    def effects(self) -> Iterator[None]:
        """A step's body: its own writes, and no others, are undone if it raises."""
        name = None
        if self._scope is not None:
            name = self._set_savepoint()
        else:
            self.begin()
            statements.begin()
        try:
            with self._known_to_django(name):
                yield
            self._check_what_a_body_left()
        except BaseException as error:
            self._undo_body(name, error)
            raise

    def _check_what_a_body_left(self) -> None:
        if self._is_lost:
            raise TransactionLost
        if self.is_broken:
            raise SwallowedDatabaseError
        if self._is_left_open:
            raise TransactionLeftOpen
        if self.solo:
            connection.check_constraints()

    def _was_ended_by_hand(self) -> bool:
        """By a COMMIT or ROLLBACK that is not Django's."""
        begun = statements.transactions_begun() - self._begun
        is_over = connection_state.is_idle(self._database)
        return not self._outer.is_there and begun > (0 if is_over else 1)

    def _undo_body(self, savepoint: str | None, error: BaseException) -> None:
        """Undo a body's effects; if earlier steps' go too, or no database is reached, the execution
        ends.
        """
        is_databases = self.is_databases_fault(error)  # before Django reconnects
        is_lost = self._is_lost or is_a(error, TransactionLost)
        if not is_lost:
            self._undo_what_is_left_open()
        if savepoint is None:
            self._undo()
        elif not is_lost:
            go_back_to(savepoint)
        if (is_lost or is_databases) and not is_a(error, ControlFlow):
            raise Interrupted(error, is_own=not is_databases) from error

    def _set_savepoint(self) -> str:
        self.raise_if_broken()
        last = [f"RELEASE SAVEPOINT step_{self._savepoints}"] if self._savepoints else []
        self._savepoints += 1
        name = f"step_{self._savepoints}"
        statements.before_next(*last, f"SAVEPOINT {name}")
        return name

    @contextlib.contextmanager
    def _known_to_django(self, savepoint: str | None) -> Iterator[None]:
        """So that a body's on_commit callbacks go with its savepoint."""
        if savepoint is None:
            yield
            return
        savepoints = self._database.savepoint_ids
        savepoints.append(savepoint)
        try:
            yield
        finally:
            if savepoint in savepoints:
                savepoints.remove(savepoint)

    def _undo(self) -> None:
        """Roll back; the collected records stay."""
        scope, self._scope = self._scope, None
        self._savepoints = 0
        if scope is not None:
            with contextlib.suppress(_Undo), scope:
                raise _Undo

    @property
    def is_overdue(self) -> bool:
        return self._scope is not None and time.monotonic() - self._opened > LONGEST

    def commit(
        self,
        settled: Settlement | None = None,
        also: Callable[[], None] | None = None,
        then: Sequence[Statement] = (),
        *,
        waits: bool = True,
    ) -> list[Rows]:
        """Write all records and the run's row under the lease, and commit.

        `settled` ends the execution; `then` (statements) and `also` write more after the run's row;
        `waits` is for the disk (3). Returns the rows of `then`. Raises LeaseLost, or CommitRefused
        if a deferred constraint refuses; nothing is written then.
        """
        scope = self.begin()
        self._undo_what_is_left_open()
        with self._ending(scope):
            rows = self._write(
                settled,
                then,
                commits=not self._outer.is_there and also is None,
                waits=waits or self._leaves_callbacks,
            )
            if also is not None:
                also()
            if not self._outer.is_there:
                self.callbacks.guard(self._database)
        self._remember_counts()
        self._outer.keep()
        self._tell_of_callbacks(is_over=settled is not None)
        notifier.pass_on(rows)
        return rows

    @property
    def _leaves_callbacks(self) -> bool:
        callbacks = [entry[1] for entry in self._database.run_on_commit]
        return not all(notifier.is_word(callback) for callback in callbacks)

    def _tell_of_callbacks(self, *, is_over: bool) -> None:
        lines = self.callbacks.take_lines(self.attempt)
        if lines and is_over:
            self.callbacks.write(lines)
        else:
            self.lines += lines

    def commit_what_acted_outside(self, name: str) -> None:
        """Commit by rule (5): after a broken commit once more, in an outage when the database is
        back, within a lease's time.
        """
        patience = time.monotonic() + conf.lease()
        kept = self.steps, self.attempts, self.lines
        counts = self.attempt, self.function_errors, self.steps_done
        is_last = self._outer.is_there
        while True:
            try:
                self.commit()
                return
            except Interrupted as stop:
                if is_last or time.monotonic() > patience:
                    raise
                is_last = not is_unavailable(stop.error)
                logger.warning("Run %s: its commit is tried again: %s", self.claim.run_id, stop)
            self.steps, self.attempts, self.lines = kept
            self.attempt, self.function_errors, self.steps_done = counts
            while not self._is_reached(patience):
                time.sleep(RECONNECT_SECONDS)
            if self._has_remembered(name):  # only the answer was lost
                self._remember_counts()
                self._clear()
                return

    def _is_reached(self, patience: float) -> bool:
        """True also when no time is left."""
        connection_state.drop(self._database)
        try:
            self._database.connect()
        except (DatabaseError, InterfaceError):
            return time.monotonic() > patience
        return True

    def _has_remembered(self, name: str) -> bool:
        mine = models.Step.objects.filter(run_id=self.claim.run_id, name=name)
        return mine.filter(status__in=step_record.REMEMBERED).exists()

    @contextlib.contextmanager
    def _ending(self, scope: contextlib.ExitStack) -> Iterator[None]:
        try:
            with scope:
                yield
        except BaseException as error:
            self._reset()
            if _is_refusal(error) and not self.solo:
                raise CommitRefused(str(error)) from error
            # A deadlock, an outage, a spoilt session: not the records' fault.
            if is_a(error, DatabaseError, InterfaceError) and not is_a(error, *OF_THE_DATA):
                raise Interrupted(error) from error
            raise
        self._let_go_of_outputs()
        self._clear()

    def _let_go_of_outputs(self) -> None:
        """Written outputs are not asked for again."""
        for step in self.steps.values():
            step.output = None

    def roll_back(self) -> None:
        self._undo()
        self._outer.restore()
        self._reset()

    def _remember_counts(self) -> None:
        self._committed = (self.attempt, self.function_errors, self.steps_done)

    def _reset(self) -> None:
        self.attempt, self.function_errors, self.steps_done = self._committed
        statements.forget_what_waits()
        self._clear()

    # --- the records --------------------------------------------------------------------------

    def remember(self, step: StepRecord) -> None:
        """A step completed or failed for good."""
        self.note(step)
        self.steps_done += 1
        self.attempt = self.function_errors = 0

    def note(self, step: StepRecord) -> None:
        self.steps[step.name] = step

    def _write(
        self, settled: Settlement | None, then: Sequence[Statement], *, commits: bool, waits: bool
    ) -> list[Rows]:
        run = {
            "run_id": self.claim.run_id,
            "token": self.claim.token,
            "steps_done": self.steps_done,
            "attempt": self.attempt,
            "function_errors": self.function_errors,
        }
        is_to_stop, rows = records.write(
            run,
            self.steps.values(),
            self.fetches,
            self.attempts,
            self.lines,
            None if settled is None else settled.parameters(),
            then,
            commits=commits,
            waits=waits,
        )
        self.is_stopped |= is_to_stop
        return rows


def _is_refusal(error: BaseException) -> bool:
    """Whether a constraint or trigger refused the commit."""
    if not is_a(error, DatabaseError):
        return False
    return is_a(error, IntegrityError) or sqlstate_of(error).startswith(RAISED)


class _Undo(Exception):
    pass
