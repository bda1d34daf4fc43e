"""The two pipes of claims: the pusher's due runs, and the gateway's with a response. Neither can
fill the other's; a worker takes from both in turn.
"""

from __future__ import annotations

import time
from typing import Any

from jobs.platform.ipc import pipe_queue

MEASURED_SECONDS = 0.5  # seconds, at least
MAX_REMEMBERED = 1.0  # seconds of a queue that is never empty


class ClaimQueues:
    def __init__(self, due: int, answers: int) -> None:
        self.due, self.answers = pipe_queue.Queue(due), pipe_queue.Queue(answers)
        self.throughput = Throughput(self.answers)
        self._next, self._after_it = self.due, self.answers  # this process's next queue
        self._poller = pipe_queue.ExclusivePoller(self.due.reader, self.answers.reader)

    def get_within(self, patience: float) -> Any:
        """None after `patience` seconds. An item wakes one waiting process."""
        deadline = time.monotonic() + patience
        while True:
            item = self._get_now()
            left = deadline - time.monotonic()
            if item is not None or left <= 0:
                return item
            self._poller.wait(left)

    def _get_now(self) -> Any:
        for queue in (self._next, self._after_it):
            item = queue.get_within(0)
            if item is not None:
                self._after_it = queue
                self._next = self.answers if queue is self.due else self.due
                return item
        return None

    def qsize(self) -> int:
        return self.due.qsize() + self.answers.qsize()

    def empty(self) -> bool:
        return self.due.empty() and self.answers.empty()


class Throughput:
    """How fast workers empty a queue that this process alone fills."""

    def __init__(self, queue: pipe_queue.Queue) -> None:
        self._queue = queue
        self._put = self._taken = self._taken_before = 0
        self._since = self._never_empty_since = time.monotonic()
        self._per_second = 0.0

    def will_put(self, count: int) -> None:
        """Between two of these calls the queue can only shrink."""
        waiting, now = self._queue.qsize(), time.monotonic()
        if not waiting or now - self._never_empty_since > MAX_REMEMBERED:
            self._never_empty_since, self._taken_before = now, self._put - waiting
        self._put += count

    @property
    def backlog_seconds(self) -> float:
        """How long the workers need for what waits, at their speed since the queue was empty; 0
        before they have taken any.
        """
        waiting = self._queue.qsize()
        taken = self._put - waiting - self._taken_before
        return waiting * (time.monotonic() - self._never_empty_since) / taken if taken > 0 else 0.0

    @property
    def per_second(self) -> float:
        now = time.monotonic()
        span = now - self._since
        if span > MEASURED_SECONDS:
            taken = self._put - self._queue.qsize()
            self._per_second = (taken - self._taken) / span
            self._taken, self._since = taken, now
        return self._per_second
