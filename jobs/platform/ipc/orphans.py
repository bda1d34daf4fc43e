"""Ends what the processes of steps leave behind.

The kernel gives orphans to the nearest ancestor that asked (prctl(2), PR_SET_CHILD_SUBREAPER): the
sentinel, or without one the main process.

1. An orphan that appears while all workers live lost another parent (a program went into the
   background) and is left alone.
2. One that appears with a worker's death is that worker's: it and its own orphans get SIGTERM, a
   second later SIGKILL.
3. Only Linux has this, with a /proc that lists children (CONFIG_PROC_CHILDREN, usual in
   distributions).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 1.0  # seconds
MAX_WAIT = 3.0  # seconds: a process that survives SIGKILL waits for a device
POLL_INTERVAL = 0.02


def adopt() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Ended ones included."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as names:
                found.update(map(int, names.read().split()))
    return found


class Orphans:
    def __init__(self) -> None:
        self._left_alone: set[int] = set()
        self._kill_at: dict[int, float] = {}  # got SIGTERM

    def tend(self, present: set[int]) -> None:
        """No worker died: end only orphans of those being ended."""
        present = self._living(present)
        self._kill_at = {pid: at for pid, at in self._kill_at.items() if pid in present}
        if self._kill_at:
            self._end(present - self._left_alone)
        else:
            self._left_alone = present

    def end_new(self, present: set[int]) -> None:
        """A worker died: it has left the children that are new here, so they are ended."""
        self._end(self._living(present) - self._left_alone)

    def end_all(self) -> None:
        deadline = time.monotonic() + MAX_WAIT
        while (present := self._living(children())) and time.monotonic() < deadline:
            self._end(present)
            time.sleep(POLL_INTERVAL)

    def _end(self, pids: set[int]) -> None:
        now = time.monotonic()
        for pid in pids:
            if pid not in self._kill_at:
                self._kill_at[pid] = now + PATIENCE
                _signal(pid, signal.SIGTERM)
            elif now >= self._kill_at[pid]:
                _signal(pid, signal.SIGKILL)

    @staticmethod
    def _living(pids: set[int]) -> set[int]:
        return {pid for pid in pids if not _has_ended(pid)}


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
