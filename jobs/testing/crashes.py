"""A cluster that dies at a chosen commit.

    cluster = CrashingCluster(dies_at=Boundary("outbox.store_responses", 2, before=True))
    cluster.work()          # False: it has died
    cluster.commits         # the commits it came to, by their place in the engine

1. A boundary is a commit that writes; a statement outside transactions is its own. A commit without
   writes loses nothing and is not counted.
2. Death is `Killed`, raised just before or after the commit, behind a closed connection: PostgreSQL
   undoes what was not committed, and no clean-up code can write.
3. The cluster sweeps, ticks, claims, executes and makes requests like a real one. It never repairs
   turns, though: a lost one must show.
4. Steps share a transaction until it is 50 ms old, so boundaries would depend on the machine. How
   they commit is therefore said: `one_by_one`, or together.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

import jobs
from jobs.errors import ControlFlow
from jobs.execution import unit_of_work
from jobs.execution.current_step import decode_current_step
from jobs.execution.executor import execute
from jobs.fetch import gateway
from jobs.maintenance import cron, lost_workers, sweeper
from jobs.platform.postgres import connection_state, django_internals, statements
from jobs.runs import claiming
from jobs.runs.claimed_run import Claim
from jobs.runs.claiming import claim_due
from jobs.runs.next_in_line import ShortLines

ENGINE = Path(jobs.__file__).parent
# These files commit what others decide.
CARRIERS = (
    *("unit_of_work", "step_transaction", "statements", "query"),
    *("django_internals", "crashes"),
)
TOGETHER = statements.execute_many
BATCH = 10


class Killed(ControlFlow):
    """As with SIGKILL, nothing catches it."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Just before or after commit number `number` of a place."""

    place: str  # “module.function” of the engine; empty: any
    number: int
    before: bool

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} commit {self.number} of {self.place}"


class CrashingCluster:
    """Pusher, worker and gateway in one process, which dies at a boundary, if any."""

    # What the executor asks of a worker table.
    is_stopping = False
    may_take_next = False
    is_spoilt = False

    def __init__(self, dies_at: Boundary | None = None, *, one_by_one: bool = False) -> None:
        self.commits: list[str] = []
        self.is_dead = False
        self.in_hand: Claim | None = None
        self._step = self._last = ""
        self._dies_at = dies_at
        self.one_by_one = one_by_one
        self.short_lines = ShortLines()

    def boundaries(self, *, before: bool) -> list[Boundary]:
        """Those of its commits so far."""
        met: Counter[str] = Counter()
        found = []
        for place in self.commits:
            met[place] += 1
            found.append(Boundary(place, met[place], before))
        return found

    @property
    def last_step(self) -> str:
        """Its worker's last step; empty before the first."""
        known = self.in_hand and decode_current_step(self._last, self.in_hand.run_id)
        return known[0].name if known else ""

    def step_changed(self, current_step: str) -> None:
        """As on the worker table, where a dead worker's last step stays."""
        if not self.is_dead:
            self._step = current_step
            self._last = current_step or self._last

    def request_queued(self) -> None:
        """It looks in every round."""

    def work(self) -> bool:
        """Do what is due, HTTP requests included; False if the cluster died."""
        return self.does(self._rounds)

    def does(self, job: Callable[[], Any]) -> bool:
        """Do one thing; False if the cluster died."""
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
            self._last = ""
            execute(self.in_hand, self)
        self.in_hand = None
        leased = gateway.lease_requests(BATCH)
        if leased:
            gateway.store_responses([(request, gateway.perform_now(request)) for request in leased])
        return bool(claims or leased) or claiming.next_due(1.0) == 0

    def record_lost_worker(self) -> None:
        """As the heartbeat does at once, if only the worker has died."""
        if self.in_hand is not None:
            lost_workers.record_lost_worker(
                self.in_hand.run_id, self.in_hand.token, 4711, self._step
            )

    # --- its commits ------------------------------------------------------------------------------

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with (
            django_internals.watched_commits(self._come_to),
            patch.object(unit_of_work, "MAX_OPEN", 0.0 if self.one_by_one else math.inf),
            patch.object(statements, "execute_many", self._together),
            connection.execute_wrapper(self._execute),
        ):
            yield

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.is_dead:
            raise Killed
        if connection.in_atomic_block or sql.lstrip().startswith("SELECT"):
            return execute(sql, params, many, context)
        with transaction.atomic():
            return execute(sql, params, many, context)

    def _together(self, *several: statements.Statement, commits: bool = False) -> list[Any]:
        """Transactions end in Django, so a process may die of it."""
        with nullcontext() if connection.in_atomic_block else transaction.atomic():
            return TOGETHER(*several)

    def _come_to(self, wrapper: BaseDatabaseWrapper, commit: Callable[[], None]) -> None:
        if not connection_state.has_written(wrapper):
            commit()
            return
        self.commits.append(place_in_the_engine())
        if self._dies_at is None or not self._has_come_to(self._dies_at):
            commit()
            return
        if not self._dies_at.before:
            commit()
        self.is_dead = True
        wrapper.close()
        raise Killed

    def _has_come_to(self, boundary: Boundary) -> bool:
        if boundary.place not in ("", self.commits[-1]):
            return False
        like_it = [place for place in self.commits if boundary.place in ("", place)]
        return len(like_it) == boundary.number


def place_in_the_engine() -> str:
    """What commits: the engine's innermost function outside CARRIERS."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]
        path = Path(frame.f_code.co_filename)
        if ENGINE in path.parents and path.stem not in CARRIERS:
            return f"{path.stem}.{frame.f_code.co_name.strip('_')}"
    return "elsewhere"
