"""Many requests in one thread, each in a greenlet that yields while it waits. A thread each would
cost 70 KiB and compete for the interpreter's lock.

1. A request's code is written as if it blocked, and waits by `wait_fd` or `wait_future`. In the
   loop's thread these let other greenlets run, elsewhere they block.
2. A wait is resumed once: by its descriptor, future or timeout, whichever comes first.
3. Greenlets run only in the loop's thread. Other threads reach it only by `_calls` and the wakeup.
4. A finished greenlet takes the next request: a new one costs the interpreter pages of the system.
5. One that always has something to read steps aside after TURN, by `let_others_run`: else an
   endpoint that sends without a pause would hold all other requests up.
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

from jobs.platform.ipc.wakeup import Wakeup

__all__ = ["GreenletExit"]  # other wings do not import greenlet

logger = logging.getLogger("jobs.engine")

T = TypeVar("T")
READABLE, WRITABLE = selectors.EVENT_READ, selectors.EVENT_WRITE
MAX_IDLE = 64  # greenlets
AFTER_FAILURE = 0.1  # seconds
TURN = 0.01  # seconds
POLL = {READABLE: select.POLLIN, WRITABLE: select.POLLOUT}

_here = threading.local()  # `loop`: this thread's


def wait_fd(descriptor: int, event: int, patience: float) -> bool:
    """False after `patience` seconds (may be infinite)."""
    loop = getattr(_here, "loop", None)
    if loop is not None:
        return bool(loop.wait_fd(descriptor, event, patience))
    poll = select.poll()
    poll.register(descriptor, POLL[event])
    return bool(poll.poll(None if patience == math.inf else max(patience, 0.0) * 1000))


def wait_future(future: Future[T], patience: float) -> T:
    """As `future.result(patience)`."""
    loop = getattr(_here, "loop", None)
    if loop is None:
        return future.result(patience)
    loop.wait_future(future, patience)
    return future.result(0)


def let_others_run() -> None:
    """See (5)."""
    loop = getattr(_here, "loop", None)
    if loop is not None:
        loop.let_others_run()


class Wait:
    __slots__ = ("deadline", "greenlet")

    def __init__(self, patience: float) -> None:
        self.greenlet, self.deadline = getcurrent(), time.monotonic() + patience


class GreenletLoop(Generic[T]):
    def __init__(self, perform: Callable[[T], None]) -> None:
        self._perform = perform
        self._calls: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._wakeup = Wakeup()
        self._selector = selectors.DefaultSelector()
        self._waits: set[Wait] = set()
        self._next_deadline = math.inf  # no deadline is earlier
        self._turn_ends = math.inf  # of the greenlet that runs
        self._idle: list[greenlet] = []
        self._hub = getcurrent()
        self._thread: threading.Thread | None = None

    # --- for any thread ---------------------------------------------------------------------------

    def start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="greenlets", daemon=True)
            thread.start()
            self._thread = thread

    def send(self, item: T) -> None:
        self.start()
        self._call_soon(self._spawn, item)

    def _call_soon(self, do: Callable[[Any], None], what: Any) -> None:
        self._calls.append((do, what))
        self._wakeup.notify()

    # --- for greenlets ----------------------------------------------------------------------------

    def wait_fd(self, descriptor: int, event: int, patience: float) -> bool:
        wait = Wait(patience)
        self._selector.register(descriptor, event, wait)
        try:
            return self._wait(wait)
        finally:
            self._selector.unregister(descriptor)

    def wait_future(self, future: Future[Any], patience: float) -> bool:
        wait = Wait(patience)
        future.add_done_callback(lambda _: self._call_soon(self._resume, wait))
        return self._wait(wait)

    def let_others_run(self) -> None:
        if time.monotonic() >= self._turn_ends:
            wait = Wait(math.inf)
            self._call_soon(self._resume, wait)
            self._wait(wait)

    def _wait(self, wait: Wait) -> bool:
        self._waits.add(wait)
        self._next_deadline = min(self._next_deadline, wait.deadline)
        return bool(self._hub.switch())

    # --- the thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        _here.loop, self._hub = self, getcurrent()
        self._selector.register(self._wakeup.reader, READABLE, None)
        while True:
            try:
                self._run_once()
            except Exception:  # all requests in flight depend on this thread
                logger.exception("The gateway's loop failed, and goes on")
                time.sleep(AFTER_FAILURE)

    def _run_once(self) -> None:
        left = self._next_deadline - time.monotonic()
        for key, _ in self._selector.select(None if left == math.inf else max(left, 0.0)):
            if key.data is None:
                self._wakeup.consume()
            else:
                self._resume(key.data)
        for _ in range(len(self._calls)):  # not those that they add: others are ready, too
            do, what = self._calls.popleft()
            do(what)
        if time.monotonic() >= self._next_deadline:
            self._expire_waits()

    def _spawn(self, item: T) -> None:
        if not self._idle:
            greenlet(self._serve, parent=self._hub).switch()
        self._turn_ends = time.monotonic() + TURN
        self._idle.pop().switch(item)

    def _serve(self) -> None:
        """See (4)."""
        while len(self._idle) < MAX_IDLE:
            self._idle.append(getcurrent())
            self._call(self._hub.switch())

    def _call(self, item: T) -> None:
        try:
            self._perform(item)
        except BaseException:
            logger.exception("A request broke the gateway's own code")

    def _resume(self, wait: Wait, *, in_time: bool = True) -> None:
        if wait in self._waits:
            self._waits.remove(wait)
            self._turn_ends = time.monotonic() + TURN
            wait.greenlet.switch(in_time)

    def _expire_waits(self) -> None:
        now = time.monotonic()
        for wait in [wait for wait in self._waits if wait.deadline <= now]:
            self._resume(wait, in_time=False)
        self._next_deadline = min((wait.deadline for wait in self._waits), default=math.inf)
