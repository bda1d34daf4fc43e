"""What may be forgotten, and when.

    runs      that ended longer ago than conf.retention(), with all that hangs on them
    events    accepted longer ago than that, to which no run points
    clusters  that nobody has heard of for a day
    ends      that a person's retry has undone, if they are older than that
    submissions  of forms whose tokens are too old to be taken (see form_submissions.py)

Everything goes in small batches, a transaction each, so that no lock is held for long and
autovacuum keeps up; stopping anywhere is harmless. An event goes with the last run of it.

It goes on until nothing is left, with rests in proportion to the work while runs are under way:

1. It works a tenth of the time then (SHARE), and the rest is a suspension: it keeps no worker.
2. But it forgets at least twice as many as are made meanwhile, however many that is, and so comes
   to an end. What that costs is a small part of what making them costs.
3. A walk goes from the oldest on and does not come back: what was passed by, and what is dead until
   the next vacuum, is not read again by each batch.

What is unfinished is never touched, nor what it needs: an unfinished run, its event, the run that
it is a rerun of (`rerun_of` tells its worker that it began with a memory), the runs that it has
invoked (it reads their end when it is its turn), and the events whose name it waits for. Only a
wait that begins later than that looks in vain for an event of before.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import TypedDict

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now

from jobs import conf
from jobs.control.form_submissions import KEPT
from jobs.events import event as events_event
from jobs.events import fan_out, intake
from jobs.events.deduplication import DEDUPE_WINDOW
from jobs.models import Cluster, Event, Run, RunStatus, Step, StepStatus, Submission, UndoneEnd
from jobs.registry import catalog
from jobs.runs import pace

FUNCTION = "jobs-retention"
CONTINUED = "jobs/retention.continued"
CLUSTERS_AFTER = timedelta(days=1)
BATCHES = 10  # of one round
SHARE = 0.1  # of the time, while runs are under way
LEAD = 2  # times as many are forgotten as are made
LEAST_REST = 0.05  # seconds; a suspension costs some milliseconds itself


class Round(TypedDict):
    """What one call of forget() did, and where and when the next one goes on."""

    runs: int
    events: int
    clusters: int
    after: str  # the last event that was looked at
    since: str  # when the last run ended that was forgotten
    more: bool
    rest: float  # seconds until the next round


def forget(after: str = "", batches: int = BATCHES, *, since: str = "") -> Round:
    """Delete up to `batches` batches of what may be forgotten: runs with their events, oldest
    first, walking on from `since`, then events without runs, walking on from `after`. Call it
    outside a transaction, again while there is `more`, after its `rest`."""
    keep, batch, began = conf.retention(), conf.retention_batch(), time.monotonic()
    done: Round = {
        "runs": 0,
        "events": 0,
        "clusters": Cluster.objects.filter(seen_at__lt=Now() - CLUSTERS_AFTER).delete()[0],
        "after": after,
        "since": since,
        "more": _forget_submissions(batch, batches),
        "rest": 0.0,
    }
    if keep is None:
        return done
    _forget_undone_ends(keep, batch)
    awaited = _awaited(keep)
    looked_at = 0
    for _ in range(batches):
        found = _forget_runs(keep, batch, awaited, done) or _walk_on(keep, batch, awaited, done)
        if not found:
            return done
        looked_at += found
    done["more"], done["rest"] = True, _rest(looked_at, time.monotonic() - began)
    return done


def _rest(looked_at: int, busy: float) -> float:
    """How long to rest after a round: see (1) and (2)."""
    if not pace.is_crowded(FUNCTION):
        return 0.0
    rest = pace.rest_after(busy, SHARE)
    made = pace.made_in_a_second()
    if made:
        rest = min(rest, looked_at / (LEAD * made) - busy)
    return rest if rest >= LEAST_REST else 0.0


def go_on() -> None:
    """Start the run that goes on where one of many rounds has left off; none if a tick's run waits
    for its turn already. In a transaction."""
    waiting = Run.objects.in_status(RunStatus.QUEUED).filter(fn_id=FUNCTION, started_at=None)
    if waiting.exists():
        return
    sent = events_event.Event(name=CONTINUED)
    (row,) = intake.accept_fresh([sent], triggers=False)
    fan_out.start([fan_out.new_run(catalog.get(FUNCTION), row, events_event.stored(sent, row))])


def _forget_submissions(batch: int, batches: int) -> bool:
    """Up to `batches` batches of them; whether there are more. They are kept for days of their own,
    however long runs are kept: what counts is how long a token is taken."""
    return all(_forget_old_submissions(batch) == batch for _ in range(batches))


@transaction.atomic
def _forget_old_submissions(batch: int) -> int:
    old = Submission.objects.filter(at__lt=Now() - KEPT).order_by("at")
    ids = list(old.select_for_update(skip_locked=True).values_list("id", flat=True)[:batch])
    return Submission.objects.filter(id__in=ids).delete()[0]


@transaction.atomic
def _forget_undone_ends(keep: timedelta, batch: int) -> None:
    """One batch a round, which is more than persons retry meanwhile."""
    old = UndoneEnd.objects.filter(ended_at__lt=Now() - keep).order_by("ended_at")
    ids = list(old.values_list("id", flat=True)[:batch])
    UndoneEnd.objects.filter(id__in=ids).delete()


@transaction.atomic
def _forget_runs(keep: timedelta, batch: int, awaited: set[str], done: Round) -> int:
    """One batch of runs, and the events of which no run is left then; those that somebody is at (a
    rerun, another cluster) are passed by. Returns how many."""
    # Subqueries and not Exists, which the planner would join with all runs that are unfinished; in
    # no order, for whose sake it would go through all runs there are where statistics are missing.
    unfinished = Run.objects.unfinished().order_by().values("id")
    rerun = Subquery(unfinished.filter(rerun_of=OuterRef("id"))[:1])
    invoker = Subquery(unfinished.filter(id=OuterRef("invoked_by"))[:1])
    ended = Run.objects.filter(ended_at__lt=Now() - keep).alias(rerun=rerun, invoker=invoker)
    if done["since"]:
        ended = ended.filter(ended_at__gte=done["since"])
    free = ended.filter(rerun=None, invoker=None)
    free = free.order_by("ended_at").select_for_update(skip_locked=True)
    rows = list(free.values_list("id", "event_id", "ended_at")[:batch])
    # Only ids: a run's output and an event's data can be megabytes.
    _, deleted = Run.objects.filter(id__in=[row[0] for row in rows]).only("id").delete()
    done["runs"] += deleted.get("jobs.Run", 0)
    done["events"] += _forget_events({row[1] for row in rows}, _old(keep), awaited)
    done["since"] = max((str(ended_at) for _, _, ended_at in rows), default=done["since"])
    return len(rows)


def _awaited(keep: timedelta) -> set[str]:
    """Names of events that a run has been waiting for since before what is forgotten now."""
    waiting = Step.objects.filter(status=StepStatus.WAITING).exclude(awaits="")
    return set(waiting.filter(run__created_at__lt=Now() - keep).values_list("awaits", flat=True))


def _old(keep: timedelta) -> Q:
    """Events that are old enough: their ids are remembered for a day, even if less is kept."""
    return Q(received_at__lt=Now() - max(keep, DEDUPE_WINDOW))


def _walk_on(keep: timedelta, batch: int, awaited: set[str], done: Round) -> int:
    """The next page of a walk over the old events, in the order of their ids; how many there were.

    A walk comes past each of them once: those that are kept, since a run sleeps for a year, do
    not stand in the way of every batch.
    """
    after = done["after"]
    walk = Event.objects.filter(id__gt=after) if after else Event.objects.all()
    rows = walk.order_by("id").annotate(is_old=_old(keep)).values_list("id", "is_old")[:batch]
    page = [event_id for event_id, is_old in rows if is_old]
    if page:
        done["events"] += _forget_events(page, Q(), awaited)
        done["after"] = str(page[-1])
    return len(page)


@transaction.atomic
def _forget_events(ids: Collection[uuid.UUID], old: Q, awaited: set[str]) -> int:
    """Those of these to which no run points and for which none waits."""
    started = Run.objects.filter(event=OuterRef("id"))
    free = Event.objects.filter(~Exists(started), old, id__in=ids).exclude(name__in=awaited)
    found = list(free.select_for_update(skip_locked=True).values_list("id", flat=True))
    _, deleted = Event.objects.filter(id__in=found).only("id").delete()
    return deleted.get("jobs.Event", 0)
