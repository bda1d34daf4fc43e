"""The transaction that a run advances in, and the records that commit with it (laws 3, 4).

    begin ─ step, step, step … ─ commit(steps, attempts, log lines, the run's own row)

Consecutive atomic steps share one transaction (step_transaction). Their outputs are written just
before the commit: a step's effects and its memory are one fact. The commit stands, whatever
callbacks of `transaction.on_commit` raise (commit_callbacks).

A commit that leaves a request does not wait for the disk (outbox, 2), except with such callbacks:
they may reach the outside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, InterfaceError, connections
from django.db import Error as DatabaseError

from jobs.errors import CommitRefused, Interrupted
from jobs.execution import records
from jobs.execution.commit_callbacks import Callbacks
from jobs.execution.settlement import Settlement
from jobs.execution.step_transaction import StepTransaction
from jobs.fetch.request import FetchRecord
from jobs.lib.error_report import is_a
from jobs.platform.postgres import connection_state, django_internals, notifier, session_state
from jobs.platform.postgres.outages import sqlstate_of
from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs.claimed_run import Claim
from jobs.runs.step_record import StepRecord

# After this long the next step boundary commits: the product's rows are locked.
MAX_OPEN = 0.05  # seconds
OF_THE_DATA = (DataError, IntegrityError)
RAISED = "P0"  # PL/pgSQL: RAISE EXCEPTION, ASSERT


class Kept(NamedTuple):
    steps: dict[str, StepRecord]
    attempts: list[records.Row]
    log_lines: list[records.Row]
    counts: tuple[int, int, int]


class UnitOfWork:
    def __init__(self, claim: Claim, *, check_each_step: bool = False) -> None:
        self.claim = claim
        self.check_each_step = check_each_step
        self.attempt = claim.attempt
        self.steps_done = claim.steps_done
        self.is_stopped = False  # put the run down at the next step
        self.function_errors = claim.function_errors
        self.has_erred = False
        self._database = connections[DEFAULT_DB_ALIAS]  # this thread's; dear to look up
        self.transaction = StepTransaction(self._database, check_each_step=check_each_step)
        self.callbacks = Callbacks(claim)
        self._wrappers = django_internals.copy_wrappers(self._database)
        session_state.forget(self._database.connection)
        self._remember_counts()
        self._clear()

    def _clear(self) -> None:
        self.steps: dict[str, StepRecord] = {}
        self.fetches: list[FetchRecord] = []
        self.attempts: list[records.Row] = []
        self.log_lines: list[records.Row] = []
        self.transaction.forget()

    def leave_connection(self) -> None:
        """Remove code's wrappers. Drop the connection if code set it up (session_state), left a
        transaction open (later work would never commit), or erred, perhaps because of it.
        """
        django_internals.restore_wrappers(self._database, self._wrappers)
        if self.transaction.outer.is_there:
            return
        is_set_up = session_state.is_set_up(self._database.connection)
        if self.has_erred or is_set_up or connection_state.is_left_open(self._database):
            connection_state.drop(self._database)

    @property
    def is_overdue(self) -> bool:
        return self.transaction.age > MAX_OPEN

    def commit(
        self,
        settled: Settlement | None = None,
        also: Callable[[], None] | None = None,
        then: Sequence[Statement] = (),
        *,
        waits: bool = True,
    ) -> list[Rows]:
        """Write all records and the run's row under the lease, and commit.

        `settled` ends the execution. `then` (statements) and `also` write more after the run's row.
        `waits` is for the disk. Returns the rows of `then`. Raises LeaseLost, or CommitRefused by a
        deferred constraint; nothing is written then.
        """
        scope = self.transaction.begin()
        self.transaction.undo_what_is_left_open()
        self.transaction.end_steps()
        with self._ending(scope):
            rows = self._write(
                settled,
                then,
                commits=not self.transaction.outer.is_there and also is None,
                waits=waits or self._leaves_callbacks,
            )
            if also is not None:
                also()
            if not self.transaction.outer.is_there:
                self.callbacks.guard(self._database)
        self._remember_counts()
        self.transaction.outer.keep()
        self._log_callbacks(is_over=settled is not None)
        notifier.tell_if_due(rows)
        return rows

    @property
    def _leaves_callbacks(self) -> bool:
        callbacks = django_internals.pending_callbacks(self._database)
        return not all(notifier.is_word(callback) for callback in callbacks)

    def _log_callbacks(self, *, is_over: bool) -> None:
        log_lines = self.callbacks.take_log_lines(self.attempt)
        if log_lines and is_over:
            self.callbacks.write(log_lines)
        else:
            self.log_lines += log_lines

    @contextlib.contextmanager
    def _ending(self, scope: contextlib.ExitStack) -> Iterator[None]:
        try:
            with scope:
                yield
        except BaseException as error:
            self._reset()
            if _is_refusal(error) and not self.check_each_step:
                raise CommitRefused(str(error)) from error
            # A deadlock, an outage, a spoilt session: not the records' fault.
            if is_a(error, DatabaseError, InterfaceError) and not is_a(error, *OF_THE_DATA):
                raise Interrupted(error) from error
            raise
        self._let_go_of_outputs()
        self._clear()

    def _let_go_of_outputs(self) -> None:
        for step in self.steps.values():
            step.output = None

    def roll_back(self) -> None:
        self.transaction.undo()
        self.transaction.outer.restore()
        self._reset()

    @property
    def _counts(self) -> tuple[int, int, int]:
        return self.attempt, self.function_errors, self.steps_done

    @_counts.setter
    def _counts(self, counts: tuple[int, int, int]) -> None:
        self.attempt, self.function_errors, self.steps_done = counts

    def _remember_counts(self) -> None:
        self._committed = self._counts

    def _reset(self) -> None:
        self._counts = self._committed
        self._clear()

    def kept(self) -> Kept:
        return Kept(self.steps, self.attempts, self.log_lines, self._counts)

    def restore(self, kept: Kept) -> None:
        self.steps, self.attempts, self.log_lines, self._counts = kept

    def note_commit(self) -> None:
        """The commit was made: only its answer was lost."""
        self._remember_counts()
        self._clear()

    # --- the records --------------------------------------------------------------------------

    def record_done(self, step: StepRecord) -> None:
        self.record(step)
        self.steps_done += 1
        self.attempt = self.function_errors = 0

    def record(self, step: StepRecord) -> None:
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
        new = records.NewRecords(
            run,
            self.steps.values(),
            self.fetches,
            self.attempts,
            self.log_lines,
            None if settled is None else settled.parameters(),
        )
        is_to_stop, rows = records.write(new, then, commits=commits, waits=waits)
        self.is_stopped |= is_to_stop
        return rows


def _is_refusal(error: BaseException) -> bool:
    if not is_a(error, DatabaseError):
        return False
    return is_a(error, IntegrityError) or sqlstate_of(error).startswith(RAISED)
