"""Process numbers that PostgreSQL wrote into its lock files, and whether they still mean it."""

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
    """Whether a process with this number lives and is a PostgreSQL server.

    A zombie does not live: in a container without an init nobody collects a killed server.
    """
    if not pid:
        return False
    name, state = _linux(pid) if Path("/proc/self/stat").exists() else _elsewhere(pid)
    return "postgres" in name and not state.startswith("Z")


def end_postgres(pid: int, patience: float = 10.0) -> None:
    """End a server at once, without a shutdown of its data; nothing if it is none."""
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
