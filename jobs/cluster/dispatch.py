"""How claimed runs get from a cluster's pusher to its workers.

django-q2 hands out one signed task at a time and signs each off again, which is dear for a run
that takes milliseconds. So its tasks are shifts here: a worker on its shift takes claims from a
pipe, one after the other, for a second.

1. The pusher puts claims into the pipe first and looks then who is on shift; a worker goes off
   shift first and looks into the pipe once more then. Of two that miss each other one sees the
   other, so that no claim is left lying; and the pusher looks again every second, since a worker
   may also die.
2. A shift takes no new run after a second: django-q2 counts `timeout` from its beginning. The alarm
   behind it is set anew for each run. Who leaves while claims wait calls the pusher. Who has
   nothing to do stays: what comes next finds him without django-q2's ceremony.
3. Claims are taken ahead of the workers, but not far: what waits here, no other cluster can have.
   A worker that finds few of them rings, and the pusher claims the next ones.
4. A run that ends may leave its worker the next one of its line, which then needs no pusher. While
   other claims wait it goes on so once, so that a long line keeps no other run from its turn.
5. Runs whose answer has come are put in by the gateway, into a pipe of their own; workers take in
   turn from it and from the pusher's (see feeds). What finds no room there is due, for any cluster,
   which costs more; so there is room for twice as many, and for two seconds' work of quick workers.
   Neither the pusher nor the gateway puts in more than its pipe holds, so that neither ever waits
   for room; a shift too many is dropped.
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
GLANCE = 0.05  # seconds after which a worker that waits looks whether the cluster stops
AHEAD = 4  # claims for each worker
MOST_ANSWERS = 64  # for each worker, if they are quick
PATIENCE = 2.0  # seconds for which answers may wait rather than be due

# Advances a run; what it returns is to be gone on with.
Advance = Callable[[Claim | LargeClaim], Claim | None]


class Dispatch:
    """Made in the sentinel, inherited by the processes that it forks."""

    def __init__(self, board: Board, shifts: pipe_queue.Hints, workers: int) -> None:
        self.bell = wakeup.Bell()  # claims are short
        self.call = wakeup.Bell()  # a shift is missing
        self._board, self._shifts, self._workers = board, shifts, workers
        self._feeds = Feeds(AHEAD * workers, MOST_ANSWERS * workers)
        due, answers = self._feeds.due.capacity, self._feeds.answers.capacity
        self._ahead = min(AHEAD * workers, due, answers // 2)

    # --- the pusher's and the gateway's side ------------------------------------------------------

    @property
    def room(self) -> int:
        """How many claims to fetch now: none while there is more than one for each worker, answers
        left out."""
        waiting = self._feeds.due.qsize()
        return max(0, self._ahead - waiting) if waiting <= self._workers else 0

    @property
    def room_for_answers(self) -> int:
        """How many runs that go on from an answer may be put in now: as many may wait as the
        workers take in two seconds."""
        most = min(self._feeds.answers.capacity, int(PATIENCE * self._feeds.pace.per_second))
        return max(0, max(2 * self._ahead, most) - self._feeds.answers.qsize())

    @property
    def is_busy(self) -> bool:
        """Whether claims wait for a worker."""
        return not self._feeds.empty()

    def put(self, claims: Sequence[Claim]) -> None:
        """Runs that were due."""
        _put(claims, self._feeds.due)

    def put_answered(self, claims: Sequence[Claim]) -> None:
        """Runs that go on from an answer."""
        _put(claims, self._feeds.answers)
        self._feeds.pace.put(len(claims))

    @property
    def missing_shifts(self) -> int:
        """How many more workers there is something to do for."""
        called = self._board.on_shift() + self._shifts.qsize()
        return max(0, min(self._feeds.qsize(), self._workers - called))

    # --- a worker's side --------------------------------------------------------------------------

    def work(self, advance: Advance) -> None:
        """One shift."""
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
        """This claim, and what it leaves to go on with: see (4)."""
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
