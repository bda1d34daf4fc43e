"""One supervisor (`manage.py up`) for each checkout, and how it is asked to stop.

1. The supervisor holds the lock on `.local/run.lock`, which contains its process number. The
   kernel frees the lock when the process ends, so a lock is never stale.
2. The supervisor runs as long as `.local/running` exists. `make stop` deletes the file. An
   interrupted `make run` deletes it too, because it is the target of that rule; make does not
   pass on an interrupt that was sent to make alone.
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


class InstanceLock:
    def __init__(self, base: Path) -> None:
        self.lock = base / ".local" / "run.lock"
        self.marker = base / ".local" / "running"
        self._file: TextIO | None = None
        self._parent = os.getppid() if "MAKELEVEL" in os.environ else 0

    def acquire(self, address: str) -> None:
        """Hold the checkout until `release`. Raises Occupied if another supervisor holds it."""
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
        """Whether the supervisor has to stop: its file was deleted, or its make has ended."""
        orphaned = bool(self._parent) and os.getppid() != self._parent
        return orphaned or not self.marker.exists()

    def release(self) -> None:
        self.marker.unlink(missing_ok=True)
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def withdraw(self, patience: float = 30.0) -> bool:
        """Ask the checkout's supervisor to stop, and wait for it. False if none runs.

        After `patience` seconds the supervisor is killed; its watchdog then ends its parts.
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
