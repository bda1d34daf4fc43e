"""A bulk cancel of queued runs, and what songs a second it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks import flow
from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.probes import prober
from benchmarks.results import Results
from benchmarks.sleepers import SLEEPERS
from benchmarks.sleeping import PARKED
from benchmarks.stage import Site, Stage

TITLE = "Bulk: cancelling queued runs while songs flow"
QUEUED, LINES = 40_000, 200
ROUNDS = 4  # windows of each sort, in turn
SONGS, READY = 2000, 60.0  # of a window; seconds
SENT = f"SELECT count(*) FROM jobs_run WHERE fn_id = '{PARKED}' AND due_at <= now()"
# The question must cost the songs nothing: of the action's own run.
ACTING = """
SELECT ended_at IS NULL FROM jobs_run WHERE fn_id = 'jobs-bulk' ORDER BY id DESC LIMIT 1
"""
UNFINISHED = """
SELECT EXISTS (SELECT FROM (SELECT fn_id FROM jobs_run WHERE ended_at IS NULL
                             ORDER BY id DESC OFFSET 0) unfinished WHERE fn_id = ANY(%s))
"""
TELLER = "jobs-cancellation-events"  # writes the events of what was cancelled, a little later
TOLD = "SELECT count(*) FROM jobs_event WHERE name = 'jobs/function.cancelled'"
CANCELLED = f"""
SELECT count(*), extract(epoch FROM max(ended_at))::float8
  FROM jobs_run WHERE fn_id = '{PARKED}' AND status = 'cancelled'
"""


def contenders(options: Options) -> list[Contender]:
    return [replace(SLEEPERS, name="ours")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """The first of each line sleeps, the rest is queued. A part of them is cancelled in each window
    of the one sort: the machine's speed drifts by more than it costs. Those of the other are as
    long as the last of the one, since the ordering of a window's songs is a part of it.
    """
    count, songs = options.queued or QUEUED, options.songs or SONGS
    with stage.site(contender) as site, prober(site) as asking:
        alone, meanwhile, done = [], [], 0
        for number in range(2 * ROUNDS):
            if number % 4 in (1, 2):
                began, ended = meanwhile[-1]
                alone.append(flow.flow(site, songs, ended - began))
                continue
            asking.send(PARKED, [{"userId": n % LINES} for n in range(count // ROUNDS)])
            until(site, lambda: not site.connection.execute(SENT).fetchone()[0])
            before = cancelled(site)[0]
            meanwhile.append(beside_songs(site, songs, lambda: asking.cancel(PARKED)))
            done += cancelled(site)[0] - before
            until(site, lambda: not waiting(site))
        measured = {
            "queued runs": count,
            "not cancelled": count - done,
            "not told of": count - site.connection.execute(TOLD).fetchone()[0],
            "cancelled/s": done / sum(then - before for before, then in meanwhile),
        } | flow.compared(site, alone, meanwhile)
    for metric, value in measured.items():
        results.add("bulk", contender.name, metric, value)


def beside_songs(site: Site, songs: int, cancel: Callable[[], object]) -> flow.Window:
    """To the last run that is cancelled."""
    began, ended = flow.flow(site, songs, READY, lambda: not acting(site), cancel)
    return began, min(ended, cancelled(site)[1])


def until(site: Site, is_so: flow.Question) -> None:
    """Wait; what was before is to be over before something is measured."""
    deadline = time.monotonic() + READY
    while not is_so():
        if time.monotonic() > deadline:
            raise site.clusters[0].failure("has not come so far")
        time.sleep(0.1)


def acting(site: Site) -> bool:
    return bool(site.connection.execute(ACTING).fetchone()[0])


def waiting(site: Site) -> bool:
    return bool(site.connection.execute(UNFINISHED, [[PARKED, TELLER]]).fetchone()[0])


def cancelled(site: Site) -> tuple[int, float]:
    """How many, and when the last."""
    count, last = site.connection.execute(CANCELLED).fetchone()
    return count, last or 0.0
