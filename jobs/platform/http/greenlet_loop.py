"""Many requests in one thread, each in a greenlet that yields while it waits. A thread each would
cost 70 KiB and compete for the interpreter's lock.

1. Code for a request is written as if it blocked, and waits by `until` or `result_of`. In the
   loop's thread these let other greenlets run; elsewhere they block.
2. A wait is resumed once: by its descriptor, its future or its timeout, whichever comes first.
3. Other threads reach the loop by `_news` and the bell alone; greenlets run in the loop's thread
   only.
4. A finished greenlet takes the next request: a new one costs the interpreter pages of the system.
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

__all__ = ["GreenletExit"]  # other wings do not import greenlet

logger = logging.getLogger("jobs.engine")

T = TypeVar("T")
READABLE, WRITABLE = selectors.EVENT_READ, selectors.EVENT_WRITE
MOST_IDLE = 64  # greenlets
AFTER_FAILURE = 0.1  # seconds
POLL = {READABLE: select.POLLIN, WRITABLE: select.POLLOUT}

_here = threading.local()  # `pilots`: the loop of this thread


def until(descriptor: int, event: int, patience: float) -> bool:
    """Wait for READABLE or WRITABLE; False after `patience` seconds (may be infinite)."""
    pilots = getattr(_here, "pilots", None)
    if pilots is not None:
        return bool(pilots.until(descriptor, event, patience))
    poll = select.poll()
    poll.register(descriptor, POLL[event])
    return bool(poll.poll(None if patience == math.inf else max(patience, 0.0) * 1000))


def result_of(future: Future[T], patience: float) -> T:
    """As `future.result(patience)`."""
    pilots = getattr(_here, "pilots", None)
    if pilots is None:
        return future.result(patience)
    pilots.until_done(future, patience)
    return future.result(0)


class Pause:
    __slots__ = ("deadline", "pilot")

    def __init__(self, patience: float) -> None:
        self.pilot, self.deadline = getcurrent(), time.monotonic() + patience


class Pilots(Generic[T]):
    def __init__(self, fly: Callable[[T], None]) -> None:
        self._fly = fly
        self._news: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._bell = Bell()
        self._selector = selectors.DefaultSelector()
        self._pauses: set[Pause] = set()
        self._alarm = math.inf  # no deadline is earlier
        self._idle: list[greenlet] = []
        self._ground = getcurrent()  # the parent of all greenlets
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
            except Exception:  # all requests in flight depend on this thread
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
        """Serve one request after the other (4)."""
        while len(self._idle) < MOST_IDLE:
            self._idle.append(getcurrent())
            self._do(self._ground.switch())

    def _do(self, flight: T) -> None:
        try:
            self._fly(flight)
        except BaseException:
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
