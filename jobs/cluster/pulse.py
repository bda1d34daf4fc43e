from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from jobs import conf
from jobs.cluster.worker_table import WorkerTable
from jobs.execution.current_step import decode_current_step

MAX_AT_WORK = 50  # workers whose steps are reported


def pulse_of(worker_table: WorkerTable, workers: int, stat: Any = None) -> dict[str, Any]:
    """A cluster's report in its row:

    - "looked", "claimed": in seconds ago, or null for never; "problem": a text;
    - "at_work", "workers": numbers of processes; "at": [process, run, step, seconds at this step];
    - "in_flight", "limit": requests of its gateway;
    - "pid", "pusher": numbers of its main process and pusher, from django-q2's `stat`;
    - "memory": bytes of its processes' own; null where unreadable;
    - "secrets": a keyed digest of each secret, to compare clusters.
    """
    status = worker_table.pusher_status()
    entries = [entry for entry in worker_table.entries() if entry.run_id is not None]
    pids = _processes(stat)
    return {
        "looked": _ago(status.looked),
        "claimed": _ago(status.claimed),
        "problem": status.problem,
        "at_work": len(entries),
        "workers": workers,
        "at": [_at(entry.pid, entry.run_id, entry.step) for entry in entries[:MAX_AT_WORK]],
        "in_flight": status.in_flight,
        "limit": conf.gateway_limit(),
        "pid": getattr(stat, "pid", None),
        "pusher": getattr(stat, "pusher", None),
        "memory": _memory(pids),
        "secrets": _digests(),
    }


def _ago(moment: float) -> float | None:
    return round(max(time.monotonic() - moment, 0.0), 1) if moment else None


def _at(pid: int, run_id: Any, current_step: str) -> tuple[int, str, str, float | None]:
    found = decode_current_step(current_step, run_id)
    step, seconds = (found[0].name, round(found[1], 1)) if found else ("", None)
    return pid, str(run_id), step, seconds


def _processes(stat: Any) -> list[int]:
    names = ("pid", "sentinel", "pusher", "monitor")
    found = [getattr(stat, name, 0) for name in names] + list(getattr(stat, "workers", []))
    return [pid for pid in dict.fromkeys(found) if isinstance(pid, int) and pid]


def _memory(pids: Iterable[int]) -> int | None:
    """Resident memory that is no file's; each process counts pages that forks share."""
    sizes = [size for size in map(_own_pages, pids) if size is not None]
    return sum(sizes) * os.sysconf("SC_PAGE_SIZE") if sizes else None


def _own_pages(pid: int) -> int | None:
    try:
        _, resident, of_files, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return None
    return int(resident) - int(of_files)


@cache
def _digests() -> dict[str, str]:
    """A cluster reads its settings once."""
    key = settings.SECRET_KEY.encode()
    values = {name: getattr(settings, name, "") for name in conf.secrets()}
    return {
        name: hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[:8]
        for name, value in values.items()
        if value
    }
