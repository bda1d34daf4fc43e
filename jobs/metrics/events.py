"""Events by name, with what became of the newest ones' runs: “generate-song-event (5 pending) (12
completed) (1 failed)”.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.metrics.spans import Span
from jobs.models import UNFINISHED, RunStatus
from jobs.platform.postgres.clock import database_clock

MOST_NAMES = 30
MOST_EVENTS = 50  # of a name

# Leaps from name to name by the index.
NEWEST = """
WITH RECURSIVE names(name, number) AS (
  (SELECT name, 1 FROM jobs_event WHERE name > %(after)s ORDER BY name LIMIT 1)
  UNION ALL
  (SELECT following.name, names.number + 1
     FROM names CROSS JOIN LATERAL (
          SELECT name FROM jobs_event e WHERE e.name > names.name ORDER BY e.name LIMIT 1
          ) AS following
    WHERE names.number < %(names)s))
SELECT names.name, e.received_at,
       ARRAY(SELECT status FROM jobs_run r WHERE r.event_id = e.id LIMIT %(runs)s)
  FROM names CROSS JOIN LATERAL (
       SELECT id, received_at FROM jobs_event e WHERE e.name = names.name
        ORDER BY e.id DESC LIMIT %(events)s) AS e
"""


@dataclass(slots=True)
class EventFigures:
    """The newest MOST_EVENTS events of a name, if in the span; all numbers but `events` are of
    runs, reruns included.
    """

    name: str
    latest: datetime  # the newest of all
    sparkline: list[int]  # by bar of the span
    events: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0
    others: int = 0  # cancelled or skipped

    @property
    def is_capped(self) -> bool:
        return self.events >= MOST_EVENTS

    def add(self, status: str) -> None:
        known = {RunStatus.COMPLETED: "completed", RunStatus.FAILED: "failed"}
        name = "pending" if status in UNFINISHED else known.get(RunStatus(status), "others")
        setattr(self, name, getattr(self, name) + 1)


def events(span: Span, after: str = "") -> list[EventFigures]:
    """The next MOST_NAMES names after `after` in the alphabet, the latest events first; also names
    without events in the span. Two queries.
    """
    starts = span.starts(database_clock().at)
    found: dict[str, EventFigures] = {}
    asked: dict[str, Any] = {
        "after": after,
        "names": MOST_NAMES,
        "events": MOST_EVENTS,
        "runs": MOST_EVENTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, asked)
        for name, received_at, statuses in cursor.fetchall():
            one = found.setdefault(name, EventFigures(name, received_at, [0] * len(starts)))
            one.latest = max(one.latest, received_at)
            if received_at >= starts[0]:
                one.events += 1
                one.sparkline[_bar(received_at, starts)] += 1
                for status in statuses:
                    one.add(status)
    return sorted(found.values(), key=lambda one: one.latest, reverse=True)


def _bar(moment: datetime, starts: list[datetime]) -> int:
    return sum(start <= moment for start in starts) - 1
