"""What is deleted, and when.

    runs         ended longer ago than conf.retention(), with all their rows
    events       accepted longer ago, without a run
    ends         undone by an operator's retry, ended longer ago
    problems     of conditions, last met longer ago
    clusters     silent for a day
    submissions  with expired tokens (see form_submissions.py)

Small batches, a transaction each: locks are short, autovacuum keeps up, stopping is harmless. An
event goes with its last run. While runs are under way:
1. It works a twentieth of the time (SHARE); a rest is a suspension, without a worker.
2. It deletes at least a quarter more than are made (LEAD), so it ends.
3. A walk begins at the oldest and never goes back: batches do not reread kept and dead rows.

Kept until the rollups have counted them: ends. After an outage longer than the retention they are
counted first.

Kept with an unfinished run: its event, the run that it reruns (cancel_on counts a rerun from its
making), runs that it invoked (it reads their end), events whose name it awaits. Only a wait begun
after a deletion may miss an event.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TypedDict

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Now

from jobs import conf
from jobs.control.form_submissions import KEPT_FOR
from jobs.events import event as events_event
from jobs.events import intake
from jobs.events.deduplication import DEDUPE_WINDOW
from jobs.maintenance.deletion import delete_events, delete_runs
from jobs.models import (
    Cluster,
    ConditionProblem,
    Event,
    Run,
    RunStatus,
    Step,
    StepStatus,
    Submission,
    UndoneEnd,
)
from jobs.platform.postgres import statements
from jobs.registry import catalog
from jobs.runs import pace

FUNCTION = "jobs-retention"
CONTINUED = "jobs/retention.continued"
CLUSTERS_AFTER = timedelta(days=1)
BATCHES = 10  # in a round
SHARE = 0.05  # of the time, beside runs
LEAD = 1.25  # deleted for one made
LEAST_REST = 0.05  # seconds; suspending costs milliseconds

# LEAST skips the null of a site that has counted nothing yet: that begins with the oldest end.
DELETED_BEFORE = """
SELECT least(statement_timestamp() - %(keep)s::interval,
             (SELECT rolled_to FROM jobs_rollupmark LIMIT 1))
"""


class Progress(TypedDict):
    runs: int
    events: int
    clusters: int
    after: str  # last event looked at
    since: str  # last deleted run's end
    more: bool
    rest: float  # seconds


def delete_ended(after: str = "", batches: int = BATCHES, *, since: str = "") -> Progress:
    """Delete up to `batches` batches: runs with their events, oldest first, from `since`; then
    events without runs, from `after`. Call it outside transactions, again while there is `more`,
    after `rest` seconds.
    """
    keep, batch, began = conf.retention(), conf.retention_batch(), time.monotonic()
    done: Progress = {
        "runs": 0,
        "events": 0,
        "clusters": Cluster.objects.filter(seen_at__lt=Now() - CLUSTERS_AFTER).delete()[0],
        "after": after,
        "since": since,
        "more": _delete_submissions(batch, batches),
        "rest": 0.0,
    }
    if keep is None:
        return done
    ((before,),) = statements.execute(DELETED_BEFORE, {"keep": keep})
    _delete_undone_ends(before, batch)
    ConditionProblem.objects.filter(last_at__lt=Now() - keep).delete()
    awaited = _awaited(keep)
    looked_at = 0
    for _ in range(batches):
        found = _delete_runs(before, keep, batch, awaited, done)
        found = found or _walk_on(keep, batch, awaited, done)
        if not found:
            return done
        looked_at += found
    done["more"], done["rest"] = True, _rest(looked_at, time.monotonic() - began)
    return done


def _rest(looked_at: int, busy: float) -> float:
    if not pace.is_crowded(FUNCTION):
        return 0.0
    rest = pace.rest_after(busy, SHARE)
    made = pace.made_in_a_second()
    if made:
        rest = min(rest, looked_at / (LEAD * made) - busy)
    return rest if rest >= LEAST_REST else 0.0


def go_on() -> None:
    """In a transaction; nothing if one is queued."""
    waiting = Run.objects.in_status(RunStatus.QUEUED).filter(fn_id=FUNCTION, started_at=None)
    if waiting.exists():
        return
    intake.start_alone(catalog.get(FUNCTION), events_event.Event(name=CONTINUED))


def _delete_submissions(batch: int, batches: int) -> bool:
    return all(_delete_old_submissions(batch) == batch for _ in range(batches))


@statements.reading_by_index()
def _delete_old_submissions(batch: int) -> int:
    old = Submission.objects.filter(at__lt=Now() - KEPT_FOR).order_by("at")
    ids = list(old.select_for_update(skip_locked=True).values_list("id", flat=True)[:batch])
    return Submission.objects.filter(id__in=ids).delete()[0]


@statements.reading_by_index()
def _delete_undone_ends(before: datetime, batch: int) -> None:
    """One batch a round outpaces operators' retries."""
    old = UndoneEnd.objects.filter(ended_at__lt=before).order_by("ended_at")
    ids = list(old.values_list("id", flat=True)[:batch])
    UndoneEnd.objects.filter(id__in=ids).delete()


