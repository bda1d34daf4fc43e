from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.html import ago, run_link
from jobs.models import CronSchedule, Run


def ticks_in_words(fn_id: str, cron_lines: list[str]) -> list[SafeString]:
    rows = list(CronSchedule.objects.filter(fn_id=fn_id, cron__in=cron_lines))
    there = Run.objects.filter(id__in=[row.last_run for row in rows if row.last_run])
    known = set(there.values_list("id", flat=True))
    return [_words(row, link=row.last_run in known) for row in rows]


def _words(row: CronSchedule, *, link: bool) -> SafeString:
    last = run_link(row.last_run, "its run") if link else ""
    return format_html(
        "<code>{}</code>: next {}; last {} {}{}",
        row.cron,
        ago(row.next_at),
        ago(row.last_at),
        last,
        _held(row.held),
    )


def _held(number: int) -> str:
    if not number:
        return ""
    ticks = "1 tick since then has" if number == 1 else f"{number:,} ticks since then have"
    return f"; {ticks} started no run, since one was unfinished"
