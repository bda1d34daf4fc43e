"""A fresh run with no line each second, while songs flow in 32, 100 and 1,000 busy lines."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import flow
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.probes import prober
from benchmarks.results import Results
from benchmarks.stage import Stage

TITLE = "Fairness: how long a fresh run waits while busy lines flow"
LINES = (32, 100, 1000)
SONGS, TOGETHER = 10_000, 2000  # more than the window can make; in transactions of so many
EVERY, SECONDS, PATIENCE = 1.0, 20.0, 5.0


def contenders(options: Options) -> list[Contender]:
    return [replace(OURS, name=f"{lines:,} busy lines") for lines in LINES]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    lines = int(contender.name.partition(" ")[0].replace(",", ""))
    with stage.site(contender) as site, prober(site) as asking:
        site.order(options.songs or SONGS, lines, 0, TOGETHER)
        began = flow.now(site)
        asking.probe(EVERY, SECONDS)
        window = began, flow.now(site)
        left = site.unfinished()
        measured = asking.waits(PATIENCE) | {
            "songs/s meanwhile": flow.rate(flow.ends(site), window),
            "songs still to make": left,
        }
    for metric, value in measured.items():
        results.add("fairness", contender.name, metric, value)
