"""Forgetting what ended long ago, runs and their events, and what songs a second it leaves."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import flow
from benchmarks.cases import history
from benchmarks.cases.bulk import until
from benchmarks.contenders import OURS, Contender
from benchmarks.options import Options
from benchmarks.results import Results
from benchmarks.stage import Site, Stage

TITLE = "Retention: deleting expired runs while songs flow"
EXPIRED, DAYS = 100_000, 40
SONGS, HORIZON = 3000, 25.0  # seconds
# As at the hour at which it looks.
BEGIN = "UPDATE jobs_cronschedule SET next_at = clock_timestamp() WHERE fn_id = 'jobs-retention'"
LEFT = {
    "runs": "SELECT count(*) FROM jobs_run WHERE ended_at < now() - interval '30 days'",
    "events": "SELECT count(*) FROM jobs_event WHERE name = 'past'",
}


def contenders(options: Options) -> list[Contender]:
    return [replace(OURS, database="bench_retention")]


def play(stage: Stage, options: Options, results: Results, contender: Contender) -> None:
    count, songs = options.expired or EXPIRED, options.songs or SONGS
    with stage.site(contender) as site:
        history.make(site.connection, count, ago=DAYS)
        without = flow.flow(site, songs, HORIZON)
        site.connection.execute(BEGIN)
        until(site, lambda: Progress(site).left["runs"] < count)
        progress = Progress(site)
        meanwhile = flow.flow(site, songs, HORIZON, progress.is_over)
        progress.is_over()
        measured = {"expired runs": count} | progress.rates()
        measured |= flow.compared(site, without, meanwhile)
    for metric, value in measured.items():
        results.add("retention", contender.name, metric, value)


class Progress:
    """How much of each kind is left, and when there was first nothing."""

    def __init__(self, site: Site) -> None:
        self._site, self._began = site, flow.now(site)
        self.first = self.left = self._count()
        self._ended = dict.fromkeys(LEFT, 0.0)

    def is_over(self) -> bool:
        self.left, now = self._count(), flow.now(self._site)
        for what, left in self.left.items():
            if left or not self._ended[what]:
                self._ended[what] = now
        return not any(self.left.values())

    def rates(self) -> dict[str, float]:
        told: dict[str, float] = {}
        for what, left in self.left.items():
            seconds = self._ended[what] - self._began
            told[f"expired {what} deleted/s"] = (self.first[what] - left) / seconds
            told[f"expired {what} left"] = left
        return told

    def _count(self) -> dict[str, int]:
        ask = self._site.connection.execute
        return {what: ask(question).fetchone()[0] for what, question in LEFT.items()}
