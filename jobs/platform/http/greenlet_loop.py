"""Many requests in one thread: each a greenlet, which steps aside while it waits.

A request does little and waits long: for a name, a connection, an answer, the coordinator's word.
A thread for each costs some 70 KiB and a place in the queue for the interpreter's lock; a greenlet
costs what it holds.

1. What flies is written as if it blocked. Where it waits, it says so, by `until` or `result_of`.
   In the pilots' thread these let others go on; in any other thread they do block.
2. A pause ends once: who waited for it goes on with the first that comes of what was waited for
   and the end of patience.
3. Other threads come by `_news` and the bell alone. Whoever goes on does so in this thread.
4. Who has landed stays for the next flight: for each new greenlet the interpreter takes pages from
   the system, and gives them back after it.
"""

from __future__ import annotations

import logging
import math
import select
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from jobs.platform.ipc.wakeup import Bell

__all__ = ["GreenletExit"]  # handed on: no other wing imports greenlet

logger = logging.getLogger("jobs.engine")

T = TypeVar("T")
READABLE, WRITABLE = selectors.EVENT_READ, selectors.EVENT_WRITE
MOST_IDLE = 64  # pilots
AFTER_FAILURE = 0.1  # seconds
POLL = {READABLE: select.POLLIN, WRITABLE: select.POLLOUT}

_here = threading.local()  # `pilots`: those of this thread, if it is theirs


def until(descriptor: int, event: int, patience: float) -> bool:
    """Wait until a descriptor is READABLE or WRITABLE; False if that takes longer than `patience`
    seconds, which may be infinite."""
    pilots = getattr(_here, "pilots", None)
    if pilots is not None:
        return bool(pilots.until(descriptor, event, patience))
    poll = select.poll()
    poll.register(descriptor, POLL[event])
    return bool(poll.poll(None if patience == math.inf else max(patience, 0.0) * 1000))


def result_of(future: Future[T], patience: float) -> T:
    """Like `future.result(patience)`."""
    pilots = getattr(_here, "pilots", None)
    if pilots is None:
        return future.result(patience)
    pilots.until_done(future, patience)
    return future.result(0)


class Pause:
    """The greenlet that waits, and until when at most (monotonic)."""

    __slots__ = ("deadline", "pilot")

    def __init__(self, patience: float) -> None:
        self.pilot, self.deadline = getcurrent(), time.monotonic() + patience


class Pilots(Generic[T]):
    """Calls `fly(flight)` for whatever is sent, each in a greenlet of its own."""

    def __init__(self, fly: Callable[[T], None]) -> None:
        self._fly = fly
        self._news: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._bell = Bell()
        self._selector = selectors.DefaultSelector()
        self._pauses: set[Pause] = set()
        self._alarm = math.inf  # no pause's patience ends before
        self._idle: list[greenlet] = []
        self._ground = getcurrent()  # the thread's own, which they all come back to
        self._thread: threading.Thread | None = None

    # --- for any thread ---------------------------------------------------------------------------

    def start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="pilots", daemon=True)
            thread.start()
            self._thread = thread

    def send(self, flight: T) -> None:
        self.start()
        self._tell(self._take_off, flight)

    def _tell(self, do: Callable[[Any], None], what: Any) -> None:
        self._news.append((do, what))
        self._bell.ring()

    # --- for greenlets ----------------------------------------------------------------------------

    def until(self, descriptor: int, event: int, patience: float) -> bool:
        pause = Pause(patience)
        self._selector.register(descriptor, event, pause)
        try:
            return self._wait(pause)
        finally:
            self._selector.unregister(descriptor)

    def until_done(self, future: Future[Any], patience: float) -> bool:
        pause = Pause(patience)
        future.add_done_callback(lambda _: self._tell(self._go_on, pause))
        return self._wait(pause)

    def _wait(self, pause: Pause) -> bool:
        self._pauses.add(pause)
        self._alarm = min(self._alarm, pause.deadline)
        return bool(self._ground.switch())

    # --- the thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        _here.pilots, self._ground = self, getcurrent()
        self._selector.register(self._bell.reader, READABLE, None)
        while True:
            try:
                self._look()
            except Exception:  # all requests in flight hang on this thread
                logger.exception("The gateway's loop failed, and goes on")
                time.sleep(AFTER_FAILURE)

    def _look(self) -> None:
        patience = None if self._alarm == math.inf else max(self._alarm - time.monotonic(), 0.0)
        for key, _ in self._selector.select(patience):
            if key.data is None:
                self._bell.silence()
            else:
                self._go_on(key.data)
        while self._news:
            do, what = self._news.popleft()
            do(what)
        if time.monotonic() >= self._alarm:
            self._end_patience()

    def _take_off(self, flight: T) -> None:
        if not self._idle:
            greenlet(self._serve, parent=self._ground).switch()
        self._idle.pop().switch(flight)

    def _serve(self) -> None:
        """One pilot, flight after flight: see (4)."""
        while len(self._idle) < MOST_IDLE:
            self._idle.append(getcurrent())
            self._do(self._ground.switch())

    def _do(self, flight: T) -> None:
        try:
            self._fly(flight)
        except BaseException:  # whatever it is, the others fly on
            logger.exception("A request broke the gateway's own code")

    def _go_on(self, pause: Pause, *, in_time: bool = True) -> None:
        if pause in self._pauses:
            self._pauses.remove(pause)
            pause.pilot.switch(in_time)

    def _end_patience(self) -> None:
        now = time.monotonic()
        for pause in [pause for pause in self._pauses if pause.deadline <= now]:
            self._go_on(pause, in_time=False)
        self._alarm = min((pause.deadline for pause in self._pauses), default=math.inf)
