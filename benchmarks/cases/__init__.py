"""Every case: what it is called, who plays, and how."""

from __future__ import annotations

from benchmarks.cases import (
    bulk,
    discover,
    fairness,
    herd,
    history,
    intake,
    latency,
    memory,
    notify,
    overhead,
    panel,
    polling,
    pool,
    replay,
    retention,
    scale,
    slow,
    tried,
    turns,
    watched,
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
    "intake": intake,
    "notify": notify,
    "fairness": fairness,
    "herd": herd,
    "bulk": bulk,
    "retention": retention,
    "pool": pool,
    "panel": panel,
    "watched": watched,
    "discover": discover,
    "tried-dbos": tried.dbos,
    "tried-restate": tried.restate,
}
ONLY_IF_NAMED = {"tried-dbos", "tried-restate"}
CHARTED = {
    "overhead": [
        "songs/s",
        "songs/s, sender on the clock",
        "cluster's CPU, ms a song",
        "database's CPU, ms a song",
    ],
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
    "intake": ["single, 1 sender, events/s", "single, 16 senders, events/s"],
    "notify": [
        f"{count} senders, flush of {flush} ms, commits/s"
        for flush in notify.FLUSHES
        for count in notify.SENDERS
    ],
    "fairness": ["fresh started p50, ms", "fresh started p95, ms"],
    "herd": ["woken/s", "fresh started p95, ms"],
    "bulk": ["cancelled/s", "songs/s without", "songs/s meanwhile"],
    "retention": ["expired runs deleted/s", "songs/s without", "songs/s meanwhile"],
    "pool": ["songs/s", "started p50, ms", "completed p50, ms"],
    "watched": ["songs/s without", "songs/s meanwhile"],
    "panel": ["Operations, 1h, p95 ms", "list of runs, p95 ms", "part of Operations, p95 ms"],
    "discover": ["Discover, liked lately, p95 ms", "Discover, newest, p95 ms"],
    "tried-dbos": ["songs/s"],
    "tried-restate": ["songs/s"],
}
