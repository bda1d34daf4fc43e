"""A cluster's processes stop in order and die together.

1. Workers, monitor and pusher die with the sentinel, so that no orphan works on unseen. Linux tells
   of a parent's death (prctl(2), PR_SET_PDEATHSIG); elsewhere a supervisor must end a killed
   cluster's orphans.
2. SIGTERM means the main process alone, which lets the others finish. Service managers send it to
   all (systemd's KillMode=control-group, timeout(1)): the sentinel would die first and take the
   runs along.
3. So SIGKILL ends a stuck worker. The others' handler is a function, not SIG_IGN: a step's programs
   would inherit that and could not be stopped.
4. What steps started dies with its worker (orphans). The sentinel looks for it with each look at
   its processes, the main process after the sentinel's end. If the main process is killed, the
   sentinel ends everything, then itself.
5. A worker may have children, which multiprocessing forbids daemons: only its parent takes it for
   one.
6. The garbage collector would write to, and so copy, pages that forks share. So all there is at a
   fork is frozen.
7. multiprocessing forks by `ForkProcess._Popen`, the one private name used here. With a Python that
   forks otherwise a stuck worker is still killed, but (4) and (6) are lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import platform
import signal
import socket
import sys
from functools import cache
from multiprocessing import popen_fork
from multiprocessing.context import ForkContext, ForkProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, ClassVar

from django.core.checks import CheckMessage, Info, Warning

from jobs.lib.version_range import VersionRange
from jobs.platform.ipc import forked_copies
from jobs.platform.ipc.orphans import Orphans, adopt, children

logger = logging.getLogger("jobs.engine")

TESTED = VersionRange(
    "Python",
    platform.python_version,
    first=(3, 11),
    behind=(3, 12),
    id="jobs.I001",
    level=Info,
    otherwise="If it forks in a way that the engine does not know, jobs.W024 says so.",
)
PR_SET_PDEATHSIG = 1
ABANDONED = signal.SIGUSR1  # to the sentinel when the main process ended
END_PATIENCE = 2  # seconds for what steps left


@cache
def pid() -> int:
    """Cached: a worker needs it a dozen times a run."""
    return os.getpid()


@cache
def worker_name() -> str:
    return f"{socket.gethostname()}/{pid()}"


os.register_at_fork(after_in_child=pid.cache_clear)
os.register_at_fork(after_in_child=worker_name.cache_clear)


def end_with_main() -> None:
    """The sentinel calls this (4)."""
    signal.signal(ABANDONED, _end_everything)
    _hear_of_parents_end(ABANDONED)


def _end_everything(number: int, frame: FrameType | None) -> None:
    for pid in _Popen.living:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _Popen.orphans.end_all()
    os._exit(1)


def die_with_sentinel() -> None:
    """The sentinel calls this for its later forks."""
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


def ignore_sigterm() -> None:
    """The sentinel calls this; its forks inherit it."""
    signal.signal(signal.SIGTERM, _ignore)


def _ignore(number: int, frame: FrameType | None) -> None:
    """See (2)."""


class _Popen(popen_fork.Popen):
    living: ClassVar[dict[int, _Popen]] = {}
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
        self.kill()

    @classmethod
    def _tend(cls) -> None:
        """Children come first: a worker that ends later leaves its orphans to the next poll."""
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
    def start(self) -> None:
        super().start()
        if self.pid not in _Popen.living:
            logger.warning("%s", _forks_otherwise())

    def terminate(self) -> None:
        """See (3): multiprocessing's is a SIGTERM."""
        self.kill()

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:
        _let_go_of_the_unwritten()
        gc.freeze()  # (6)
        return _Popen(process_obj)

    def run(self) -> None:
        _Popen.living, _Popen.orphans = {}, Orphans()
        if not hasattr(self, "timer"):  # django-q2's workers have one
            super().run()
            return
        self.daemon = False  # (5)
        forked_copies.install()
        try:
            super().run()
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(END_PATIENCE)


def _let_go_of_the_unwritten() -> None:
    """What a full disk has not taken waits in its stream: multiprocessing flushes that with each
    fork, and the error would end the sentinel.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            with contextlib.suppress(AttributeError, ValueError):  # there is none, or it is closed
                stream.flush()
        except OSError:
            again = stream.encoding, stream.errors, None, False  # line by line, as before
            setattr(sys, name, os.fdopen(stream.fileno(), "w", 1, *again))


def _forks_otherwise() -> str:
    return (
        f"The multiprocessing of Python {platform.python_version()} forks in a way that the engine "
        "does not know: what a step has started may outlive its worker, and processes share less "
        "memory."
    )


def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A warning (`jobs.W024`) for a Python that forks otherwise (7)."""
    if "_Popen" in vars(ForkProcess):
        return []
    hint = "Run the clusters with a Python that the engine is tested with (README)."
    return [Warning(_forks_otherwise(), hint=hint, id="jobs.W024")]


class Context(ForkContext):
    Process = Process


def context() -> Context:
    return Context()


def is_alive(pid: int) -> bool:
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
