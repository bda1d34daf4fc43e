"""Runs that have ended, by the second: for tests of what is counted of them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from jobs.metrics.series import charts
from jobs.metrics.spans import SPANS
from jobs.models import Event, Rollup, Run
from tests.support.rows import make_event, make_run, now


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def ended(
    ago: timedelta = timedelta(minutes=3),
    status: str = "completed",
    *,
    wait: float = 0.1,
    took: float = 1.0,
    event: Event | None = None,
    **fields: Any,
) -> Run:
    """A run that ended so long ago, after it had waited and taken so many seconds."""
    end = now() - ago
    start = end - timedelta(seconds=took)
    values: dict[str, Any] = {"fn_id": "sing", "started_at": start, "ended_at": end}
    begin = start - timedelta(seconds=wait)
    event = event or make_event(at=begin)
    return make_run(begin, event, status=status, **values | fields)


def rolled(minutes: int = 1) -> Counter[tuple[str, str]]:
    """How many runs the rollups count, by function and outcome."""
    found: Counter[tuple[str, str]] = Counter()
    for row in Rollup.objects.filter(minutes=minutes):
        found[row.fn_id, row.status] += row.runs
    return found


def by_minute() -> dict[tuple[str, datetime, str], int]:
    """What the rollups say."""
    rows = Rollup.objects.filter(minutes=1)
    return {(row.fn_id, row.at, row.status): row.runs for row in rows}


def by_hand() -> dict[tuple[str, datetime, str], int]:
    """The same, counted from the runs one by one."""
    found: Counter[tuple[str, datetime, str]] = Counter()
    for run in Run.objects.filter(ended_at__isnull=False):
        assert run.ended_at is not None
        found[run.fn_id, run.ended_at.replace(second=0, microsecond=0), run.status] += 1
    return dict(found)


def seen(span: str = "24h") -> tuple[int, int]:
    """Completed and failed runs, as a chart of that span has them."""
    total = charts(SPANS[span]).all.total
    return total.completed, total.failed
