"""A bulk cancel of queued runs, and what songs a second it leaves."""

from __future__ import annotations

import time
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
QUEUED, LINES = 10_000, 200
SONGS, HORIZON, READY = 3000, 20.0, 60.0  # seconds
SENT = f"SELECT count(*) FROM jobs_run WHERE fn_id = '{PARKED}' AND due_at <= now()"
CANCELLED = f"""
SELECT count(*), extract(epoch FROM min(ended_at))::float8,
       extract(epoch FROM max(ended_at))::float8
  FROM jobs_run WHERE fn_id = '{PARKED}' AND status = 'cancelled'
"""


def contenders(options: Options) -> list[Contender]:
    return [replace(SLEEPERS, name="ours")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """The first of each line sleeps, the rest is queued; songs flow before and meanwhile."""
    count, songs = options.queued or QUEUED, options.songs or SONGS
    with stage.site(contender) as site, prober(site) as asking:
        asking.send(PARKED, [{"userId": n % LINES} for n in range(count)])
        until(site, lambda: not site.connection.execute(SENT).fetchone()[0])
        without = flow.flow(site, songs, HORIZON)
        asking.cancel(PARKED)
        until(site, lambda: cancelled(site)[0] > 0)
        began, ended = flow.flow(site, songs, HORIZON, lambda: cancelled(site)[0] == count)
        done, first, last = cancelled(site)
        meanwhile = began, min(ended, last) if done == count else ended
        measured = {
            "queued runs": count,
            "not cancelled": count - done,
            "cancelled/s": done / max(last - first, 0.001),
        } | flow.compared(site, [without], [meanwhile])
    for metric, value in measured.items():
        results.add("bulk", contender.name, metric, value)


def until(site: Site, is_so: flow.Question) -> None:
    """Wait; what was before is to be over before something is measured."""
    deadline = time.monotonic() + READY
    while not is_so():
        if time.monotonic() > deadline:
            raise site.clusters[0].failure("has not come so far")
        time.sleep(0.1)


def cancelled(site: Site) -> tuple[int, float, float]:
    """How many, and when the first and the last."""
    count, first, last = site.connection.execute(CANCELLED).fetchone()
    return count, first or 0.0, last or 0.0
