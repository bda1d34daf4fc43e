"""Flags and numbers that forked processes share without a lock."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import termios
from multiprocessing.sharedctypes import RawValue
from typing import Any


def waiting_bytes(pipe: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


class Event:
    """As multiprocessing's Event, but never cleared."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it is set
            os.write(self._writer, b"!")

    def is_set(self) -> bool:
        return waiting_bytes(self.reader) > 0

    def wait(self, timeout: float | None = None) -> bool:
        poll = select.poll()
        poll.register(self.reader, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))


class Value:
    """As multiprocessing's Value, without a lock. One process writes, another counts down. A lost
    write lets a worker's timeout count from earlier.
    """

    def __init__(self, typecode: str, value: float) -> None:
        self._shared: Any = RawValue(typecode, value)

    @property
    def value(self) -> float:
        return float(self._shared.value)

    @value.setter
    def value(self, value: float) -> None:
        self._shared.value = value

    @staticmethod
    def get_lock() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()
