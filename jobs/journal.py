"""The transaction that a run advances in, and the records that will commit with it (laws 3, 4).

    begin ─ step, step, step … ─ commit(steps, attempts, log lines, the run's own row)

Consecutive atomic steps share one transaction. What they return is collected here and written
just before the commit, so that a step's effects and its memory are one fact.

A step that fails takes its own effects with it and nothing else:
1. The first one in a transaction needs no savepoint for that: the transaction itself goes.
2. Each further one has a savepoint behind it, set in the trip of its first statement, in which the
   last one is released.

3. A commit that leaves a request to the gateway does not wait for the disk: nothing has come of it
   outside the database until the gateway takes the request, which waits for both (flights, 2).
   What steps have left to `transaction.on_commit` may reach the outside: then it waits.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import (
    DEFAULT_DB_ALIAS,
    IntegrityError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db import Error as DatabaseError
from django.db.models.functions import Now
from psycopg.errors import FeatureNotSupported
from psycopg.pq import TransactionStatus

from jobs import conf, models, records, statements
from jobs.claims import Claim
from jobs.errors import (
    CommitRefused,
    ConnectionLost,
    SwallowedDatabaseError,
    TransactionBroken,
)
from jobs.records import FetchRecord, StepRecord
from jobs.statements import Rows, Statement

# A transaction that has been open for this long is committed at the next step boundary: it holds
# locks of the product's rows.
LONGEST = 0.05  # seconds


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
        self._database = connections[DEFAULT_DB_ALIAS]  # this thread's; dear to look up
        self._remember_counts()
        self._clear()

    def _clear(self) -> None:
        self.steps: dict[str, StepRecord] = {}
        self.fetches: list[FetchRecord] = []
        self.attempts: list[records.Row] = []
        self.lines: list[records.Row] = []
        self._scope: contextlib.ExitStack | None = None
        self._is_outermost = True
        self._opened = 0.0
        self._savepoints = 0

    # --- the transaction ----------------------------------------------------------------------

    def begin(self) -> contextlib.ExitStack:
        """The open transaction, opened now if none is."""
        self.raise_if_broken()
        if self._scope is None:
            self._is_outermost = not self._database.in_atomic_block
            self._scope = contextlib.ExitStack()
            self._scope.enter_context(transaction.atomic())
            self._opened = time.monotonic()
        return self._scope

    def raise_if_broken(self) -> None:
        """Nothing more can be done in a transaction in which a statement failed."""
        if self.is_broken:
            raise TransactionBroken

    @property
    def is_broken(self) -> bool:
        """Whether a statement outside any savepoint failed: PostgreSQL then takes no more."""
        raw = self._database.connection
        if raw is None:
            return False
        failed: bool = raw.pgconn.transaction_status == TransactionStatus.INERROR
        return failed or (self._database.in_atomic_block and self._database.needs_rollback)

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
            if self.is_broken:
                raise SwallowedDatabaseError
            if self.solo:
                connection.check_constraints()
        except BaseException as error:
            is_lost = is_connection_lost(error)  # asked before Django makes a new one
            if name is None:
                self._undo()
            else:
                _go_back_to(name)
            if is_lost and isinstance(error, Exception | SystemExit):
                raise ConnectionLost(str(error)) from error
            raise

    def _set_savepoint(self) -> str:
        self.raise_if_broken()
        last = [f"RELEASE SAVEPOINT step_{self._savepoints}"] if self._savepoints else []
        self._savepoints += 1
        name = f"step_{self._savepoints}"
        statements.before_next(*last, f"SAVEPOINT {name}")
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
        with self._ending(self.begin()):
            rows = self._write(
                settled,
                then,
                commits=self._is_outermost and also is None,
                waits=waits or bool(self._database.run_on_commit),
            )
            if also is not None:
                also()
        self._remember_counts()
        return rows

    @contextlib.contextmanager
    def _ending(self, scope: contextlib.ExitStack) -> Iterator[None]:
        try:
            with scope:
                yield
        except BaseException as error:
            self._reset()
            if isinstance(error, OperationalError):  # a deadlock, say: nobody's fault
                raise ConnectionLost(str(error)) from error
            refused = isinstance(error, IntegrityError) and not self.solo
            if refused and not is_connection_lost():
                raise CommitRefused(str(error)) from error
            raise
        self._clear()

    def roll_back(self) -> None:
        """Forget everything since the last commit."""
        self._undo()
        self._reset()

    def _remember_counts(self) -> None:
        self._committed = (self.attempt, self.function_errors, self.steps_done)

    def _reset(self) -> None:
        self.attempt, self.function_errors, self.steps_done = self._committed
        statements.forget_what_waits()
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


class _Undo(Exception):
    pass


def _go_back_to(savepoint: str) -> None:
    transaction.set_rollback(False)  # as long as it is set, Django sends nothing
    with contextlib.suppress(DatabaseError):  # no database: no effects either
        transaction.savepoint_rollback(savepoint)
        return
    transaction.set_rollback(True)


def is_connection_lost(error: BaseException | None = None) -> bool:
    """Whether the database connection broke: then nothing can be said of the last statement. So it
    is if a migration has changed what a prepared one returns: the next connection prepares anew."""
    raw = connection.connection
    if raw is not None and error is not None and _is_of_an_old_plan(error):
        raw.close()
    return raw is None or bool(raw.closed)


def _is_of_an_old_plan(error: BaseException) -> bool:
    cause = error.__cause__
    if not isinstance(cause, FeatureNotSupported):
        return False
    return cause.diag.source_function == "RevalidateCachedQuery"


def raise_if_connection_lost(error: BaseException) -> None:
    """An error of a step's body is the step's, unless there is no database to write it to."""
    if is_connection_lost(error):
        raise ConnectionLost(str(error)) from error


def give_back(run_id: uuid.UUID, token: uuid.UUID) -> bool:
    """Hand a run on at once, unfinished and without blame; False if it was not ours any more."""
    return bool(
        models.Run.objects.filter(id=run_id, lease_token=token).update(
            status=models.RunStatus.QUEUED,
            due_at=Now(),
            reason="",
            lease_token=None,
            lease_until=None,
        )
    )


def renewed(run_id: uuid.UUID, token: uuid.UUID) -> uuid.UUID | None:
    """The new token of a lease that is still ours, None if it is not: whoever is about to take back
    what has waited for so long (keeper) comes too late."""
    fresh = uuid.uuid4()
    mine = models.Run.objects.filter(id=run_id, lease_token=token)
    until = Now() + timedelta(seconds=conf.lease())
    return fresh if mine.update(lease_token=fresh, lease_until=until) else None
