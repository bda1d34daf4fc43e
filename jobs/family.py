"""A cluster is a family of processes that stops in its order and dies together.

1. No orphan goes on working unseen. Linux tells a process of its parent's death (prctl(2),
   PR_SET_PDEATHSIG); elsewhere these calls do nothing, and a supervisor has to bury the orphans of
   a killed cluster.
2. SIGTERM means the main process alone, which has the others finish what they hold. A service
   manager sends it to every process (systemd's KillMode=control-group, timeout(1)), and by default
   the sentinel would die of it first and take the runs with it.
3. So django-q2's way to end a stuck worker is SIGKILL. The others' handler is a function and not
   SIG_IGN: programs that a step starts would inherit that, and could not be stopped.
4. Pages are shared until somebody writes to them, and the garbage collector writes to every object
   that it looks at. So whatever there is at a fork is frozen: no collection looks at it again.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
from functools import cache
from multiprocessing import popen_fork
from multiprocessing.context import BaseContext, ForkContext, ForkProcess
from multiprocessing.process import BaseProcess
from types import FrameType

PR_SET_PDEATHSIG = 1


@cache
def number() -> int:
    """This process's, asked for once: a worker needs it a dozen times a run."""
    return os.getpid()


@cache
def name() -> str:
    """This process's, as operators read it."""
    return f"{socket.gethostname()}/{number()}"


os.register_at_fork(after_in_child=number.cache_clear)
os.register_at_fork(after_in_child=name.cache_clear)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, for whatever reason."""
    parent = os.getppid()
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended between the two calls
        os.kill(os.getpid(), signal.SIGKILL)


def die_with_sentinel() -> None:
    """Have every process that this one forks from now on die with it: called by the sentinel."""
    sentinel = os.getpid()

    def in_child() -> None:
        if os.getppid() == sentinel:
            die_with_parent()

    os.register_at_fork(after_in_child=in_child)


def leave_stopping_to_main() -> None:
    """Called by the sentinel; those that it forks inherit it."""
    signal.signal(signal.SIGTERM, _not_meant)


def _not_meant(number: int, frame: FrameType | None) -> None:
    """See (2)."""


class _Popen(popen_fork.Popen):
    """What ends a process, for django-q2 and for multiprocessing's own exit: see (3)."""

    def terminate(self) -> None:
        self.kill()


class Process(ForkProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:
        gc.freeze()  # see (4)
        return _Popen(process_obj)


class Context(ForkContext):
    Process = Process


def context() -> BaseContext:
    """As django-q2's get_mp_context()."""
    return Context()
