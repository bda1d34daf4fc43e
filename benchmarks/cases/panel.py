"""Every page of the panel, and every part of it that moves, with a month of runs in the tables."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.results import Results, percentile
from benchmarks.stage import Stage

TITLE = "Panel: its pages with a million runs, five million steps and three million attempts"
RUNS, ROUNDS = 1_000_000, 20
PATIENCE = 3600.0  # seconds for the rows and all pages


def contenders(options: Options) -> list[Contender]:
    return [
        replace(OURS, name=f"{runs:,} runs", database=f"bench_panel_{runs}")
        for runs in options.history or [RUNS]
    ]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    stage.prepare(contender)
    asker = stage.start(contender, ["-m", "benchmarks.panel"], "panel", {}, talks=True)
    try:
        asker.read()
        runs = int(contender.database.rpartition("_")[2])
        told = asker.ask({"runs": runs, "rounds": ROUNDS}, PATIENCE)
    finally:
        asker.end()
    for page, figures in told.items():
        results.add("panel", contender.name, f"{page}, p95 ms", percentile(figures["ms"], 0.95))
        results.add("panel", contender.name, f"{page}, queries", figures["queries"])
        if "MiB" in figures:
            results.add("panel", contender.name, f"{page}, MiB more", figures["MiB"])
