"""What songs a second five open panels cost, while a thousand runs are in flight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from benchmarks import flow
from benchmarks.cases.bulk import SENT, until
from benchmarks.cases.web import GUNICORN, wait_for
from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.probes import prober
from benchmarks.processes import PATIENCE, Process, free_port
from benchmarks.results import Results, percentile
from benchmarks.sleepers import SLEEPERS
from benchmarks.sleeping import PARKED
from benchmarks.stage import Stage

TITLE = "Watched: songs/s with five open panels and a thousand runs in flight"
IN_FLIGHT = 1_000
SONGS, HORIZON, ROUNDS = 5000, 20.0, 6  # seconds of a window; windows of each sort, in turn
RUNS = "/admin/jobs/run/"
# What the pages' own attributes say: seconds between two looks, and the fragment.
PANELS = [
    (5.0, "/admin/?span=1h"),
    (10.0, "/admin/?span=1h&part=more"),
    (5.0, RUNS),
    (5.0, f"{RUNS}failures/"),
    (5.0, "/admin/jobs/registeredfunction/"),
    (5.0, "/admin/jobs/cluster/"),
]


def contenders(options: Options) -> list[Contender]:
    return [replace(SLEEPERS, name="ours")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    songs, port = options.songs or SONGS, free_port()
    with (
        stage.site(contender) as site,
        prober(site) as asking,
        web(stage, contender, port) as gunicorn,
    ):
        asking.send(PARKED, [{"userId": n} for n in range(IN_FLIGHT)])
        until(site, lambda: not site.connection.execute(SENT).fetchone()[0])
        alone, watched = [], []
        took: list[float] = []
        errors, spent = 0, 0.0
        for number in range(2 * ROUNDS):
            if number % 4 in (0, 3):  # the machine's speed drifts: neither sort is always the first
                alone.append(flow.flow(site, songs, HORIZON))
                continue
            before = gunicorn.cpu()
            with watchers(stage, contender, port) as told:
                watched.append(flow.flow(site, songs, HORIZON))
            spent += gunicorn.cpu() - before
            took += told["milliseconds"]
            errors += told["errors"]
        measured = flow.compared(site, alone, watched)
    seconds = sum(ended - began for began, ended in watched)
    measured |= {"fragments": len(took), "fragment p95, ms": percentile(took, 0.95)}
    measured |= {"site's CPU for them, ms a second": 1000 * spent / seconds}
    for metric, value in (measured | {"errors": errors}).items():
        results.add("watched", contender.name, metric, value)


@contextmanager
def web(stage: Stage, contender: Contender, port: int) -> Iterator[Process]:
    process = stage.start(contender, GUNICORN, "gunicorn", {"PORT": str(port)})
    try:
        wait_for(process, port)
        yield process
    finally:
        process.end()


@contextmanager
def watchers(stage: Stage, contender: Contender, port: int) -> Iterator[dict]:
    told: dict = {}
    process = stage.start(contender, ["-m", "benchmarks.watchers"], "watchers", {}, talks=True)
    try:
        process.read()
        process.ask({"port": port, "panels": PANELS}, PATIENCE)
        yield told
        told |= process.ask({"close": True}, PATIENCE)
    finally:
        process.end()
