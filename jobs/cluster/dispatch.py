"""How claims get from a cluster's pusher to its workers.

django-q2 signs and hands out one task at a time, too costly for runs of milliseconds. So its task
is a shift: for a second, a worker takes claims from a pipe.

1. The pusher writes claims before it counts workers on shift; a worker leaves its shift before its
   final read. Either the pusher sees the missing worker or the worker the claim. The pusher
   recounts every second, since workers may die.
2. A shift takes no run after a second: django-q2 counts `timeout` from its start. The alarm is
   reset for each run. A worker that leaves while claims wait calls the pusher; an idle one stays,
   to save django-q2's overhead.
3. The pusher claims few runs ahead: other clusters cannot take them. A worker that finds few asks
   for more.
4. An ended run may leave its worker the next run of its line; while claims wait, only once: a long
   line must not hold up other runs.
5. Runs with a response come from the gateway in their own pipe (claim_queues). Without room a run
   becomes due for any cluster, which costs more; so there is room for twice as many claims, and
   for two seconds' work of quick workers. Pusher and gateway never block: they put in no more than
   a pipe holds; an extra shift is dropped.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Sequence

from django_q.conf import Conf

from jobs.cluster.claim_queues import ClaimQueues
from jobs.cluster.worker_table import WorkerTable
from jobs.platform.ipc import pipe_queue, wakeup
from jobs.runs.claimed_run import Claim, LargeClaim

MAX_SHIFT = 1.0  # seconds
STOP_POLL = 0.05  # seconds between looks for a stop
PREFETCH_PER_WORKER = 4  # claims
ANSWERS_PER_WORKER = 64  # if runs are quick
ANSWER_WAIT = 2.0  # seconds that responses may wait, instead of being due

# Returns the claim to continue with.
Advance = Callable[[Claim | LargeClaim], Claim | None]


class Dispatch:
    def __init__(
        self, worker_table: WorkerTable, shifts: pipe_queue.LossyQueue, workers: int
    ) -> None:
        self.claims_low = wakeup.Wakeup()
        self.workers_missing = wakeup.Wakeup()
        self._worker_table, self._shifts, self._workers = worker_table, shifts, workers
        self.more_are_due = False  # more runs than the pusher claims ahead, at its last look
        self._queues = ClaimQueues(PREFETCH_PER_WORKER * workers, ANSWERS_PER_WORKER * workers)
        due, answers = self._queues.due.capacity, self._queues.answers.capacity
        self._prefetch = min(PREFETCH_PER_WORKER * workers, due, answers // 2)

    # --- the pusher's and the gateway's side ------------------------------------------------------

    @property
    def free_slots(self) -> int:
        """How many claims may be put; 0 while more than one per worker waits."""
        waiting = self._queues.due.qsize()
        return max(0, self._prefetch - waiting) if waiting <= self._workers else 0

    @property
    def free_answer_slots(self) -> int:
        most = min(
            self._queues.answers.capacity, int(ANSWER_WAIT * self._queues.throughput.per_second)
        )
        return max(0, max(2 * self._prefetch, most) - self._queues.answers.qsize())

    @property
    def backlog_seconds(self) -> float:
        """How long the workers have enough to do without another response."""
        return math.inf if self.more_are_due else self._queues.throughput.backlog_seconds

    @property
    def is_busy(self) -> bool:
        return not self._queues.empty()

    def put_due(self, claims: Sequence[Claim]) -> None:
        _put(claims, self._queues.due)

    def put_answered(self, claims: Sequence[Claim]) -> None:
        self._queues.throughput.will_put(len(claims))
        _put(claims, self._queues.answers)

    @property
    def missing_shifts(self) -> int:
        called = self._worker_table.on_shift() + self._shifts.qsize()
        return max(0, min(self._queues.qsize(), self._workers - called))

    # --- a worker's side --------------------------------------------------------------------------

    def work(self, advance: Advance) -> None:
        ends = time.monotonic() + MAX_SHIFT
        signal.alarm(0)  # see (2)
        self._worker_table.begin_shift()
        try:
            while time.monotonic() < ends and not self._worker_table.is_stopping:
                self._work_through(self._queues.get_within(STOP_POLL), advance, ends)
        finally:
            self._worker_table.end_shift()
        claim = self._queues.get_within(0)  # see (1)
        if not self._queues.empty():
            self.workers_missing.notify()
        if claim is not None:
            self._advance_with_timeout(claim, advance)

    def _work_through(
        self, claim: Claim | LargeClaim | None, advance: Advance, ends: float
    ) -> None:
        is_first = True
        while claim is not None:
            if self._queues.due.qsize() <= self._workers:
                self.claims_low.notify()
            none_waits = is_first or self._queues.empty()
            self._worker_table.may_take_next = none_waits and time.monotonic() < ends
            claim, is_first = self._advance_with_timeout(claim, advance), False
        self._worker_table.may_take_next = False

    def _advance_with_timeout(self, claim: Claim | LargeClaim, advance: Advance) -> Claim | None:
        if Conf.TIMEOUT:
            signal.alarm(int(Conf.TIMEOUT))
        try:
            return advance(claim)
        finally:
            signal.alarm(0)


def _put(claims: Sequence[Claim], queue: pipe_queue.Queue) -> None:
    for claim in claims:
        try:
            queue.put(claim)
        except pipe_queue.TooLarge:
            queue.put(LargeClaim(claim.run_id, claim.token, claim.worker))
