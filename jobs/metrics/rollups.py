"""Rollups: ended runs, counted once and kept for a year, long after the runs.

Every cluster calls `roll_up` every few seconds. An advisory lock lets one work, in one transaction:
nothing is counted twice, and a death leaves nothing behind.

1. Roll. New ends are added to their minutes' rows in chunks, at least one and for a tenth of a
   second; after an outage it goes on where it stopped.
2. Settle. An end may become visible after its minute was counted. So whole minutes are counted
   again when all transactions of then are over, by PostgreSQL's transaction ids, however long one
   stays open.
3. Fold. A whole hour's minutes are summed up in that hour's rows; minutes are deleted after a day,
   hours after a year. An hour that is settled later is folded again.

Minutes whose runs retention may have deleted are not counted again. The same passes mark mended
runs and name the kinds of older failures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Min

from jobs import conf
from jobs.advisory_locks import ROLL_UP
from jobs.metrics.ended_runs import Count, counted, summed
from jobs.metrics.histograms import Histogram
from jobs.metrics.mending import FIRST_OF_ALL, mend, name_new_failures, name_old_failures
from jobs.metrics.spans import DAY, HOUR, MINUTE, floor
from jobs.models import Rollup, RollupMark, Run, UndoneEnd
from jobs.platform.postgres import statements

GRACE = timedelta(seconds=1)  # later ends are left to the next pass
SETTLE_GRACE = timedelta(seconds=5)  # within which an ending statement has its id
PASS_SECONDS = 0.1  # seconds of a pass
CHUNK = 10_000  # runs counted at once
ROWS = 500
MINUTES_KEPT = DAY + HOUR
HOURS_KEPT = timedelta(days=366)

BEGIN = """
SELECT pg_try_advisory_xact_lock(%s), statement_timestamp(),
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""
OWN_ID = "SELECT pg_current_xact_id()::text::bigint"


@dataclass(slots=True)
class _Pass:
    """One call of roll_up, with the database's state at its beginning."""

    now: datetime
    oldest_xid: int  # of the open transactions
    next_xid: int  # no transaction from this id on has ended
    mark: RollupMark
    deadline: float

    @property
    def is_over(self) -> bool:
        """All transactions open when the pending minutes were counted are over; also true on
        another server, whose ids begin anew."""
        pending = self.mark.pending_xid
        return pending is None or self.oldest_xid >= pending or pending >= self.next_xid

    @property
    def has_time(self) -> bool:
        return time.monotonic() < self.deadline


@statements.reading_by_index()
def roll_up() -> bool:
    """Count new ends. False if another cluster does, or there is more to do: call again. Without
    statistics all ends that are left would be read and sorted for each chunk."""
    with connection.cursor() as cursor:
        cursor.execute(BEGIN, [ROLL_UP])
        is_mine, now, oldest_xid, next_xid = cursor.fetchone()
    if not is_mine:
        return False
    mark = RollupMark.objects.first() or _first_mark(now)
    work = _Pass(now, oldest_xid, next_xid, mark, time.monotonic() + PASS_SECONDS)
    is_done = _roll(work) & _settle(work) & _fold(work) & name_old_failures(mark)
    mark.save()
    return is_done


def _first_mark(now: datetime) -> RollupMark:
    ended, undone = Run.objects.filter(ended_at__isnull=False), UndoneEnd.objects.all()
    oldest = (rows.aggregate(at=Min("ended_at"))["at"] for rows in (ended, undone))
    begin = floor(min(filter(None, oldest), default=now), MINUTE)
    hour = floor(begin, HOUR)
    return RollupMark(rolled_to=begin, settled_to=begin, folded_to=hour, named_to=FIRST_OF_ALL)


# --- roll -----------------------------------------------------------------------------------------


def _roll(work: _Pass) -> bool:
    mark, until = work.mark, work.now - GRACE
    while mark.rolled_to < until:
        end = _end_of_chunk(mark.rolled_to, until)
        new = counted(mark.rolled_to, end).values()
        first, last = floor(mark.rolled_to, MINUTE), floor(end, MINUTE) + MINUTE
        _write(1, first, last, [*_rows(1, first, last), *new])
        mend(mark.rolled_to, end)
        name_new_failures(mark.rolled_to, end)
        mark.rolled_to = end
        if not work.has_time:
            break
    return mark.rolled_to >= until


