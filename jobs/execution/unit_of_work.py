"""The transaction that a run advances in, and the records that will commit with it (laws 3, 4).

    begin ─ step, step, step … ─ commit(steps, attempts, log lines, the run's own row)

Consecutive atomic steps share one transaction. What they return is collected here and written
just before the commit, so that a step's effects and its memory are one fact.

A step that fails takes its own effects with it and nothing else:
1. The first one in a transaction needs no savepoint for that: the transaction itself goes.
2. Each further one has a savepoint behind it, set in the trip that releases the last one.

3. A commit that leaves a request to the gateway does not wait for the disk: nothing has come of it
   outside the database until the gateway takes the request, which waits for both (outbox, 2).
   What steps have left to `transaction.on_commit` may reach the outside: then it waits.

4. What has been committed stays, whatever the callbacks of `transaction.on_commit` raise: an error
   of one is a log line of the run, and the callbacks behind it are called.
5. The memory of a body that has acted outside is committed again, on another connection, if the
   database breaks off that commit: else the body would act twice.
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

# A transaction that has been open for this long is committed at the next step boundary: it holds
# locks of the product's rows.
LONGEST = 0.05  # seconds
RECONNECT_SECONDS = 0.5
OF_THE_DATA = (DataError, IntegrityError)
RAISED = "P0"  # the class of PL/pgSQL's own errors: RAISE EXCEPTION, ASSERT


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How an execution leaves its run: ended, or due again after a delay (seconds), at a time, or
    when something wakes it."""

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
    """What a worker has done for a run since the last commit."""

    def __init__(self, claim: Claim, *, solo: bool = False) -> None:
        self.claim = claim
        self.solo = solo  # check each step's constraints by itself, to know which broke them
        self.attempt = claim.attempt
        self.steps_done = claim.steps_done
        self.is_stopped = False  # somebody asked for the run to be put down at the next step
        self.function_errors = claim.function_errors
        self.has_erred = False  # whether an attempt went wrong in this execution
        self._database = connections[DEFAULT_DB_ALIAS]  # this thread's; dear to look up
        self._outer = OuterTransaction(self._database)
        self.callbacks = Callbacks(claim)
        self._raw: Any = None  # the connection that the open transaction is on
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
        """The open transaction, opened now if none is."""
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
        """Nothing more can be done in a transaction in which a statement failed, or that is gone:
        with its connection, or by a COMMIT or a ROLLBACK that is not Django's."""
        if self._is_lost:
            raise TransactionEnded
        if self.is_broken:
            raise TransactionBroken

    @property
    def is_broken(self) -> bool:
        return self._is_lost or connection_state.is_failed(self._database)

    @property
    def _is_lost(self) -> bool:
        """Whether the transaction that was opened here is not there any more."""
        if self._scope is None:
            return False
        if connection_state.is_lost(self._database, self._raw):
            return True
        return not connection_state.is_failed(self._database) and self._was_ended_by_hand()

    def raise_if_left_open(self) -> None:
        """Code that is over, a body's or the function's, has ended each transaction that it has
        opened; what it has not is undone."""
        if self._is_left_open if self._scope else self._outer.close_what_is_inside():
            raise TransactionLeftOpen

    @property
    def _is_left_open(self) -> bool:
        """Whether code has opened a block inside the open transaction, and not left it."""
        return len(self._database.atomic_blocks) > self._blocks

    def _undo_what_is_left_open(self) -> None:
        while self._scope is not None and self._is_left_open:
            self._database.atomic_blocks[-1].__exit__(_Undo, _Undo(), None)

    def leave_connection(self) -> None:
        """The next run has another one where code has set it up for itself (session_state), where
        it has left a transaction open, in which nothing that comes would ever be committed, and
        where something went wrong: that may have come of the connection, too. What code has put
        around each statement goes in any case."""
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
        """A step's body: what it writes goes if it raises, and nothing else does."""
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
        """Whether a COMMIT or a ROLLBACK that is not Django's has ended the open transaction."""
        begun = statements.transactions_begun() - self._begun
        is_over = connection_state.is_idle(self._database)
        return not self._outer.is_there and begun > (0 if is_over else 1)

    def _undo_body(self, savepoint: str | None, error: BaseException) -> None:
        """Take a body's effects back. Where that takes the effects of earlier steps along, or there
        is no database to do it with, the execution ends here."""
        is_databases = self.is_databases_fault(error)  # asked before Django makes a new one
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
        last = f"RELEASE SAVEPOINT step_{self._savepoints}; " if self._savepoints else ""
        self._savepoints += 1
        name = f"step_{self._savepoints}"
        statements.at_once(f"{last}SAVEPOINT {name}")
        return name

    @contextlib.contextmanager
    def _known_to_django(self, savepoint: str | None) -> Iterator[None]:
        """What a body leaves to `transaction.on_commit` goes with its savepoint."""
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
        """End the transaction without a trace; what is collected here stays."""
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
        """Write everything and the run's own row, if the lease is still ours; then commit.

        `settled` ends the execution; `then`, statements, and `also` write more in the same
        transaction, after the run. Whether it `waits` for the disk: see (3). Returns what `then`
        returns.
        Raises LeaseLost, and nothing is written, if somebody else holds the run by now;
        CommitRefused if a deferred constraint turns the transaction down.
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
        """Whether steps have left to `transaction.on_commit` what may reach the outside."""
        callbacks = [entry[1] for entry in self._database.run_on_commit]
        return not all(notifier.is_word(callback) for callback in callbacks)

    def _tell_of_callbacks(self, *, is_over: bool) -> None:
        lines = self.callbacks.take_lines(self.attempt)
        if lines and is_over:
            self.callbacks.write(lines)
        else:
            self.lines += lines

    def commit_what_acted_outside(self, name: str) -> None:
        """Commit the memory of a body that has run outside any transaction, and that is not to run
        again: if the commit is broken off, once more on another connection; in an outage of the
        database as soon as it is back, for as long as a lease; see (5)."""
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
            if self._has_remembered(name):  # only the answer to the commit was lost
                self._remember_counts()
                self._clear()
                return

    def _is_reached(self, patience: float) -> bool:
        """Whether another connection leads to a database; True also where there is no time left."""
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
            # Not of what is written: a deadlock, an outage, a session that code has spoilt.
            if is_a(error, DatabaseError, InterfaceError) and not is_a(error, *OF_THE_DATA):
                raise Interrupted(error) from error
            raise
        self._let_go_of_outputs()
        self._clear()

    def _let_go_of_outputs(self) -> None:
        """They are written; a function asks for each of its steps once in an execution."""
        for step in self.steps.values():
            step.output = None

    def roll_back(self) -> None:
        """Forget everything since the last commit."""
        self._undo()
        self._outer.restore()
        self._reset()

    def _remember_counts(self) -> None:
        self._committed = (self.attempt, self.function_errors, self.steps_done)

    def _reset(self) -> None:
        self.attempt, self.function_errors, self.steps_done = self._committed
        self._clear()

    # --- the records --------------------------------------------------------------------------

    def remember(self, step: StepRecord) -> None:
        """A step that is completed or failed for good: the run has come further."""
        self.note(step)
        self.steps_done += 1
        self.attempt = self.function_errors = 0

    def note(self, step: StepRecord) -> None:
        self.steps[step.name] = step

    def _write(
        self, settled: Settlement | None, then: Sequence[Statement], *, commits: bool, waits: bool
    ) -> list[Rows]:
        """A commit that finds the lease in other hands leaves nothing behind: the transaction goes
        with it."""
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
    """Whether a constraint that is checked at commit was broken, or a trigger that is called then
    has raised an exception."""
    if not is_a(error, DatabaseError):
        return False
    return is_a(error, IntegrityError) or sqlstate_of(error).startswith(RAISED)


class _Undo(Exception):
    pass
