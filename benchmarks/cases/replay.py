"""A run that remembers 990 outputs of 30 KiB is called again, five times; and one of 30 bytes."""

from __future__ import annotations

import statistics

from benchmarks.contenders import OUTPUTS, TINY_OUTPUTS, Contender
from benchmarks.options import Options
from benchmarks.processes import children, peak, threads
from benchmarks.results import Results
from benchmarks.stage import Site, Stage

TITLE = "Replay: a run with 990 remembered outputs of 30 KiB, and one with outputs of 30 bytes"
BYTES = {OUTPUTS.name: 30 * 1024, TINY_OUTPUTS.name: 30}
TIME, SIZE = "a replay, ms", "the worker at its largest, MiB"
# From when the run is due, its claim included, to where it stands again.
REPLAYS = """
SELECT 1000 * (extract(epoch FROM ended_at - started_at)::float8 - %s)
  FROM jobs_step
 WHERE kind = 'sleep' AND run_id = (SELECT id FROM jobs_run ORDER BY id DESC LIMIT 1)
"""
NAP = 1.5  # seconds: see app/functions.py; longer than a cluster looks ahead


def contenders(options: Options) -> list[Contender]:
    return [OUTPUTS, TINY_OUTPUTS]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    size = str(BYTES[contender.name])
    with stage.site(contender, CLUSTER_WORKERS="1", BENCH_OUTPUT=size) as site:
        site.play(1, 1, 0)
        rows = site.connection.execute(REPLAYS, [NAP]).fetchall()
        results.add("replay", contender.name, TIME, statistics.median(ms for (ms,) in rows))
        results.add("replay", contender.name, SIZE, largest(site))


def largest(site: Site) -> float:
    """Of the cluster's processes but for the pusher, which is the one with threads."""
    (sentinel,) = children(site.clusters[0].pid)
    *workers, _ = sorted(children(sentinel), key=threads)
    return max(map(peak, workers))
