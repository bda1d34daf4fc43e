"""Every case: what it is called, who plays, and how."""

from __future__ import annotations

from benchmarks.cases import (
    history,
    latency,
    memory,
    overhead,
    polling,
    replay,
    scale,
    slow,
    turns,
    web,
)

CASES = {
    "overhead": overhead,
    "latency": latency,
    "polling": polling,
    "slow": slow,
    "turns": turns,
    "history": history,
    "scale": scale,
    "web": web,
    "memory": memory,
    "replay": replay,
}
CHARTED = {
    "overhead": ["songs/s", "cluster's CPU, ms a song", "database's CPU, ms a song"],
    "latency": ["started p50, ms", "started p95, ms", "completed p50, ms", "completed p95, ms"],
    "polling": ["started p50, ms", "completed p50, ms"],
    "slow": ["all done, s", "memory (PSS), MiB"],
    "turns": ["all done, s"],
    "history": ["songs/s"],
    "scale": ["songs/s"],
    "web": ["requests/s", "p50, ms", "p99, ms"],
    "memory": [
        f"{process} {when}"
        for process in ("a worker", "the pusher")
        for when in (memory.AFTER_FEW, memory.AFTER_MANY)
    ],
    "replay": [replay.TIME, replay.SIZE],
}
