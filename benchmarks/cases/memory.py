"""Clusters with DEBUG, after 100 and after 10,000 steps with statements of 1 kB written by hand."""

from __future__ import annotations

import statistics

from benchmarks.contenders import STATEMENTS, Contender
from benchmarks.options import Options
from benchmarks.processes import Process, children, resident, threads
from benchmarks.results import Results
from benchmarks.stage import WARM_UP, Stage

TITLE = "Memory: what a process holds, with DEBUG, after steps with statements of 1 kB"
RUNS, STEPS = 2000, 5  # a run's steps: see app/functions.py
AFTER_FEW, AFTER_MANY = (f"after {runs * STEPS:,} steps, MiB" for runs in (WARM_UP, RUNS))


def contenders(options: Options) -> list[Contender]:
    return [STATEMENTS]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """`--songs` runs, instead of as many as make the 10,000."""
    with stage.site(contender, DEBUG="1") as site:
        note(results, contender, AFTER_FEW, site.clusters[0])
        runs = options.songs or RUNS - WARM_UP
        site.play(runs, runs, 0)
        note(results, contender, AFTER_MANY, site.clusters[0])


def note(results: Results, contender: Contender, when: str, cluster: Process) -> None:
    """The pusher is the one with threads; the monitor, which does nothing, counts as a worker."""
    (sentinel,) = children(cluster.pid)
    *workers, pusher = sorted(children(sentinel), key=threads)
    worker = statistics.mean(map(resident, workers))
    results.add("memory", contender.name, f"a worker {when}", worker)
    results.add("memory", contender.name, f"the pusher {when}", resident(pusher))
