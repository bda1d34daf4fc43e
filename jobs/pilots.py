"""Threads that make requests: one for each that is in the air, and a new one only if none is free.

A pool of `concurrent.futures` would keep its threads for ever, and the process from ending while
one of them waits for an answer.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger("jobs.engine")

T = TypeVar("T")
IDLE = 20.0  # seconds after which a thread without work ends
# Address space, of which a request touches a tenth. Far from the 2 MiB from which on the kernel
# may give a stack a huge page of real memory.
STACK = 512 * 1024


class Pilots(Generic[T]):
    """Calls `fly(flight)` for whatever is sent, each in a thread of its own."""

    def __init__(self, fly: Callable[[T], None]) -> None:
        self._fly = fly
        self._flights: queue.SimpleQueue[T] = queue.SimpleQueue()
        # Threads that wait for work, less the work that waits for them.
        self._free = threading.Semaphore(0)

    def send(self, flight: T) -> None:
        self._flights.put(flight)
        if not self._free.acquire(blocking=False):
            self._start()

    def _start(self) -> None:
        usual = threading.stack_size(STACK)
        try:
            threading.Thread(target=self._work, name="pilot", daemon=True).start()
        except RuntimeError as error:  # the work waits until another thread is done
            logger.warning(
                "A request waits for a thread, since the system allows no more of them (%s). Allow "
                'more (ulimit -u), or lower JOBS["GATEWAY_LIMIT"].',
                error,
            )
        finally:
            threading.stack_size(usual)

    def _work(self) -> None:
        while True:
            try:
                flight = self._flights.get(timeout=IDLE)
            except queue.Empty:
                if self._free.acquire(blocking=False):
                    return
                continue  # somebody counts on this thread
            self._fly(flight)
            del flight
            self._free.release()
