"""Fresh runs beside what else a cluster has to do: how long each waits until it starts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.flow import Question
from benchmarks.processes import PATIENCE, Process
from benchmarks.results import percentile
from benchmarks.stage import Site

ASKING = 120.0  # seconds, for a long list
# Those that have not started count with what they have waited so far.
WAITS = """
SELECT 1000 * extract(epoch FROM coalesce(s.started_at, clock_timestamp())
                                 - pg_xact_commit_timestamp(o.xmin))::float8,
       s.started_at IS NULL
  FROM bench_order o JOIN bench_song s ON s.id = o.song_id WHERE s.status = 'fresh'
"""


class Prober:
    def __init__(self, site: Site) -> None:
        self._site = site
        command = ["-m", "benchmarks.prober"]
        self.process: Process = site.stage.start(
            site.contender, command, "prober", site.environment, talks=True
        )
        self.process.read(PATIENCE)

    def send(self, event: str, data: list[dict[str, Any]]) -> None:
        self.process.ask({"event": event, "data": data}, ASKING)

    def cancel(self, fn_id: str) -> None:
        self.process.ask({"cancel": fn_id}, ASKING)

    def pause(self, fn_id: str) -> None:
        self.process.ask({"pause": fn_id}, ASKING)

    def resume(self, fn_id: str) -> None:
        self.process.ask({"resume": fn_id}, ASKING)

    def probe(self, every: float, seconds: float, until: Question = bool) -> None:
        """A fresh run each `every` seconds, for `seconds` or until something has come."""
        began = time.monotonic()
        for number in range(round(seconds / every)):
            time.sleep(max(0.0, began + number * every - time.monotonic()))
            if until():
                return
            self.process.ask({"fresh": 1}, ASKING)

    def waits(self, patience: float) -> dict[str, float]:
        """How long they waited, once all have started, or those that have not had so long more."""
        deadline = time.monotonic() + patience
        rows = self._rows()
        while any(late for _, late in rows) and time.monotonic() < deadline:
            time.sleep(0.25)
            rows = self._rows()
        waits = [wait for wait, _ in rows]
        return {
            "fresh runs": len(waits),
            "fresh runs not started": sum(late for _, late in rows),
            "fresh started p50, ms": percentile(waits, 0.5),
            "fresh started p95, ms": percentile(waits, 0.95),
        }

    def _rows(self) -> list[tuple[float, bool]]:
        return self._site.connection.execute(WAITS).fetchall()


@contextmanager
def prober(site: Site) -> Iterator[Prober]:
    asking = Prober(site)
    try:
        yield asking
    finally:
        asking.process.end()
