"""Process numbers from PostgreSQL's lock files. Another program may have the number by now."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path


def pid_in(lock: Path) -> int:
    """The number on a lock file's first line; 0 if there is none."""
    try:
        first = lock.read_text().partition("\n")[0].strip()
    except FileNotFoundError:
        return 0
    return int(first) if first.isdigit() else 0


def is_postgres(pid: int) -> bool:
    """Whether a process with this number is alive and is a PostgreSQL server.

    A zombie counts as dead: in a container without an init process a killed server stays one.
    """
    if not pid:
        return False
    name, state = _linux(pid) if Path("/proc/self/stat").exists() else _elsewhere(pid)
    return "postgres" in name and not state.startswith("Z")


def end_postgres(pid: int, patience: float = 10.0) -> None:
    """End a PostgreSQL server at once, without a clean shutdown. Other processes are left alone."""
    deadline = time.monotonic() + patience
    if is_postgres(pid):
        os.kill(pid, signal.SIGQUIT)
    while is_postgres(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def _linux(pid: int) -> tuple[str, str]:
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return "", ""
    return before.partition("(")[2], after.strip()


def _elsewhere(pid: int) -> tuple[str, str]:
    command = ["ps", "-o", "stat=", "-o", "comm=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    state, _, name = shown.stdout.strip().partition(" ")
    return name, state
