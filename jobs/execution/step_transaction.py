"""The transaction of consecutive atomic steps: a failing step takes only its own effects with it.

The first step needs no savepoint: the transaction itself goes. Each further one's is set, and the
last one's released, in the trip of its first statement.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction

from jobs.errors import (
    ControlFlow,
    Interrupted,
    SwallowedDatabaseError,
    TransactionBroken,
    TransactionEnded,
    TransactionLeftOpen,
    TransactionLost,
)
from jobs.execution.outer_transaction import OuterTransaction, roll_back_to
from jobs.execution.swallowed_errors import error_with_cause, explained
from jobs.lib.error_report import is_a
from jobs.platform.postgres import (
    connection_state,
    django_internals,
    session_state,
    statements,
    transaction_count,
)


class StepTransaction:
    def __init__(self, database: Any, *, check_each_step: bool) -> None:
        self._database = database
        self._check_each_step = check_each_step  # its constraints
        self.outer = OuterTransaction(database)
        self._raw: Any = None
        self.forget()

    def forget(self) -> None:
        self._scope: contextlib.ExitStack | None = None
        self._opened = 0.0
        self._savepoints = 0

    @property
    def age(self) -> float:
        return 0.0 if self._scope is None else time.monotonic() - self._opened

    def begin(self) -> contextlib.ExitStack:
        self.raise_if_broken()
        if self._scope is None:
            self.outer.close_what_is_inside()
            scope = contextlib.ExitStack()
            scope.enter_context(transaction.atomic())
            self._scope, self._raw = scope, self._database.connection
            session_state.notice(self._raw)
            self._blocks = django_internals.count_blocks(self._database)
            self._begun = transaction_count.begun(self._raw)
            self._opened = time.monotonic()
        return self._scope

    def raise_if_broken(self) -> None:
        if self._is_lost:
            raise TransactionEnded
        if connection_state.is_failed(self._database):
            raise error_with_cause(TransactionBroken, self._database)

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
        """What an ended body or function left open is undone."""
        is_open = self._is_left_open if self._scope else self.outer.close_what_is_inside()
        if is_open:
            raise TransactionLeftOpen

    @property
    def _is_left_open(self) -> bool:
        return django_internals.count_blocks(self._database) > self._blocks

    def undo_what_is_left_open(self) -> None:
        while self._scope is not None and self._is_left_open:
            django_internals.leave_last_block(self._database, _Undo())

    def explained(self, error: BaseException) -> BaseException:
        return explained(error, TransactionBroken, self._database)

    def is_databases_fault(self, error: BaseException) -> bool:
        return connection_state.is_databases_fault(self._database, error)

    @contextlib.contextmanager
    def step_savepoint(self) -> Iterator[None]:
        name = None
        if self._scope is not None:
            name = self._set_savepoint()
        else:
            self.begin()
            statements.begin_step()
        try:
            with self._registered_with_django(name):
                yield
            self._check_what_a_body_left()
        except BaseException as error:
            explanation = explained(error, SwallowedDatabaseError, self._database)
            self._undo_body(name, error)
            if explanation is not error:
                raise explanation from error
            raise

    @contextlib.contextmanager
    def outside_body(self) -> Iterator[None]:
        """For `atomic=False`. A test's transaction holds the body's statements, and is usable
        afterwards.
        """
        try:
            yield
            self.raise_if_left_open()
            if self.outer.is_there and self.is_broken:
                raise error_with_cause(SwallowedDatabaseError, self._database)
        except BaseException as error:
            explanation = explained(error, SwallowedDatabaseError, self._database)
            if self.outer.is_there:
                self.outer.restore()
            if explanation is not error:
                raise explanation from error
            raise

    def _check_what_a_body_left(self) -> None:
        if self._is_lost:
            raise TransactionLost
        if connection_state.is_failed(self._database):
            raise error_with_cause(SwallowedDatabaseError, self._database)
        if self._is_left_open:
            raise TransactionLeftOpen
        if self._check_each_step:
            connection.check_constraints()

    def _was_ended_by_hand(self) -> bool:
        """Whether a COMMIT or ROLLBACK that is not Django's has ended it."""
        begun = transaction_count.begun(self._raw) - self._begun
        if begun == 0 or self.outer.is_there:
            return False
        return begun > 1 or connection_state.is_idle(self._database)

    def _undo_body(self, savepoint: str | None, error: BaseException) -> None:
        """If earlier steps' effects go along, or there is no database, the execution ends here."""
        is_databases = self.is_databases_fault(error)  # asked before Django makes a new one
        is_lost = self._is_lost or is_a(error, TransactionLost)
        if not is_lost:
            self.undo_what_is_left_open()
        if savepoint is None:
            self.undo()
        elif not is_lost:
            roll_back_to(savepoint)
        if (is_lost or is_databases) and not is_a(error, ControlFlow):
            raise Interrupted(error, is_own=not is_databases) from error

    def _set_savepoint(self) -> str:
        """Steps that send nothing leave the savepoint of the last that did."""
        self.raise_if_broken()
        unsent = statements.take_deferred()
        if unsent:
            ahead = unsent[:-1]
        else:
            ahead = [f"RELEASE SAVEPOINT step_{self._savepoints}"] if self._savepoints else []
        self._savepoints += 1
        name = f"step_{self._savepoints}"
        statements.defer(*ahead, f"SAVEPOINT {name}")
        return name

    def _registered_with_django(
        self, savepoint: str | None
    ) -> contextlib.AbstractContextManager[None]:
        if savepoint is None:
            return contextlib.nullcontext()
        return django_internals.registered(self._database, savepoint)

    def end_steps(self) -> None:
        """No more of them in this transaction."""
        statements.take_deferred()

    def undo(self) -> None:
        self.end_steps()
        scope, self._scope = self._scope, None
        self._savepoints = 0
        if scope is not None:
            with contextlib.suppress(_Undo), scope:
                raise _Undo


class _Undo(Exception):
    pass
