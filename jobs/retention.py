"""What may be forgotten, and when.

    runs      that ended longer ago than conf.retention(), with all that hangs on them
    events    accepted longer ago than that, to which no run points
    clusters  that nobody has heard of for a day
    submissions  of forms whose tokens are too old to be taken (see submissions.py)

Everything goes in small batches, a transaction each, so that no lock is held for long and
autovacuum keeps up; stopping anywhere is harmless.

What is unfinished is never touched, nor what it needs: an unfinished run, its event, the run that
it is a rerun of (`rerun_of` tells its worker that it began with a memory), the runs that it has
invoked (it reads their end when it is its turn), and the events whose name it waits for. Only a
wait that begins later than that looks in vain for an event of before.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now

from jobs import conf
from jobs.models import Cluster, Event, Run, Step, StepStatus, Submission
from jobs.repeats import DEDUPE_WINDOW
from jobs.submissions import KEPT

CLUSTERS_AFTER = timedelta(days=1)
BATCHES = 20  # of one round


class Round(TypedDict):
    """What one call of forget() did, and where the next one goes on."""

    runs: int
    events: int
    clusters: int
    after: str  # the last event that was looked at
    more: bool


def forget(after: str = "", batches: int = BATCHES) -> Round:
    """Delete up to `batches` batches of what may be forgotten: runs first, oldest first, then
    events, walking on from `after`. Call it outside a transaction, again while there is `more`."""
    keep, batch = conf.retention(), conf.retention_batch()
    done: Round = {"runs": 0, "events": 0, "clusters": 0, "after": after, "more": False}
    done["more"] = _forget_submissions(batch, batches)
    done["clusters"] = Cluster.objects.filter(seen_at__lt=Now() - CLUSTERS_AFTER).delete()[0]
    if keep is None:
        return done
    awaited = _awaited(keep)
    for _ in range(batches):
        runs = _forget_runs(keep, batch)
        done["runs"] += runs
        if runs == 0:
            page = _old_events(max(keep, DEDUPE_WINDOW), done["after"], batch)
            if not page:
                return done
            done["events"] += _forget_events(page, awaited)
            done["after"] = page[-1]
    done["more"] = True
    return done


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
def _forget_runs(keep: timedelta, batch: int) -> int:
    """One batch of runs; those that somebody is at (a rerun, another cluster) are passed by."""
    # Subqueries and not Exists, which the planner would join with all runs that are unfinished; in
    # no order, for whose sake it would go through all runs there are where statistics are missing.
    unfinished = Run.objects.unfinished().order_by().values("id")
    rerun = Subquery(unfinished.filter(rerun_of=OuterRef("id"))[:1])
    invoker = Subquery(unfinished.filter(id=OuterRef("invoked_by"))[:1])
    ended = Run.objects.filter(ended_at__lt=Now() - keep).alias(rerun=rerun, invoker=invoker)
    free = ended.filter(rerun=None, invoker=None)
    free = free.order_by("ended_at").select_for_update(skip_locked=True)
    ids = list(free.values_list("id", flat=True)[:batch])
    # Only ids: a run's output and an event's data can be megabytes.
    _, deleted = Run.objects.filter(id__in=ids).only("id").delete()
    return deleted.get("jobs.Run", 0)


def _awaited(keep: timedelta) -> set[str]:
    """Names of events that a run has been waiting for since before what is forgotten now."""
    waiting = Step.objects.filter(status=StepStatus.WAITING).exclude(awaits="")
    return set(waiting.filter(run__created_at__lt=Now() - keep).values_list("awaits", flat=True))


def _old_events(keep: timedelta, after: str, batch: int) -> list[str]:
    """The next page of a walk over the old events, in the order of their ids.

    A walk comes past each of them once: those that are kept, since a run sleeps for a year, do
    not stand in the way of every batch.
    """
    events = Event.objects.filter(id__gt=after) if after else Event.objects.all()
    old = Q(received_at__lt=Now() - keep)
    page = events.order_by("id").annotate(is_old=old).values_list("id", "is_old")[:batch]
    return [str(event_id) for event_id, is_old in page if is_old]


@transaction.atomic
def _forget_events(page: list[str], awaited: set[str]) -> int:
    """Those of a page to which no run points and for which none waits."""
    started = Run.objects.filter(event=OuterRef("id"))
    free = Event.objects.filter(~Exists(started), id__in=page).exclude(name__in=awaited)
    ids = list(free.select_for_update(skip_locked=True).values_list("id", flat=True))
    _, deleted = Event.objects.filter(id__in=ids).only("id").delete()
    return deleted.get("jobs.Event", 0)
