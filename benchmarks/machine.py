"""What it was measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

QUIET = 0.1


def describe(folder: Path) -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "fdatasync_ms": round(fdatasync(folder), 2),
    }


def commit(root: Path) -> str:
    """Which state of the project was measured. What is published in docs while cases are measured
    one after the other makes it no other state."""
    git = ["git", "-C", str(root)]
    told = subprocess.run([*git, "describe", "--always"], capture_output=True, text=True)
    changes = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"]
    changed = subprocess.run(changes, capture_output=True, text=True)
    return (told.stdout.strip() or "unknown") + ("-dirty" if changed.stdout else "")


def wait_for_quiet(patience: float) -> float:
    """Wait for others to use less than a tenth of the machine, so long; what they use then."""
    deadline = time.monotonic() + patience
    while (used := busy()) > QUIET and time.monotonic() < deadline:
        time.sleep(2)
    return used


def busy(seconds: float = 1.0) -> float:
    """What share of all cores others use just now, from 0 to 1: measured while we do nothing."""
    before = _cpu()
    time.sleep(seconds)
    total, idle = (now - then for now, then in zip(_cpu(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _cpu() -> tuple[int, int]:
    """Ticks of all cores since the start: all, and idle or waiting for the disk."""
    ticks = [int(n) for n in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def fdatasync(folder: Path, times: int = 100) -> float:
    """Milliseconds to have 8 KiB of an existing file on the disk: the price of a commit."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(8192 * times))
        os.fsync(file.fileno())
        file.seek(0)
        began = time.monotonic()
        for _ in range(times):
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
        return (time.monotonic() - began) * 1000 / times
