"""A pipe by which one process wakes another that polls it."""

from __future__ import annotations

import contextlib
import os

from jobs.platform.ipc.pipe_queue import PACKET


class Wakeup:
    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def notify(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: a wake-up is waiting
            os.write(self._writer, b"!")

    def consume(self) -> bool:
        try:
            return bool(os.read(self.reader, PACKET))
        except BlockingIOError:
            return False
