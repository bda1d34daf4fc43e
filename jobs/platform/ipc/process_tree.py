"""A cluster's processes stop in order and die together.

1. No orphan works on unseen. Linux signals a parent's death (prctl(2), PR_SET_PDEATHSIG): workers,
   monitor and pusher die with the sentinel. Elsewhere a supervisor has to end a killed cluster's
   processes.
2. Only the main process acts on SIGTERM, and lets the others finish. Service managers signal every
   process (systemd's KillMode=control-group, timeout(1)); the sentinel would die first and take the
   runs with it.
3. So django-q2's `terminate()` has to send SIGKILL. SIGTERM's handler is a function: a step's
   programs would inherit SIG_IGN and could not be stopped.
4. A step's processes die with its worker (orphans). The sentinel looks for them whenever it polls,
   and the main process when the sentinel ended. If the main process is killed, the sentinel ends
   all others, then itself.
5. A worker may have children, which multiprocessing forbids to daemons. At its end it waits
   END_PATIENCE for a step's processes and threads.
6. Forks share memory pages until a write, and the garbage collector writes to each object. So
   objects are frozen at a fork, and it skips them.
"""

from __future__ import annotations

import contextlib
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
from typing import ClassVar

from jobs.platform.ipc import forked_copies
from jobs.platform.ipc.orphans import Orphans, adopt, children

PR_SET_PDEATHSIG = 1
ABANDONED = signal.SIGUSR1  # to the sentinel when the main process ended
END_PATIENCE = 2  # seconds


@cache
def number() -> int:
    """This process's pid, cached: a worker needs it a dozen times a run."""
    return os.getpid()


@cache
def name() -> str:
    return f"{socket.gethostname()}/{number()}"


os.register_at_fork(after_in_child=number.cache_clear)
os.register_at_fork(after_in_child=name.cache_clear)


def end_with_main() -> None:
    """The sentinel calls this: see (4)."""
    signal.signal(ABANDONED, _end_everything)
    _hear_of_parents_end(ABANDONED)


def _end_everything(number: int, frame: FrameType | None) -> None:
    for pid in _Popen.living:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _Popen.orphans.end_all()
    os._exit(1)


def die_with_sentinel() -> None:
    """The sentinel calls this: its later forks die with it."""
    sentinel = os.getpid()

    def in_child() -> None:
        if os.getppid() == sentinel:
            signal.signal(ABANDONED, signal.SIG_DFL)
            _hear_of_parents_end(signal.SIGKILL)

    os.register_at_fork(after_in_child=in_child)


def _hear_of_parents_end(number: signal.Signals) -> None:
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended between the two calls
        os.kill(os.getpid(), number)


def leave_stopping_to_main() -> None:
    """The sentinel calls this; its forks inherit the handler."""
    signal.signal(signal.SIGTERM, _not_meant)


def _not_meant(number: int, frame: FrameType | None) -> None:
    """See (2)."""


class _Popen(popen_fork.Popen):
    """How a parent starts, polls and ends its process."""

    living: ClassVar[dict[int, _Popen]] = {}  # this process's children, by pid
    orphans: ClassVar[Orphans] = Orphans()

    def __init__(self, process_obj: BaseProcess) -> None:
        adopt()
        super().__init__(process_obj)
        self.living[self.pid] = self

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        code: int | None = super().poll(flag)
        self._tend()
        return code

    def terminate(self) -> None:
        """See (3)."""
        self.kill()

    @classmethod
    def _tend(cls) -> None:
        """See (4). Children come first: a worker that ends later leaves its orphans to the next
        poll."""
        present = children().difference(cls.living)
        ended = [pid for pid, one in cls.living.items() if popen_fork.Popen.poll(one) is not None]
        for pid in ended:
            del cls.living[pid]
        if not ended:
            cls.orphans.tend(present)
        elif cls.living:
            cls.orphans.end_new(children().difference(cls.living))
        else:
            cls.orphans.end_all()


class Process(ForkProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:
        gc.freeze()  # see (6)
        return _Popen(process_obj)

    def run(self) -> None:
        _Popen.living, _Popen.orphans = {}, Orphans()
        if not hasattr(self, "timer"):  # django-q2's workers have one
            super().run()
            return
        self.daemon = False  # see (5)
        forked_copies.release()
        try:
            super().run()
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(END_PATIENCE)


class Context(ForkContext):
    Process = Process


def context() -> BaseContext:
    return Context()


def is_alive(pid: int) -> bool:
    """Whether this machine has the process, and it is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rsplit(b")", 1)[-1].split()[0] == b"Z"
    except (OSError, IndexError):
        return False
