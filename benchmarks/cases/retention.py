"""Forgetting what ended long ago, runs and their events, and what songs a second it leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from benchmarks import flow
from benchmarks.cases import history
from benchmarks.cases.bulk import until
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.probes import prober
from benchmarks.results import Results
from benchmarks.stage import Site, Stage

TITLE = "Retention: deleting expired runs while songs flow"
EXPIRED, DAYS = 100_000, 40
SONGS, HORIZON, ROUNDS = 3000, 20.0, 4  # seconds of a window; windows of each sort, in turn
FN_ID = "jobs-retention"
# As at the hour at which it looks.
BEGIN = f"UPDATE jobs_cronschedule SET next_at = clock_timestamp() WHERE fn_id = '{FN_ID}'"
LEFT = {
    "runs": "SELECT count(*) FROM jobs_run WHERE ended_at < now() - interval '30 days'",
    "events": "SELECT count(*) FROM jobs_event WHERE name = 'past'",
}


def contenders(options: Options) -> list[Contender]:
    return [replace(OURS, database="bench_retention")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    """In half of the windows retention is paused: the machine's speed drifts by more than it
    costs.
    """
    count, songs = options.expired or EXPIRED, options.songs or SONGS
    with stage.site(contender) as site, prober(site) as asking:
        asking.resume(FN_ID)
        history.make(site.connection, count, ago=DAYS)
        site.connection.execute(BEGIN)
        until(site, lambda: left(site)["runs"] < count)
        alone, meanwhile = [], []
        deleted: Counter[str] = Counter()
        for number in range(2 * ROUNDS):
            if number % 4 in (0, 3):
                asking.pause(FN_ID)
                alone.append(flow.flow(site, songs, HORIZON))
                continue
            asking.resume(FN_ID)
            before = Counter(left(site))
            meanwhile.append(flow.flow(site, songs, HORIZON))
            deleted += before - Counter(left(site))
        seconds = sum(ended - began for began, ended in meanwhile)
        measured: dict[str, float] = {"expired runs": count}
        measured |= {f"expired {what} deleted/s": deleted[what] / seconds for what in LEFT}
        measured |= {f"expired {what} left": number for what, number in left(site).items()}
        measured |= flow.compared(site, alone, meanwhile)
    for metric, value in measured.items():
        results.add("retention", contender.name, metric, value)


def left(site: Site) -> dict[str, int]:
    ask = site.connection.execute
    return {what: ask(question).fetchone()[0] for what, question in LEFT.items()}
