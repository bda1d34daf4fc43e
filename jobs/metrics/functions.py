"""A row for each function: pending runs, ends in a span, times, next tick, pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from jobs.metrics.series import Charts, Series
from jobs.metrics.unfinished import Unfinished, count_unfinished
from jobs.models import CronSchedule, RegisteredFunction

NEXT_TICK = Subquery(
    CronSchedule.objects.filter(fn_id=OuterRef("fn_id")).order_by("next_at").values("next_at")[:1]
)


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """`series.total` has the span's counts and histograms, `series` the sparkline."""

    fn_id: str
    name: str  # its id without one
    pending: int  # unfinished runs
    series: Series
    next_tick: datetime | None
    paused_at: datetime | None
    is_known: bool


def functions(charts: Charts, now: Unfinished | None = None) -> list[FunctionFigures]:
    """Registered functions, and those with unfinished runs or ends in the span; the busiest first.
    One query, and one more without `now`."""
    rows = {row.fn_id: row for row in RegisteredFunction.objects.annotate(next_tick=NEXT_TICK)}
    pending = (now or count_unfinished()).pending
    found = [
        _figures(fn_id, rows.get(fn_id), charts.of(fn_id), pending)
        for fn_id in rows.keys() | charts.by_function.keys() | pending.keys()
    ]
    return sorted(found, key=lambda row: (-row.pending - row.series.total.ended, row.fn_id))


def _figures(
    fn_id: str,
    row: Any,
    series: Series,
    pending: dict[str, int],
) -> FunctionFigures:
    return FunctionFigures(
        fn_id=fn_id,
        name=row.name if row is not None else fn_id,
        pending=pending.get(fn_id, 0),
        series=series,
        next_tick=row.next_tick if row is not None else None,
        paused_at=row.paused_at if row is not None else None,
        is_known=row is not None,
    )
