"""Events by name, with their runs: “generate-song-event (5 pending) (12 completed) (1 failed)”.

The newest events and runs are read in the order of ids, which is that of time: neither the number
of names nor the age of the history raises the cost.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from jobs.ids import first_id
from jobs.metrics.spans import Span
from jobs.models import UNFINISHED, RunStatus
from jobs.platform.postgres.clock import database_clock

MAX_COUNT = 3_000  # events, and runs, read of the span
MAX_NAMES = 200

# A look into the index for each name; DISTINCT would read all rows.
NAMES = """
WITH RECURSIVE found AS (
  (SELECT name, 1 AS number FROM jobs_event ORDER BY name LIMIT 1)
  UNION ALL
  SELECT (SELECT name FROM jobs_event WHERE name > found.name ORDER BY name LIMIT 1), number + 1
    FROM found WHERE found.name IS NOT NULL AND number < %(most)s)
SELECT name, (SELECT id FROM jobs_event e WHERE e.name = found.name ORDER BY id DESC LIMIT 1)
  FROM found WHERE name IS NOT NULL
"""
COUNTS = """
WITH sent AS MATERIALIZED (
  SELECT id, name, received_at FROM jobs_event WHERE id >= %(first)s
   ORDER BY id DESC LIMIT %(most)s),
made AS MATERIALIZED (
  SELECT event_id, status FROM jobs_run WHERE id >= %(first)s ORDER BY id DESC LIMIT %(most)s)
SELECT name, '', width_bucket(received_at, %(starts)s::timestamptz[]), count(*)
  FROM sent GROUP BY 1, 3
 UNION ALL
SELECT sent.name, made.status, 0, count(*)
  FROM made JOIN sent ON sent.id = made.event_id GROUP BY 1, 2
"""


@dataclass(slots=True)
class NameFigures:
    """A name's events in a span, and their runs, with reruns."""

    name: str
    latest: datetime | None = None  # the time of its newest event ever
    events: int = 0
    bars: list[int] = field(default_factory=list)  # events, for a sparkline
    pending: int = 0
    completed: int = 0
    failed: int = 0
    other: int = 0  # cancelled, skipped

    def add(self, status: str, bar: int, number: int) -> None:
        if not status:
            self.events += number
            self.bars[max(bar - 1, 0)] += number
        elif status in UNFINISHED:
            self.pending += number
        elif status in (RunStatus.COMPLETED, RunStatus.FAILED):
            setattr(self, status, getattr(self, status) + number)
        else:
            self.other += number


@dataclass(frozen=True, slots=True)
class Names:
    """The busiest first, with names without an event in the span. `is_capped`: the figures are of
    the span's newest MAX_COUNT events alone."""

    names: list[NameFigures]
    is_capped: bool


def event_names(span: Span) -> Names:
    """The names of `latest`, and those of the span's events. Three queries."""
    now = database_clock().at
    starts = span.starts(now)
    found = {name: NameFigures(name, at, bars=[0] * len(starts)) for name, at in latest().items()}
    asked: dict[str, Any] = {
        "first": first_id(now - span.length),
        "most": MAX_COUNT,
        "starts": starts,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, asked)
        for name, status, bar, number in cursor.fetchall():
            figures = found.setdefault(name, NameFigures(name, bars=[0] * len(starts)))
            figures.add(status, bar, number)
    ordered = sorted(found.values(), key=lambda one: (-one.events, one.name))
    return Names(ordered, sum(one.events for one in ordered) >= MAX_COUNT)


def latest() -> dict[str, datetime]:
    """The first MAX_NAMES names of the alphabet, each with its newest event's time."""
    with connection.cursor() as cursor:
        cursor.execute(NAMES, {"most": MAX_NAMES})
        return {name: time_of(newest) for name, newest in cursor.fetchall()}


def time_of(identifier: uuid.UUID) -> datetime:
    return EPOCH + timedelta(milliseconds=identifier.int >> 80)


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
