"""Queues between a cluster's processes, without a lock that a killed process could keep.

django-q2's, from `multiprocessing`, have a semaphore each. An idle worker, killed while it waits
with the lock, would leave the others deaf. A killed monitor would keep the cluster from stopping.

1. A packet enters and leaves a pipe whole (pipe(7): PIPE_BUF, O_DIRECT), whichever process dies.
2. The pipe itself tells how many packets wait: no count can be wrong.
3. What a dying process had taken is lost: a run's lease lapses.
4. The end is a state, not a message: every reader, even a later one, sees it when the pipe is
   empty.
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

PACKET = select.PIPE_BUF  # bytes
PAGE = os.sysconf("SC_PAGE_SIZE")
SMALLEST_PIPE = 16_384  # bytes, where the system does not tell
END = "STOP"  # django-q2's
MAX_WAITING = 256
MAX_RESULT = 500  # characters


class TooLarge(ValueError):
    """The item does not fit into a packet."""


class Queue:
    """As multiprocessing's Queue, for many writers and readers.

    `put` writes one packet, or raises TooLarge. Beyond `maxsize` packets (rounded up to a power of
    two), or `capacity` where the system allows fewer, writers block.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._reader, self._writer = _packet_pipe(maxsize or MAX_WAITING)
        os.set_blocking(self._reader, False)
        self.capacity = _capacity_of(self._writer)
        self._end = Event()
        self._poller = ExclusivePoller(self._reader)

    def put(self, item: Any) -> None:
        if item == END:
            self._end.set()
        else:
            os.write(self._writer, _pack(item))

    def get(self) -> Any:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        poll.register(self._end.reader, select.POLLIN)
        while True:
            poll.poll()
            try:
                return _unpack(os.read(self._reader, PACKET))
            except BlockingIOError:  # another reader was faster
                if self._end.is_set():
                    return END

    def get_within(self, patience: float) -> Any:
        """None after `patience` seconds or at the end."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return _unpack(os.read(self._reader, PACKET))
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or self._end.is_set():
                    return None
                self._poller.wait(left)

    @property
    def reader(self) -> int:
        return self._reader

    def qsize(self) -> int:
        return waiting_bytes(self._reader) // PACKET

    def empty(self) -> bool:
        return self.qsize() == 0

    def close(self) -> None:
        """The pipe ends with its last process."""

    def join_thread(self) -> None:
        """There is no thread to wait for."""


class LossyQueue(Queue):
    """An item says only that there is work; a full queue drops it."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        os.set_blocking(self._writer, False)

    def put(self, item: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            super().put(item)


class ResultQueue(Queue):
    """Workers' results for django-q2's monitor, which stores them: masked and cut."""

    def put(self, item: Any) -> None:
        if isinstance(item, dict) and isinstance(item.get("result"), str):
            item = item | {"result": mask(item["result"])}
        try:
            super().put(item)
        except TooLarge:
            start = excerpt(str(item.get("result")), MAX_RESULT + 1).removesuffix("…")
            super().put(item | {"result": start})


def _packet_pipe(packets: int) -> tuple[int, int]:
    """On Linux a pipe keeps packets apart, elsewhere their equal size does."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        return os.pipe()
    reader, writer = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    while packets:
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, packets * PAGE)
            break
        except OSError:  # over an ordinary user's limit
            packets //= 2
    return reader, writer


class ExclusivePoller:
    """On Linux a packet in these pipes wakes one process."""

    def __init__(self, *pipes: int) -> None:
        self._pipes = pipes
        self._pid, self._poll = 0, _exclusive_poll(())

    def wait(self, seconds: float) -> bool:
        """An inherited epoll would wait for the parent."""
        pid = process_tree.pid()
        if self._pid != pid:
            self._pid, self._poll = pid, _exclusive_poll(self._pipes)
        return bool(self._poll(seconds))


def _exclusive_poll(pipes: Sequence[int]) -> Callable[[float], object]:
    if hasattr(select, "EPOLLEXCLUSIVE"):
        epoll = select.epoll()
        for pipe in pipes:
            epoll.register(pipe, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        return epoll.poll
    poll = select.poll()
    for pipe in pipes:
        poll.register(pipe, select.POLLIN)
    return lambda seconds: poll.poll(seconds * 1000)


def _capacity_of(pipe: int) -> int:
    """Each packet takes a page."""
    if not hasattr(fcntl, "F_GETPIPE_SZ"):
        return SMALLEST_PIPE // PACKET
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) // PAGE


def _pack(item: Any) -> bytes:
    body = pickle.dumps(item)
    if len(body) > PACKET:
        raise TooLarge(f"{len(body):,} bytes; a packet holds {PACKET:,}")
    return body.ljust(PACKET, b"\0")  # a pickle marks its own end


def _unpack(packet: bytes) -> Any:
    return pickle.loads(packet)  # noqa: S301 - from a process of this cluster
