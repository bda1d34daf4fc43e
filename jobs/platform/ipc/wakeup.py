"""A bell between processes: rung by one, heard by who polls it."""

from __future__ import annotations

import contextlib
import os

from jobs.platform.ipc.pipe_queue import PACKET


class Bell:
    """Somebody is to have a look: rung by anybody, as often as they like."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it has been rung often enough
            os.write(self._writer, b"!")

    def silence(self) -> bool:
        """Whether it has been rung since the last time."""
        try:
            return bool(os.read(self.reader, PACKET))
        except BlockingIOError:
            return False
