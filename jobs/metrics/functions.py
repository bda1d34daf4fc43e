"""A row for each function: what is pending, what ended in a span, how long it took, when it ticks
next, whether it is paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from jobs.errors import JobsError
from jobs.metrics.present import Present, present
from jobs.metrics.series import Charts, Series
from jobs.models import CronSchedule, RegisteredFunction
from jobs.registry.cron_expression import timetable


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """`series.total` has its counts and histograms of the span, `series` what a sparkline shows."""

    fn_id: str
    name: str  # of its row; its id if it has none
    pending: int  # as Present counts them
    series: Series
    next_tick: datetime | None
    paused_at: datetime | None
    is_known: bool  # whether it has a row


def functions(charts: Charts, now: Present | None = None) -> list[FunctionFigures]:
    """All that are registered, that have unfinished runs, or that ended a run in the span; the
    busiest first. Two queries, and those of `present` without it."""
    rows = {row.fn_id: row for row in RegisteredFunction.objects.all()}
    pending, ticks = (now or present()).pending, _ticks()
    found = [
        _figures(fn_id, rows.get(fn_id), charts.of(fn_id), pending, ticks)
        for fn_id in rows.keys() | charts.by_function.keys() | pending.keys()
    ]
    return sorted(found, key=lambda row: (-row.pending - row.series.total.ended, row.fn_id))


def _figures(
    fn_id: str,
    row: RegisteredFunction | None,
    series: Series,
    pending: dict[str, int],
    ticks: dict[str, datetime],
) -> FunctionFigures:
    return FunctionFigures(
        fn_id=fn_id,
        name=row.name if row is not None else fn_id,
        pending=pending.get(fn_id, 0),
        series=series,
        next_tick=ticks.get(fn_id),
        paused_at=row.paused_at if row is not None else None,
        is_known=row is not None,
    )


def next_ticks(fn_id: str, number: int = 5) -> list[tuple[datetime, str]]:
    """The next times at which its cron lines tick, each with its line; fewer if it has none, or
    lines that this Python cannot read."""
    found: list[tuple[datetime, str]] = []
    for row in CronSchedule.objects.filter(fn_id=fn_id):
        at = row.next_at
        for _ in range(number):
            found.append((at, row.cron))
            try:
                at = timetable(row.cron).after(at)
            except JobsError:
                break
    return sorted(found)[:number]


def _ticks() -> dict[str, datetime]:
    """When each function's cron triggers tick next."""
    return dict(CronSchedule.objects.order_by().values_list("fn_id").annotate(Min("next_at")))