def _end_of_chunk(since: datetime, until: datetime) -> datetime:
    """Before it, about CHUNK runs ended."""
    ended = Run.objects.filter(ended_at__gte=since, ended_at__lt=until).order_by("ended_at")
    beyond = next(iter(ended.values_list("ended_at", flat=True)[CHUNK : CHUNK + 1]), None)
    return until if beyond is None else max(beyond, since + timedelta(milliseconds=1))


def _rows(minutes: int, since: datetime, until: datetime) -> list[Count]:
    rows = Rollup.objects.filter(minutes=minutes, at__gte=since, at__lt=until).order_by()
    columns = ("fn_id", "at", "status", "runs", "waits", "times")
    return [
        Count(fn_id, at, status, runs, Histogram(waits), Histogram(times))
        for fn_id, at, status, runs, waits, times in rows.values_list(*columns)
    ]


def _write(minutes: int, since: datetime, until: datetime, counts: Iterable[Count]) -> None:
    Rollup.objects.filter(minutes=minutes, at__gte=since, at__lt=until).delete()
    rows = (
        Rollup(
            minutes=minutes,
            fn_id=count.fn_id,
            at=count.at,
            status=count.status,
            runs=count.runs,
            waits=count.waits.counts,
            times=count.times.counts,
        )
        for count in summed(counts).values()
    )
    Rollup.objects.bulk_create(rows, batch_size=ROWS)


# --- settle ---------------------------------------------------------------------------------------


def _settle(work: _Pass) -> bool:
    """Count pending minutes again if no transaction of then is open; note the new ones."""
    mark = work.mark
    mark.settled_to = max(mark.settled_to, _countable(work.now))
    if not work.is_over:
        return True
    pending_to = floor(mark.pending_to or mark.settled_to, MINUTE)
    while mark.settled_to < pending_to:
        _settle_chunk(mark, pending_to)
        if mark.settled_to < pending_to and not work.has_time:
            return False
    rolled = floor(min(mark.rolled_to, work.now - SETTLE_GRACE), MINUTE)
    if mark.settled_to < rolled:
        mark.pending_to, mark.pending_xid = rolled, _own_xid()
    else:
        mark.pending_to = mark.pending_xid = None
    return True


def _countable(now: datetime) -> datetime:
    """The first minute with all its runs and rows."""
    keep = conf.retention()
    kept = DAY if keep is None else min(DAY, keep)
    return floor(now - kept, MINUTE) + MINUTE * 2


def _settle_chunk(mark: RollupMark, until: datetime) -> None:
    since = floor(mark.settled_to, MINUTE)
    end = max(floor(_end_of_chunk(since, until), MINUTE), since + MINUTE)
    _write(1, since, end, counted(since, end).values())
    mend(since, end)
    mark.settled_to = end
    folded_since, folded_until = floor(since, HOUR), min(floor(end, HOUR) + HOUR, mark.folded_to)
    if folded_since < folded_until:
        _fold_hours(folded_since, folded_until)


def _own_xid() -> int:
    """All open transactions that have written have a smaller id."""
    with connection.cursor() as cursor:
        cursor.execute(OWN_ID)
        (xid,) = cursor.fetchone()
        return int(xid)


# --- fold -----------------------------------------------------------------------------------------


def _fold(work: _Pass) -> bool:
    mark, whole = work.mark, floor(work.mark.rolled_to, HOUR)
    while mark.folded_to < whole:
        end = min(floor(mark.folded_to, HOUR) + DAY, whole)
        _fold_hours(floor(mark.folded_to, HOUR), end)
        mark.folded_to = end
        oldest_minute = min(floor(work.now - MINUTES_KEPT, HOUR), end)
        Rollup.objects.filter(minutes=1, at__lt=oldest_minute).delete()
        Rollup.objects.filter(minutes=60, at__lt=work.now - HOURS_KEPT).delete()
        if not work.has_time:
            break
    return mark.folded_to >= whole


def _fold_hours(since: datetime, until: datetime) -> None:
    minutes = _rows(1, since, until)
    for count in minutes:
        count.at = floor(count.at, HOUR)
    _write(60, since, until, minutes)
