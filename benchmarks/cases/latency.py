"""One song at a time, 50 times: from the order's commit to the first step, and to the end."""

from __future__ import annotations

from benchmarks.cases.overhead import contenders
from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.results import Results, percentile
from benchmarks.stage import Round, Stage

__all__ = ["TITLE", "contenders", "play"]

TITLE = "Latency: one song at a time, milliseconds after the order's commit"
SONGS = 50
DBOS_POLL = "0.01"  # seconds: DBOS polls, and here it may do so without pause


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    with stage.site(contender, BENCH_POLL=DBOS_POLL) as site:
        note("latency", results, contender, site.play_in_turn(SONGS))


def note(case: str, results: Results, contender: Contender, played: Round) -> None:
    for what, values in (("started", played.start_ms), ("completed", played.done_ms)):
        for name, share in (("p50", 0.5), ("p95", 0.95)):
            metric = f"{what} {name}, ms"
            results.add(case, contender.name, metric, percentile(values, share))
