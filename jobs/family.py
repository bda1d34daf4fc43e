"""A cluster is a family of processes that dies together: no orphan goes on working unseen.

Linux tells a process of its parent's death (prctl(2), PR_SET_PDEATHSIG); elsewhere these calls do
nothing, and a supervisor has to bury the orphans of a killed cluster.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


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