@statements.reading_by_index()
def _delete_runs(
    before: datetime, keep: timedelta, batch: int, awaited: set[str], done: Progress
) -> int:
    """Passes by locked rows (a rerun, another cluster). By its index: the planner thinks that few
    runs are free, and would look at all that ended before, and sort them, for each batch."""
    # Subqueries: Exists would be joined with all unfinished runs. Unordered: without statistics the
    # order would read all runs.
    unfinished = Run.objects.unfinished().order_by().values("id")
    rerun = Subquery(unfinished.filter(rerun_of=OuterRef("id"))[:1])
    invoker = Subquery(unfinished.filter(id=OuterRef("invoked_by"))[:1])
    ended = Run.objects.filter(ended_at__lt=before).alias(rerun=rerun, invoker=invoker)
    if done["since"]:
        ended = ended.filter(ended_at__gte=done["since"])
    free = ended.filter(rerun=None, invoker=None)
    free = free.order_by("ended_at").select_for_update(skip_locked=True)
    rows = list(free.values_list("id", "event_id", "ended_at")[:batch])
    if rows:
        ids, events, _ = zip(*rows, strict=True)
        done["events"] += delete_runs(ids, set(events), _window(keep), awaited)
        done["runs"] += len(rows)
    done["since"] = max((str(ended_at) for _, _, ended_at in rows), default=done["since"])
    return len(rows)


def _awaited(keep: timedelta) -> set[str]:
    waiting = Step.objects.filter(status=StepStatus.WAITING).exclude(awaits="").order_by()
    # A subquery, as below: it would be joined with all runs.
    made = Subquery(Run.objects.filter(id=OuterRef("run_id")).values("created_at")[:1])
    old = waiting.alias(made=made).filter(made__lt=Now() - keep)
    return set(old.values_list("awaits", flat=True))


def _window(keep: timedelta) -> timedelta:
    """Ids are remembered for a day, however short the retention."""
    return max(keep, DEDUPE_WINDOW)


def _walk_on(keep: timedelta, batch: int, awaited: set[str], done: Progress) -> int:
    """Passes kept events (of a run that sleeps a year) once."""
    after = done["after"]
    walk = Event.objects.filter(id__gt=after) if after else Event.objects.all()
    is_old = Q(received_at__lt=Now() - _window(keep))
    rows = walk.order_by("id").annotate(is_old=is_old).values_list("id", "is_old")[:batch]
    page = [event_id for event_id, is_old in rows if is_old]
    if page:
        done["events"] += _delete_events(page, keep, awaited)
        done["after"] = str(page[-1])
    return len(page)


@transaction.atomic
def _delete_events(ids: Collection[uuid.UUID], keep: timedelta, awaited: set[str]) -> int:
    return delete_events(ids, _window(keep), awaited)
