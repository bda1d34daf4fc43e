"""The two pipes from which a cluster's workers take claims.

What the pusher has claimed and what the gateway has landed travel apart, so that neither fills the
other's pipe: runs that are due get to the workers however many answers come, and answers do however
many runs are due. A worker takes from both in turn, while something waits in both.
"""

from __future__ import annotations

import time
from typing import Any

from jobs.platform.ipc import pipe_queue

SPAN = 0.5  # seconds over which a pace is measured, at least


class Feeds:
    def __init__(self, due: int, answers: int) -> None:
        self.due, self.answers = pipe_queue.Queue(due), pipe_queue.Queue(answers)
        self.pace = Pace(self.answers)
        self._next, self._after_it = self.due, self.answers  # in this process
        self._turnstile = pipe_queue.Turnstile(self.due.reader, self.answers.reader)

    def take(self, patience: float) -> Any:
        """The next item; None if none comes within `patience` seconds. Of several processes that
        wait here an item wakes one."""
        deadline = time.monotonic() + patience
        while True:
            item = self._take_now()
            left = deadline - time.monotonic()
            if item is not None or left <= 0:
                return item
            self._turnstile.wait(left)

    def _take_now(self) -> Any:
        """From the pipe whose turn it is, or else from the other one; then it is the other's."""
        for feed in (self._next, self._after_it):
            item = feed.take(0)
            if item is not None:
                self._after_it = feed
                self._next = self.answers if feed is self.due else self.due
                return item
        return None

    def qsize(self) -> int:
        return self.due.qsize() + self.answers.qsize()

    def empty(self) -> bool:
        return self.due.empty() and self.answers.empty()


class Pace:
    """How fast items are taken from a queue into which only this process puts any."""

    def __init__(self, queue: pipe_queue.Queue) -> None:
        self._queue = queue
        self._put = self._taken = 0
        self._since, self._per_second = time.monotonic(), 0.0

    def put(self, count: int) -> None:
        self._put += count

    @property
    def per_second(self) -> float:
        now = time.monotonic()
        span = now - self._since
        if span > SPAN:
            taken = self._put - self._queue.qsize()
            self._per_second = (taken - self._taken) / span
            self._taken, self._since = taken, now
        return self._per_second
