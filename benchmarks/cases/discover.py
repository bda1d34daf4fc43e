"""Every public page, with 200,000 public songs in the tables."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.results import Results, percentile
from benchmarks.stage import Stage

TITLE = "Discover: the public pages with 200,000 public songs"
SONGS, ROUNDS = 200_000, 50
PATIENCE = 1200.0  # seconds for the rows and all pages


def contenders(options: Options) -> list[Contender]:
    songs = options.songs or SONGS
    return [replace(OURS, name=f"{songs:,} songs", database=f"bench_discover_{songs}")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    stage.prepare(contender)
    asker = stage.start(contender, ["-m", "benchmarks.discover"], "discover", {}, talks=True)
    try:
        asker.read()
        told = asker.ask({"songs": options.songs or SONGS, "rounds": ROUNDS}, PATIENCE)
    finally:
        asker.end()
    for page, figures in told.items():
        results.add("discover", contender.name, f"{page}, p95 ms", percentile(figures["ms"], 0.95))
        results.add("discover", contender.name, f"{page}, queries", figures["queries"])
