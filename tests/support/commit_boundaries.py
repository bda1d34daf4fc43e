"""A cluster that dies at a commit of our choice, and what is to be true when another took over.

    cluster = Cluster(dies_at=Boundary("gateway.store", 2, before=True))
    to_the_end(cluster)     # False: it died on the way
    cluster.commits         # the commits it came to, each by the place in the engine that made it

1. A boundary is a commit that writes something; a statement outside any transaction is a
   transaction of its own. A commit that wrote nothing leaves nothing to be lost and is not counted.
2. Death is `Killed`, raised just before or just after the commit, behind a connection that is
   closed: PostgreSQL undoes what was not committed, and no clean-up code of the process can write.
3. The cluster works as a real one does: it sweeps, ticks, claims, executes and makes requests. It
   never repairs turns, though: a turn that was lost must show.
4. Steps share a transaction until it is 50 ms old, which would make the boundaries a matter of the
   machine's mood. So it is said how they commit: `one_by_one`, or together.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg.pq import TransactionStatus

import jobs
from jobs.errors import ControlFlow
from jobs.execution import unit_of_work
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.maintenance import cron, lost_workers, sweeper
from jobs.models import Attempt, Event, Fetch, LogLine, Run, Step
from jobs.platform.postgres import statements
from jobs.runs import queue
from jobs.runs.claim import Claim
from jobs.runs.queue import claim_due
from jobs.testing import travel

ENGINE = Path(jobs.__file__).parent
CARRIERS = ("unit_of_work", "step_transaction", "statements", "query")  # of what others decide
A_MINUTE = timedelta(minutes=1)  # longer than a lease
MOST_MINUTES = 60
TOGETHER = statements.execute_many
BATCH = 10


class Killed(ControlFlow):
    """The process is gone. Nothing catches it, as nothing catches SIGKILL."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Just before, or just after, commit number `number` of those that a place makes."""

    place: str  # “module.function” of the engine; empty: any
    number: int
    before: bool

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} commit {self.number} of {self.place}"


class Cluster:
    """Pusher, worker and gateway in one process, which dies at a boundary, if any."""

    # What the executor asks of a worker table.
    is_stopping = False
    may_take_next = False

    def __init__(self, dies_at: Boundary | None = None, *, one_by_one: bool = False) -> None:
        self.commits: list[str] = []
        self.is_dead = False
        self.in_hand: Claim | None = None
        self._step = ""
        self._dies_at = dies_at
        self._longest = 0.0 if one_by_one else math.inf

    def boundaries(self, *, before: bool) -> list[Boundary]:
        """Those of the commits that it has made."""
        met: Counter[str] = Counter()
        found = []
        for place in self.commits:
            met[place] += 1
            found.append(Boundary(place, met[place], before))
        return found

    def step_changed(self, step_name: str) -> None:
        """What stands on the worker table: the dead don't wipe it."""
        if not self.is_dead:
            self._step = step_name

    def request_queued(self) -> None:
        """It looks in every round."""

    def work(self) -> bool:
        """Do what is due, HTTP requests included; False if that was the end of the cluster."""
        return self.does(self._rounds)

    def does(self, job: Callable[[], Any]) -> bool:
        """Do one thing; False if that was the end of the cluster."""
        try:
            with self._watched():
                job()
        except Killed:
            connection.close()
        return not self.is_dead

    def _rounds(self) -> None:
        while self._round():
            pass

    def _round(self) -> bool:
        sweeper.sweep()
        cron.tick()
        claims = claim_due(BATCH, "cluster")
        for self.in_hand in claims:
            execute(self.in_hand, self)
        self.in_hand = None
        leased_requests = gateway.lease_requests(BATCH)
        if leased_requests:
            gateway.store_responses(
                [
                    (leased_request, gateway.perform_now(leased_request))
                    for leased_request in leased_requests
                ]
            )
        return bool(claims or leased_requests) or queue.next_due(1.0) == 0

    def bury_worker(self) -> None:
        """Only the worker has died: the heartbeat of its cluster finds that out at once."""
        if self.in_hand is not None:
            lost_workers.record_lost_worker(
                self.in_hand.run_id, self.in_hand.token, 4711, self._step
            )

    # --- its commits ------------------------------------------------------------------------------

    @contextmanager
    def _watched(self) -> Iterator[None]:
        commit = DatabaseWrapper._commit

        def watched(wrapper: DatabaseWrapper) -> None:
            self._commit(wrapper, lambda: commit(wrapper))

        with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(self._execute):
            patch.setattr(DatabaseWrapper, "_commit", watched)
            patch.setattr(unit_of_work, "MAX_OPEN", self._longest)
            patch.setattr(statements, "execute_many", self._together)
            yield

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.is_dead:
            raise Killed
        if connection.in_atomic_block or sql.lstrip().startswith("SELECT"):
            return execute(sql, params, many, context)
        with transaction.atomic():
            return execute(sql, params, many, context)

    def _together(self, *several: statements.Statement, commits: bool = False) -> list[Any]:
        """The end of a transaction is left to Django, so that a process may die of it."""
        with nullcontext() if connection.in_atomic_block else transaction.atomic():
            return TOGETHER(*several)

    def _commit(self, wrapper: DatabaseWrapper, commit: Callable[[], None]) -> None:
        if not has_written(wrapper.connection):
            commit()
            return
        self.commits.append(place_in_the_engine())
        is_the_last = self._is_at_its_end()
        if self._dies_at is None or not (is_the_last and self._dies_at.before):
            commit()
        if is_the_last:
            self.is_dead = True
            wrapper.close()
            raise Killed

    def _is_at_its_end(self) -> bool:
        if self._dies_at is None or self._dies_at.place not in ("", self.commits[-1]):
            return False
        like_it = [p for p in self.commits if self._dies_at.place in ("", p)]
        return len(like_it) == self._dies_at.number


