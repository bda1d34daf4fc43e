"""One `up` in a checkout, and how it is asked to stop.

1. Whoever holds the lock on `.local/run.lock` runs this checkout; the kernel frees the lock with
   its holder, so it is never stale. The file says who it is.
2. `.local/running` exists while it runs. It goes on only as long as the file is there: `make stop`
   deletes it, and so does `make run` itself when it is interrupted, because the file is the
   target of its rule (make hands an interrupt that was sent to it alone to nobody).
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO


class Occupied(Exception):
    """Another `up` runs in this checkout."""


class Claim:
    def __init__(self, base: Path) -> None:
        self.lock = base / ".local" / "run.lock"
        self.marker = base / ".local" / "running"
        self._file: TextIO | None = None
        self._parent = os.getppid() if "MAKELEVEL" in os.environ else 0

    def take(self, address: str) -> None:
        """Hold the checkout until `release`; Occupied if somebody else does."""
        self.lock.parent.mkdir(exist_ok=True)
        file = self.lock.open("a+")
        if not _locks(file):
            file.seek(0)
            number, _, where = file.read().strip().partition(" ")
            file.close()
            raise Occupied(
                f"MelodyMaker already runs in this checkout, at {where} (process {number}). "
                f"`make stop` stops it."
            )
        file.truncate(0)
        file.write(f"{os.getpid()} {address}\n")
        file.flush()
        self.marker.write_text(f"{os.getpid()}\n")
        self._file = file

    @property
    def withdrawn(self) -> bool:
        """Whether somebody wants us to stop, or the make that started us is gone."""
        orphaned = bool(self._parent) and os.getppid() != self._parent
        return orphaned or not self.marker.exists()

    def release(self) -> None:
        self.marker.unlink(missing_ok=True)
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def withdraw(self, patience: float = 30.0) -> bool:
        """Make whoever holds the checkout stop, and wait for it; False if nobody does.

        One that does not listen is killed; its guardian then ends what it had started.
        """
        self.lock.parent.mkdir(exist_ok=True)
        with self.lock.open("a+") as file:
            if _locks(file):
                return False
            self.marker.unlink(missing_ok=True)
            if not _until(lambda: _locks(file), patience):
                file.seek(0)
                os.kill(int(file.read().split()[0]), signal.SIGKILL)
                _until(lambda: _locks(file), 10.0)
        return True


def _locks(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _until(what: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
