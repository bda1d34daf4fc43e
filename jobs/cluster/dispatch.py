"""How claims get from a cluster's pusher to its workers.

django-q2 signs and hands out one task at a time, too costly for runs of milliseconds. So its task
is a shift: for a second, a worker takes claims from a pipe.

1. The pusher writes claims before it counts workers on shift; a worker leaves its shift before its
   final read. Either the pusher sees the missing worker or the worker sees the claim. The pusher
   counts again every second, since a worker may die.
2. A shift takes no new run after a second: django-q2 counts `timeout` from its start. The alarm is
   set anew for each run. A worker that leaves while claims wait calls the pusher; one without work
   stays, to save django-q2's overhead.
3. The pusher claims a few runs ahead: other clusters cannot take them. A worker that finds few
   rings for more.
4. An ended run may leave its worker the next run of its line; while other claims wait, only once,
   so that a long line does not hold up other runs.
5. Runs with a response come from the gateway in a pipe of their own (feeds). Without room a run
   becomes due for any cluster, which costs more; so there is room for twice as many claims, and for
   two seconds' work of quick workers. Pusher and gateway never block: they put in no more than a
   pipe holds; a shift too many is dropped.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

from django_q.conf import Conf

from jobs.cluster.feeds import Feeds
from jobs.cluster.worker_table import Board
from jobs.platform.ipc import pipe_queue, wakeup
from jobs.runs.claim import Claim, LargeClaim

LONGEST_SHIFT = 1.0  # seconds
GLANCE = 0.05  # seconds between a waiting worker's looks for a stop
AHEAD = 4  # claims per worker
MOST_ANSWERS = 64  # per worker, if runs are quick
PATIENCE = 2.0  # seconds that responses may wait, instead of being due

# Advances a run; returns the claim to continue with.
Advance = Callable[[Claim | LargeClaim], Claim | None]


class Dispatch:
    """Made in the sentinel; its forks inherit it."""

    def __init__(self, board: Board, shifts: pipe_queue.Hints, workers: int) -> None:
        self.bell = wakeup.Bell()  # claims are low
        self.call = wakeup.Bell()  # a shift is missing
        self._board, self._shifts, self._workers = board, shifts, workers
        self._feeds = Feeds(AHEAD * workers, MOST_ANSWERS * workers)
        due, answers = self._feeds.due.capacity, self._feeds.answers.capacity
        self._ahead = min(AHEAD * workers, due, answers // 2)

    # --- the pusher's and the gateway's side ------------------------------------------------------

    @property
    def room(self) -> int:
        """How many runs to claim now: none while more than one per worker waits."""
        waiting = self._feeds.due.qsize()
        return max(0, self._ahead - waiting) if waiting <= self._workers else 0

    @property
    def room_for_answers(self) -> int:
        most = min(self._feeds.answers.capacity, int(PATIENCE * self._feeds.pace.per_second))
        return max(0, max(2 * self._ahead, most) - self._feeds.answers.qsize())

    @property
    def is_busy(self) -> bool:
        return not self._feeds.empty()

    def put(self, claims: Sequence[Claim]) -> None:
        _put(claims, self._feeds.due)

    def put_answered(self, claims: Sequence[Claim]) -> None:
        _put(claims, self._feeds.answers)
        self._feeds.pace.put(len(claims))

    @property
    def missing_shifts(self) -> int:
        called = self._board.on_shift() + self._shifts.qsize()
        return max(0, min(self._feeds.qsize(), self._workers - called))

    # --- a worker's side --------------------------------------------------------------------------

    def work(self, advance: Advance) -> None:
        ends = time.monotonic() + LONGEST_SHIFT
        signal.alarm(0)  # see (2)
        self._board.begin_shift()
        try:
            while time.monotonic() < ends and not self._board.is_stopping:
                self._go_on(self._feeds.take(GLANCE), advance, ends)
        finally:
            self._board.end_shift()
        claim = self._feeds.take(0)  # see (1)
        if not self._feeds.empty():
            self.call.ring()
        if claim is not None:
            self._advance(claim, advance)

    def _go_on(self, claim: Claim | LargeClaim | None, advance: Advance, ends: float) -> None:
        is_first = True
        while claim is not None:
            if self._feeds.due.qsize() <= self._workers:
                self.bell.ring()
            nobody_waits = is_first or self._feeds.empty()
            self._board.may_go_on = nobody_waits and time.monotonic() < ends
            claim, is_first = self._advance(claim, advance), False
        self._board.may_go_on = False

    def _advance(self, claim: Claim | LargeClaim, advance: Advance) -> Claim | None:
        if Conf.TIMEOUT:
            signal.alarm(int(Conf.TIMEOUT))
        try:
            return advance(claim)
        finally:
            signal.alarm(0)


def _put(claims: Sequence[Claim], feed: pipe_queue.Queue) -> None:
    for claim in claims:
        try:
            feed.put(claim)
        except pipe_queue.TooLarge:
            feed.put(LargeClaim(claim.run_id, claim.token, claim.worker))
