"""Cron triggers: a row for each (function, cron line) says when it ticks next.

Every cluster looks every couple of seconds; the row's lock decides who gives a tick. In one
transaction, by the database's clock alone:

1. lock the rows whose time has come, passing by those that another cluster is at;
2. for each, insert the event and the one run that it starts, and move the row on to the first
   tick after now.

So a tick starts exactly one run however many clusters look, and what was missed while none did
(the site was down for a week) starts one run too, for the latest tick of those, not a storm.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from jobs import events, models, registry
from jobs.clock import database_clock
from jobs.ids import new_id
from jobs.models import CronSchedule
from jobs.timetable import timetable

logger = logging.getLogger("jobs.engine")

EVENT = "jobs/scheduled.timer"
# A row overdue for this long is of a trigger that no living cluster knows: whoever knows it, and be
# it an older version of the code that still runs somewhere, moves it on within seconds.
FORGOTTEN_AFTER = timedelta(days=1)


def sync() -> None:
    """Give every cron trigger its row, and drop the rows that no version of the code ticks.

    Called when a cluster starts. A row that exists keeps its time: a tick that was missed while
    nothing ran is given late.
    """
    now = database_clock().at
    triggers = _triggers()
    CronSchedule.objects.bulk_create(
        [
            CronSchedule(fn_id=fn_id, cron=line, next_at=timetable(line).after(now))
            for fn_id, line in sorted(triggers)
        ],
        ignore_conflicts=True,
    )
    overdue = CronSchedule.objects.filter(next_at__lt=Now() - FORGOTTEN_AFTER)
    unknown = [row.id for row in overdue if (row.fn_id, row.cron) not in triggers]
    overdue.filter(id__in=unknown).delete()


@transaction.atomic
def tick() -> int:
    """Give every tick whose time has come; returns how many."""
    known = _triggers()
    if not known:
        return 0
    rows = (
        CronSchedule.objects.filter(next_at__lte=Now())
        .select_for_update(skip_locked=True)
        .annotate(now=Now())
    )
    due = [row for row in rows if (row.fn_id, row.cron) in known]
    for row in due:
        _give(row, row.now)
    if due:
        events.wake_clusters()
    return len(due)


def _triggers() -> set[tuple[str, str]]:
    return {(f.fn_id, line) for f in registry.all_functions() for line in registry.cron_lines(f)}


def _give(row: CronSchedule, now: datetime) -> None:
    table = timetable(row.cron)
    # The row's own time wins if a newer time zone database has moved the tick since.
    scheduled_at = max(row.next_at, table.latest(now))
    _start(registry.get(row.fn_id), row.cron, scheduled_at)
    row.last_at, row.next_at = scheduled_at, table.after(now)
    row.save(update_fields=["last_at", "next_at"])


def _start(function: registry.Function, line: str, scheduled_at: datetime) -> None:
    """The tick's event, and its run: of this function alone, whoever listens to the name."""
    data = {"cron": line, "scheduled_at": scheduled_at.isoformat()}
    event = events.Event(name=EVENT, data=data, ts=scheduled_at)
    row = models.Event(id=new_id(), name=event.name, data=event.data, ts=scheduled_at)
    row.save(force_insert=True)
    run = events.new_run(function, row, events.stored(event, row))
    events.start([run])