def has_written(raw: Any) -> bool:
    """Whether the open transaction has a number of its own: PostgreSQL gives one to writers."""
    if raw.info.transaction_status != TransactionStatus.INTRANS:
        return False
    row = raw.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
    return row[0] is not None


def place_in_the_engine() -> str:
    """Who commits: the innermost function of the engine, those that only carry left out."""
    frame = sys._getframe()
    while frame := frame.f_back:
        path = Path(frame.f_code.co_filename)
        if ENGINE in path.parents and path.stem not in CARRIERS:
            return f"{path.stem}.{frame.f_code.co_name.strip('_')}"
    return "elsewhere"


# --- the whole way --------------------------------------------------------------------------------


def to_the_end(cluster: Cluster) -> bool:
    """Minute after minute until no run is unfinished; False if the cluster died on the way."""
    for _ in range(MOST_MINUTES):
        if not cluster.work():
            return False
        if not Run.objects.unfinished().exists():
            return True
        travel(A_MINUTE)
    stuck = list(
        Run.objects.unfinished().values("fn_id", "status", "reason", "due_at", "turns_held")
    )
    raise AssertionError(f"Stuck for {MOST_MINUTES} minutes: {stuck}")


def a_minute_later(cluster: Cluster) -> bool:
    """The dead one's leases have lapsed: this one goes on."""
    travel(A_MINUTE)
    return to_the_end(cluster)


def deaths(
    begin: Callable[[], None], boundaries: Iterable[Boundary], *, one_by_one: bool = False
) -> Iterator[Cluster]:
    """A cluster for each boundary, just dead there; the world as it left it. A law that is broken
    then says where that was."""
    for boundary in boundaries:
        begin()
        cluster = Cluster(boundary, one_by_one=one_by_one)
        if not to_the_end(cluster):
            with told(f"died {boundary}"):
                yield cluster


def remembered_steps() -> set[tuple[str, str]]:
    """(run, step) of what is never to run again."""
    over = Step.objects.filter(status__in=["completed", "failed"])
    return {(str(run_id), name) for run_id, name in over.values_list("run_id", "name")}


def story() -> dict[str, Any]:
    """What has become of everything, without ids and times: two executions that did the same have
    the same story."""
    runs = Run.objects.values_list("fn_id", "status", "error__message", "steps_done", "lease_token")
    steps = Step.objects.values_list("run__fn_id", "name", "kind", "status", "error__message")
    return {
        "runs": Counter(runs),
        "steps": Counter(steps),
        "events": Counter(Event.objects.values_list("name", flat=True)),
        "requests": Counter(Fetch.objects.values_list("step_name", "status")),
    }


@contextmanager
def told(what: str) -> Iterator[None]:
    """A law that is broken says at which death it was."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def forget_everything() -> None:
    for model in (LogLine, Attempt, Fetch, Step, Run, Event):
        model.objects.all().delete()
