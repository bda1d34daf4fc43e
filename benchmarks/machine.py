"""What it was measured on."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def describe(folder: Path) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "fdatasync_ms": round(fdatasync(folder), 2),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


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
