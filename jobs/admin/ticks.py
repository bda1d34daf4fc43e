"""A function's cron lines: their ticks, and the last tick's run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.html import ago, run_link
from jobs.errors import JobsError
from jobs.models import CronSchedule, Run
from jobs.registry.cron_expression import timetable

UPCOMING = 5


def rows_of(fn_id: str, cron_lines: list[str]) -> list[Any]:
    """One query."""
    if not cron_lines:
        return []
    there = Exists(Run.objects.filter(id=OuterRef("last_run")))
    rows = CronSchedule.objects.filter(fn_id=fn_id, cron__in=cron_lines)
    return list(rows.annotate(is_there=there))


def in_words(row: Any) -> SafeString:
    """“17 * * * *: next in 4 minutes; last 56 minutes ago its run”."""
    last = run_link(row.last_run, "its run") if row.is_there else ""
    return format_html(
        "<code>{}</code>: next {}; last {} {}{}",
        row.cron,
        ago(row.next_at),
        ago(row.last_at),
        last,
        _held(row.held),
    )


def upcoming(rows: list[Any]) -> list[tuple[datetime, str]]:
    """The next ticks of all lines together, each with its line; fewer of lines that this process
    cannot read."""
    found: list[tuple[datetime, str]] = []
    for row in rows:
        at = row.next_at
        for _ in range(UPCOMING):
            found.append((at, row.cron))
            try:
                at = timetable(row.cron).after(at)
            except JobsError:
                break
    return sorted(found)[:UPCOMING]


def _held(number: int) -> str:
    if not number:
        return ""
    ticks = "1 tick since then has" if number == 1 else f"{number:,} ticks since then have"
    return f"; {ticks} started no run, since one was unfinished"
