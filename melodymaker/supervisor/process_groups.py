"""End a part and every process that it started. Each part leads a process group of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress


def end(leaders: Iterable[int], alive: Callable[[int], bool], patience: float) -> None:
    """Send SIGTERM to the leader of each group, and kill what is left of it after `patience`.

    Only the leader gets the SIGTERM: gunicorn and django-q2 end their own processes in order.
    """
    leaders = list(leaders)
    deadline = time.monotonic() + patience
    for leader in filter(alive, leaders):
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    while any(map(alive, leaders)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for leader in leaders:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
