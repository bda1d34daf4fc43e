"""The overhead case with a peer's configurations that were tried; the best one is the contender.

Only where it is asked for by its name: it says how the peers came to be set up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from benchmarks.cases import overhead
from benchmarks.contenders import DBOS, RESTATE, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Stage

SONGS = 1000
CPU = ["cluster's CPU, ms a song", "database's CPU, ms a song"]


@dataclass(frozen=True)
class Tried:
    """`configurations`: name → processes that are started, and what they are told."""

    name: str
    peer: Contender
    configurations: dict[str, tuple[int, dict[str, str]]]

    @property
    def TITLE(self) -> str:
        return f"Tried: configurations of {self.peer.name}"

    def contenders(self, options: Options) -> list[Contender]:
        if self.peer.name not in options.peers:
            return []
        return [
            replace(self.peer, name=name, clusters=count, environment=tuple(told.items()))
            for name, (count, told) in self.configurations.items()
        ]

    def play(self, stage: Stage, options: Options, results: Results, contender: Contender) -> None:
        songs = options.songs or SONGS
        with stage.site(contender) as site:
            played = site.play(songs, max(songs // overhead.A_USER, 1), 0)
        measured = {overhead.RATE: played.songs_per_second}
        for metric, value in (measured | {cpu: played.spent[cpu] for cpu in CPU}).items():
            results.add(self.name, contender.name, metric, value)


def _dbos(processes: int, threads: int, poll: float) -> tuple[int, dict[str, str]]:
    return processes, {"BENCH_THREADS": str(threads), "BENCH_POLL": str(poll)}


def _restate(processes: int, threads: int, streams: int = 128) -> tuple[int, dict[str, str]]:
    """128 invocations a connection are Restate's default."""
    limit = {"RESTATE_WORKER__INVOKER__HTTP2_STREAMS_PER_CONNECTION_LIMIT": str(streams)}
    return 1, {
        "BENCH_PROCESSES": str(processes),
        "BENCH_THREADS": str(threads),
        "BENCH_RESTATE": json.dumps(limit),
    }


dbos = Tried(
    "tried-dbos",
    DBOS,
    {
        "1 process × 16 threads, 50 ms": _dbos(1, 16, 0.05),
        "2 × 8, 100 ms": _dbos(2, 8, 0.1),
        "2 × 8, 50 ms": _dbos(2, 8, 0.05),
        "2 × 16, 50 ms": _dbos(2, 16, 0.05),
        "4 × 4, 100 ms": _dbos(4, 4, 0.1),
    },
)
restate = Tried(
    "tried-restate",
    RESTATE,
    {
        "1 process × 4 threads": _restate(1, 4),
        "1 × 8": _restate(1, 8),
        "2 × 4": _restate(2, 4),
        "2 × 4, 16 a connection": _restate(2, 4, 16),
        "4 × 2": _restate(4, 2),
    },
)
