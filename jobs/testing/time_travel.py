"""The engine goes by the database's clock, which a test cannot set. So every time that it has
written moves into the past, and what was to happen meanwhile is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.apps import apps
from django.db import connection, models
from django.db.models import DateTimeField

from jobs.lib.durations import Duration
from jobs.models import CronSchedule
from jobs.platform.postgres import statements
from jobs.testing import cron_lines
from jobs.testing.arguments import checked_span

# The earliest time at which an unfinished run goes on by itself. A run that waits for an event or
# another run looks again now and then; the end of its wait counts. Set aside, or without a function
# known here, it goes on at no known time; what was due and is not done waits for something else
# than time.
NEXT = """
SELECT extract(epoch FROM min(at) - clock_timestamp()) FROM (
  SELECT CASE WHEN reason NOT IN ('event', 'invoke', 'function', 'paused', 'aside')
              THEN due_at END AS at
    FROM jobs_run WHERE ended_at IS NULL
  UNION ALL
  SELECT expires_at FROM jobs_run WHERE ended_at IS NULL AND reason <> 'paused'
  UNION ALL
  SELECT s.due_at FROM jobs_step s JOIN jobs_run r ON r.id = s.run_id
   WHERE s.status = 'waiting' AND r.ended_at IS NULL
     AND r.reason NOT IN ('function', 'paused', 'aside')) moments
 WHERE at > clock_timestamp() - interval '100 ms'
"""
INSTANT = timedelta(milliseconds=1)


def travel(by: Duration) -> None:
    """Let time pass for the engine: every time that it has stored moves `by` into the past.

    Your rows and the result of now() stay as they are. Raises JobsError for what is no duration.
    """
    span = checked_span(by)
    cron_lines.note()
    _move(apps.get_app_config("jobs").get_models(), span)


def skip() -> bool:
    """Let time pass until the next unfinished run goes on by itself; False if none does.

    Cron lines stand still: they would tick for ever.
    """
    ((seconds,),) = statements.execute(NEXT, {})
    if seconds is None:
        return False
    by = max(timedelta(seconds=float(seconds)), timedelta()) + INSTANT
    _move([m for m in apps.get_app_config("jobs").get_models() if m is not CronSchedule], by)
    return True


def _move(tables: Iterable[type[models.Model]], by: timedelta) -> None:
    """In one statement."""
    updates = [
        f"moved_{number} AS (UPDATE {model._meta.db_table} SET {_earlier(model)})"  # noqa: S608
        for number, model in enumerate(tables)
        if _times(model)
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(updates)} SELECT", {"seconds": by.total_seconds()})


def _earlier(model: type[models.Model]) -> str:
    return ", ".join(
        f"{column} = {column} - %(seconds)s * interval '1 s'" for column in _times(model)
    )


def _times(model: type[models.Model]) -> list[str]:
    return [str(f.column) for f in model._meta.fields if isinstance(f, DateTimeField)]
