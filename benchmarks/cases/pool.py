"""Overhead and latency through PgBouncer in transaction mode, beside a direct connection."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cases import latency, overhead
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.pool import Pool
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Pool: PgBouncer in transaction mode"
BESIDE = "ours"
POOLED, LISTENING = "through PgBouncer", "through PgBouncer, LISTEN direct"
SONGS, SINGLE = overhead.SONGS, 20


def contenders(options: Options) -> list[Contender]:
    return [OURS, replace(OURS, name=POOLED), replace(OURS, name=LISTENING)]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    if contender.name == BESIDE:
        measure(stage, options, results, contender, {})
        return
    with Pool(stage.server, stage.folder) as pool:
        changes = {"DATABASE_URL": pool.url(contender.database)}
        if contender.name == LISTENING:
            changes["DATABASE_LISTEN_URL"] = stage.server.url(contender.database)
        measure(stage, options, results, contender, changes)


def measure(
    stage: Stage,
    options: Options,
    results: Results,
    contender: Contender,
    changes: dict[str, str],
) -> None:
    """Both with the same clusters: songs one after the other, then all at once."""
    songs = options.songs or SONGS
    with stage.site(contender, **changes) as site:
        single = site.play_in_turn(SINGLE)
        played = site.play(songs, max(songs // overhead.A_USER, 1), 0)
    results.add("pool", contender.name, overhead.RATE, played.songs_per_second)
    latency.note("pool", results, contender, single)
