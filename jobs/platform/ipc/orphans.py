"""What the processes of steps leave behind when they end: found, and ended.

A process whose parent has ended belongs to the nearest of its ancestors that has asked the kernel
for it (prctl(2), PR_SET_CHILD_SUBREAPER): here a cluster's sentinel, and its main process when the
sentinel is gone. So whatever a step has started, by a fork or as a program, and whatever that has
started, is a child of one of the two when its worker is gone.

1. An orphan that comes while every worker lives has lost a parent of its own: a program that put
   itself into the background, say. It is left alone as long as the cluster lives.
2. One that comes with the death of a worker is the dead worker's: it gets SIGTERM, and SIGKILL a
   second later. So do those that it leaves behind in turn.
3. Linux alone has this, with a /proc that names a process's children (CONFIG_PROC_CHILDREN, which
   distributions set). Elsewhere nothing is found, and nothing ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 1.0  # seconds from SIGTERM to SIGKILL
LONGEST = 3.0  # seconds: what does not end of SIGKILL waits for a device, and is left to the system
GLANCE = 0.02


def adopt() -> None:
    """Have this process be given the orphans among its descendants."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """This process's, with those that have ended and have not been waited for."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as names:
                found.update(map(int, names.read().split()))
    return found


class Orphans:
    """Those of this process."""

    def __init__(self) -> None:
        self._left_alone: set[int] = set()
        self._kill_at: dict[int, float] = {}  # those that have got SIGTERM

    def tend(self, present: set[int]) -> None:
        """These are there, and no worker has died: they are left alone, but for what those that are
        being ended have left behind in turn."""
        present = self._living(present)
        self._kill_at = {pid: at for pid, at in self._kill_at.items() if pid in present}
        if self._kill_at:
            self._end(present - self._left_alone)
        else:
            self._left_alone = present

    def end_new(self, present: set[int]) -> None:
        """These are there, and a worker has died: all that were not there before are its."""
        self._end(self._living(present) - self._left_alone)

    def end_all(self) -> None:
        """End every child that this process has, and wait until they have ended."""
        deadline = time.monotonic() + LONGEST
        while (present := self._living(children())) and time.monotonic() < deadline:
            self._end(present)
            time.sleep(GLANCE)

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
        """Without those that have ended, which are reaped."""
        return {pid for pid in pids if not _has_ended(pid)}


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
