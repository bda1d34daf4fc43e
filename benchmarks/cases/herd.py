"""Sleepers that are due at the same second, and what unrelated runs wait for meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace

from benchmarks import flow, sleepers
from benchmarks.contenders import Contender
from benchmarks.options import Options
from benchmarks.probes import Prober, prober
from benchmarks.results import Results
from benchmarks.sleeping import EVENT, FN_ID
from benchmarks.stage import PATIENCE, Site, Stage

TITLE = "Herd: sleepers that are due at the same second"
COUNT = 10_000
EVERY, HORIZON, STARTED = 0.2, 60.0, 5.0  # seconds
A_SECOND = 20_000  # rows that are certainly given their time in a second
DUE = "UPDATE past SET due = now() + make_interval(secs => %s)"
WOKEN = """
SELECT count(*), extract(epoch FROM max(ended_at) - min(p.due))::float8
  FROM past p JOIN jobs_run r ON r.id = p.id WHERE r.ended_at IS NOT NULL
"""
LIKE = f"SELECT id FROM jobs_run WHERE fn_id = '{FN_ID}' AND status = 'waiting'"


def contenders(options: Options) -> list[Contender]:
    return [
        replace(sleepers.SLEEPERS, name=f"{count:,} sleepers")
        for count in options.sleepers or [COUNT]
    ]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    count = int(contender.name.partition(" ")[0].replace(",", ""))
    with stage.site(contender) as site, prober(site) as asking:
        sleepers.make(site.connection, one_that_sleeps(site, asking), count)
        due(site, count)
        asking.probe(EVERY, HORIZON, lambda: woken(site)[0] == count)
        done, took = woken(site)
        measured = {"sleepers": count, "not woken": count - done}
        measured |= {"woken/s": done / took if took else 0.0}
        measured |= {"all done, s": took} if done == count else {}
        measured |= asking.waits(STARTED)
    for metric, value in measured.items():
        results.add("herd", contender.name, metric, value)


def one_that_sleeps(site: Site, asking: Prober) -> str:
    """All others are copies of it."""
    asking.send(EVENT, [{}])
    deadline = time.monotonic() + PATIENCE
    while (found := site.connection.execute(LIKE).fetchone()) is None:
        if time.monotonic() > deadline:
            raise site.clusters[0].failure("lets nothing sleep")
        time.sleep(0.1)
    return str(found[0])


def due(site: Site, count: int) -> None:
    """All at the same moment; returns when that has come."""
    lead = 3 + count / A_SECOND
    site.connection.execute(DUE, [lead])
    moment = flow.now(site) + lead
    with site.connection.transaction():
        site.connection.execute(sleepers.DUE.format(table="jobs_run", own="t.id"))
        site.connection.execute(sleepers.DUE.format(table="jobs_step", own="t.run_id"))
    time.sleep(max(0.0, moment - flow.now(site)))


def woken(site: Site) -> tuple[int, float]:
    """How many are done, and seconds from the moment until the last of them."""
    count, seconds = site.connection.execute(WOKEN).fetchone()
    return count, seconds or 0.0
