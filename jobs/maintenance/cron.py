"""Cron triggers: each (function, cron line) has a row with its next tick.

Every cluster looks every two seconds. Each row is a transaction, by the database's clock: lock it,
unless another cluster has; insert the tick's event and one run; move on to the first tick after
now. A failing row is logged, the others tick. So a tick starts one run, and so do all ticks missed
without a living cluster together.

A tick is not missed if no living cluster has its trigger:
1. A cluster with the trigger notes that every few minutes (`known_at`).
2. One without it notes since when (`unknown_since`), until the next note of (1).
3. A trigger unknown for an hour is undeployed: it begins with its next tick.
4. Less is a restart: the tick is given late.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from jobs.control.sending import TIMER
from jobs.events import intake
from jobs.events.event import Event
from jobs.models import UNFINISHED, CronSchedule, Run, RunStatus
from jobs.platform.postgres.clock import database_clock
from jobs.platform.postgres.outages import is_unavailable
from jobs.registry import catalog
from jobs.registry.cron_expression import timetable
from jobs.registry.function import Function
from jobs.registry.options import TriggerCron

logger = logging.getLogger("jobs.engine")

RENEWAL = timedelta(minutes=5)  # between notes of `known_at`
RESTART = timedelta(hours=1)
# No version knows a row overdue and unknown for so long: one that did would move it on within
# seconds.
FORGOTTEN_AFTER = timedelta(days=1)
GIVEN_AHEAD = ["next_at", "last_at", "last_run", "held", "known_at", "unknown_since"]
SAID_FOR = 60.0  # seconds between a row's logged errors

Known = dict[tuple[str, str], TriggerCron]
Act = Callable[[CronSchedule, TriggerCron | None, datetime], bool]
Choose = Callable[[CronSchedule, TriggerCron | None, datetime], Act | None]

_said: dict[int, float] = {}  # by row


def sync() -> None:
    """At a cluster's start. Rows that no version ticks are dropped; others keep their time, so a
    missed tick is given late.
    """
    known = _triggers()
    for row in CronSchedule.objects.annotate(now=Now()):
        _check_schedule(row, row.now, known, _at_start)
    long_ago = Now() - FORGOTTEN_AFTER
    overdue = CronSchedule.objects.filter(next_at__lt=long_ago, unknown_since__lt=long_ago)
    unknown = [row.id for row in overdue if (row.fn_id, row.cron) not in known]
    overdue.filter(id__in=unknown).delete()
    add(known)


def tick() -> int:
    known = _triggers()
    rows = CronSchedule.objects.annotate(now=Now())
    return sum(_check_schedule(row, row.now, known, _while_alive) for row in rows)


def _triggers() -> Known:
    return {
        (function.fn_id, trigger.cron): trigger
        for function in catalog.all_functions()
        for trigger in catalog.cron_triggers(function)
    }


def add(known: Known) -> None:
    now = database_clock().at
    there = set(CronSchedule.objects.values_list("fn_id", "cron"))
    for fn_id, line in sorted(known.keys() - there):
        row = CronSchedule(fn_id=fn_id, cron=line)
        try:
            row.next_at = timetable(line).after(now)
            CronSchedule.objects.bulk_create([row], ignore_conflicts=True)
        except Exception as error:
            if is_unavailable(error):
                raise
            _say(row, error)


def _check_schedule(row: CronSchedule, now: datetime, known: Known, choose: Choose) -> bool:
    """True if a run was started."""
    trigger = known.get((row.fn_id, row.cron))
    if choose(row, trigger, now) is None:
        return False
    try:
        return _act(row.id, trigger, choose)
    except Exception as error:
        if is_unavailable(error):
            raise
        _say(row, error)
        return False


@transaction.atomic
def _act(row_id: int, trigger: TriggerCron | None, choose: Choose) -> bool:
    """Asked again: another cluster may have acted."""
    rows = CronSchedule.objects.annotate(now=Now()).filter(id=row_id)
    row = rows.select_for_update(skip_locked=True).first()
    if row is None:
        return False
    act = choose(row, trigger, row.now)
    return act is not None and act(row, trigger, row.now)


def _say(row: CronSchedule, error: Exception) -> None:
    now = time.monotonic()
    if row.id is None or now - _said.get(row.id, now - SAID_FOR) >= SAID_FOR:
        text = "The cron line “%s” of function “%s” does not tick, the others do: %s"
        logger.error(text, row.cron, row.fn_id, error, exc_info=error)
        if row.id is not None:
            _said[row.id] = now


# --- what a row needs -----------------------------------------------------------------------------


def _at_start(row: CronSchedule, trigger: TriggerCron | None, now: datetime) -> Act | None:
    if trigger is not None:
        return _renew
    return _note if row.unknown_since is None else None


def _while_alive(row: CronSchedule, trigger: TriggerCron | None, now: datetime) -> Act | None:
    if trigger is None:
        is_silent = row.unknown_since is None and row.known_at < now - 2 * RENEWAL
        return _note if is_silent else None
    if row.next_at <= now:
        return _give_tick
    is_fresh = row.unknown_since is None and now - RENEWAL < row.known_at <= now
    return None if is_fresh else _renew


def _note(row: CronSchedule, trigger: TriggerCron | None, now: datetime) -> bool:
    row.unknown_since = now
    row.save(update_fields=["unknown_since"])
    return False


def _renew(row: CronSchedule, trigger: TriggerCron | None, now: datetime) -> bool:
    """Drops ticks of an undeployed time. A time beyond the next tick came from a wrong clock or
    older time zones.
    """
    upcoming = timetable(row.cron).after(_due_until(row, now))
    was_undeployed = row.unknown_since is not None and row.unknown_since <= now - RESTART
    if row.next_at > upcoming or (was_undeployed and row.next_at <= now):
        row.next_at = upcoming
    row.known_at, row.unknown_since = now, None
    row.save(update_fields=["next_at", "known_at", "unknown_since"])
    return False


def _due_until(row: CronSchedule, now: datetime) -> datetime:
    """A clock set back a little repeats no tick; one far ahead holds none back."""
    if row.last_at is None or row.last_at >= now + RESTART:
        return now
    return max(now, row.last_at)


def _give_tick(row: CronSchedule, trigger: TriggerCron | None, now: datetime) -> bool:
    table = timetable(row.cron)
    # The row's time wins over a newer time zone database.
    scheduled_at = max(row.next_at, table.latest(now))
    obstacle = _obstacle(row, trigger)
    if obstacle:
        if not row.held:
            text = "%s: a tick of “%s” starts no run: %s. Its page counts the next ones."
            logger.warning(text, row.fn_id, row.cron, obstacle)
        row.held += 1
    else:
        row.last_run = _start(catalog.get(row.fn_id), row.cron, scheduled_at)
        row.last_at, row.held = scheduled_at, 0
    row.next_at = table.after(now)
    row.known_at, row.unknown_since = now, None
    row.save(update_fields=GIVEN_AHEAD)
    return not obstacle


def _obstacle(row: CronSchedule, trigger: TriggerCron | None) -> str:
    not_started = Run.objects.filter(status=RunStatus.QUEUED, started_at=None)
    earlier = not_started.exclude(turn_keys=[])
    if row.last_run is not None and earlier.filter(id=row.last_run).exists():
        return "the run of an earlier tick still waits for its turn"
    unfinished = Run.objects.in_status(*UNFINISHED).filter(fn_id=row.fn_id)
    if trigger is not None and trigger.if_running == "skip" and unfinished.exists():
        return "a run of its function is unfinished"
    return ""


def _start(function: Function, line: str, scheduled_at: datetime) -> uuid.UUID:
    """Functions that listen to the event's name start nothing."""
    data = {"cron": line, "scheduled_at": scheduled_at.isoformat()}
    return intake.start_alone(function, Event(name=TIMER, data=data, ts=scheduled_at))
