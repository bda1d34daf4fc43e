"""What a cluster's processes tell each other: no lock that a killed one could take with it.

django-q2 shares queues, events and timers of `multiprocessing` among its processes, each guarded
by a semaphore. A process that is killed while it holds one never gives it back: an idle worker
waits for its next task with the queue's lock in its hands, so its death would leave the others
deaf, and a monitor's the cluster unable to stop. These stand in for them, with the same methods.

1. The kernel is the only arbiter. A packet goes into a pipe, and comes out of it, whole or not at
   all (pipe(7): PIPE_BUF, O_DIRECT), whoever dies before, meanwhile or after.
2. How many packets wait is asked of the pipe: nothing is counted, so nothing can be miscounted.
3. What a process had taken when it died is lost here; for a run that is a lapsed lease.
4. The end is not a message for each reader, but a state: every reader, also one that was started
   after it, meets it when nothing waits any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import select
import time
from collections.abc import Callable, Sequence
from typing import Any

from jobs.lib.excerpts import excerpt
from jobs.lib.secrets import mask
from jobs.platform.ipc import process_tree
from jobs.platform.ipc.shared_state import Event, waiting_bytes

PACKET = select.PIPE_BUF  # bytes; nothing larger travels
PAGE = os.sysconf("SC_PAGE_SIZE")
SMALLEST_PIPE = 16_384  # bytes, of the systems that do not say
END = "STOP"  # django-q2's word
MOST_WAITING = 256
LONGEST_RESULT = 500  # characters


class TooLarge(ValueError):
    """An item that one packet cannot hold."""


class Queue:
    """As multiprocessing's, as far as a cluster uses it: many writers, many readers.

    An item takes one packet: `put` raises TooLarge for one that does not fit, and nothing is in the
    pipe then. `maxsize` packets, rounded up to a power of two, may wait, or as many (`capacity`) as
    the system allows an ordinary user; a writer of one more waits, too.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._reader, self._writer = _packet_pipe(maxsize or MOST_WAITING)
        os.set_blocking(self._reader, False)
        self.capacity = _room_of(self._writer)
        self._end = Event()
        self._turnstile = Turnstile(self._reader)

    def put(self, item: Any) -> None:
        if item == END:
            self._end.set()
        else:
            os.write(self._writer, _packed(item))

    def get(self) -> Any:
        """The next item; END when nothing waits and nothing will come."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(self._end.reader, select.POLLIN)
        while True:
            poll.poll()
            try:
                return _unpacked(os.read(self._reader, PACKET))
            except BlockingIOError:  # another reader was quicker
                if self._end.is_set():
                    return END

    def take(self, patience: float) -> Any:
        """The next item; None if none comes within `patience` seconds, or the end has come. Of
        several processes that wait here an item wakes one."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return _unpacked(os.read(self._reader, PACKET))
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or self._end.is_set():
                    return None
                self._turnstile.wait(left)

    @property
    def reader(self) -> int:
        """The descriptor that can be read while items wait."""
        return self._reader

    def qsize(self) -> int:
        return waiting_bytes(self._reader) // PACKET

    def empty(self) -> bool:
        return self.qsize() == 0

    def close(self) -> None:
        """The pipe ends with the last process that has it."""

    def join_thread(self) -> None:
        """There is no thread: what was put is in the pipe."""


class Hints(Queue):
    """A queue whose items say nothing but that there is something to do: when it is full, another
    one says no more."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        os.set_blocking(self._writer, False)

    def put(self, item: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            super().put(item)


class Results(Queue):
    """What workers tell django-q2's monitor of their tasks, which are shifts: an error's text, say,
    which it keeps in a row. Secrets are masked; a report that is too long is cut."""

    def put(self, item: Any) -> None:
        if isinstance(item, dict) and isinstance(item.get("result"), str):
            item = item | {"result": mask(item["result"])}
        try:
            super().put(item)
        except TooLarge:
            start = excerpt(str(item.get("result")), LONGEST_RESULT + 1).removesuffix("…")
            super().put(item | {"result": start})


def _packet_pipe(packets: int) -> tuple[int, int]:
    """A pipe in which packets stay apart, with room for as many; where the system has no such
    thing, packets of one size stay apart anyway."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return os.pipe()
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    while packets:
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, packets * PAGE)
            break
        except OSError:  # beyond what an ordinary user may have
            packets //= 2
    return reader, writer


class Turnstile:
    """Waits for a packet in any of some pipes. Of several processes that wait a packet wakes one,
    where the system has such a thing; else all."""

    def __init__(self, *pipes: int) -> None:
        self._pipes = pipes
        self._pid, self._poll = 0, _polling(())

    def wait(self, seconds: float) -> bool:
        """Until a packet is there, or for so long; whether one is. Each process waits with what it
        has made itself: with what a fork has inherited it would wait for its parent."""
        pid = process_tree.number()
        if self._pid != pid:
            self._pid, self._poll = pid, _polling(self._pipes)
        return bool(self._poll(seconds))


def _polling(pipes: Sequence[int]) -> Callable[[float], object]:
    if hasattr(select, "EPOLLEXCLUSIVE"):
        turnstile = select.epoll()
        for pipe in pipes:
            turnstile.register(pipe, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        return turnstile.poll
    poll = select.poll()
    for pipe in pipes:
        poll.register(pipe, select.POLLIN)
    return lambda seconds: poll.poll(seconds * 1000)


def _room_of(pipe: int) -> int:
    """How many packets it holds: each takes a page."""
    if not hasattr(fcntl, "F_GETPIPE_SZ"):
        return SMALLEST_PIPE // PACKET
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) // PAGE


def _packed(item: Any) -> bytes:
    body = pickle.dumps(item)
    if len(body) > PACKET:
        raise TooLarge(f"{len(body):,} bytes; a packet holds {PACKET:,}")
    return body.ljust(PACKET, b"\0")  # a pickle says itself where it ends


def _unpacked(packet: bytes) -> Any:
    return pickle.loads(packet)  # noqa: S301 - from a process of this cluster
