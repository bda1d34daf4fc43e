"""The events of runs that were cancelled together. Where a hook or anything else listens, each
comes with its cancellation. Else they are records alone, and would take a third of the time for
which an operator waits: a run of the engine's own writes them a little later.

1. A set's transaction starts that run: both commit or vanish. The ids are in its event's data.
2. Its step writes them with its own memory, so once. A rerun by hand finds what is written.
3. Where something has begun to listen meanwhile, each is sent singly.
4. Deleted runs are passed by, and forgotten ones tell no words.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple, TypedDict

from django.db import transaction
from django.utils import timezone

from jobs import models
from jobs.control import bulk
from jobs.events import intake, wake
from jobs.events.event import Event, EventPayload
from jobs.events.insertion import INTO_EVENTS
from jobs.ids import as_array, new_keys
from jobs.platform.postgres import statements
from jobs.platform.postgres.query import Query
from jobs.registry import catalog
from jobs.runs import completion, hook_events, pace
from jobs.runs.hook_events import CANCELLED

FUNCTION = bulk.TELLER
EVENT = "jobs/runs.cancelled"
LEAST = 100  # runs of a set whose events come later
DELAY = timedelta(seconds=10)
MAX_WAITS, WAIT = 60, 10.0  # while a bulk action is at work; seconds
SHARE = 0.05  # of the time, beside other runs
SINGLY = 100  # of one step

# What completion.emit_and_start_hook writes for each row of `numbered`.
EVENTS = f"""(
  SELECT (%(event_ids)s::uuid[])[number] AS id, '{CANCELLED}' AS name, {hook_events.DATA} AS data,
         {{ts}} AS ts, '' AS dedupe_id, NULL::jsonb AS repeat
    FROM numbered r CROSS JOIN LATERAL (
         SELECT {EventPayload.SQL} AS event FROM jobs_event WHERE id = r.event_id LIMIT 1) e) given
"""  # noqa: S608
INSERT_NOW = INTO_EVENTS.format(events=EVENTS.format(ts="NULL::timestamptz"))

# See (2) and (4). A run that was retried meanwhile has another end, or none.
UNTOLD = f"""
WITH numbered AS MATERIALIZED (
  SELECT r.id, r.fn_id, r.event_id, given.epoch, given.number,
         CASE WHEN r.forgotten_at IS NULL THEN %(error)s::jsonb END AS error,
         CASE WHEN r.epoch = given.epoch THEN r.ended_at END AS ended_at
    FROM unnest(%(run_ids)s::uuid[], %(epochs)s::int[]) WITH ORDINALITY given(id, epoch, number)
         CROSS JOIN LATERAL (SELECT * FROM jobs_run WHERE id = given.id LIMIT 1) r
   WHERE (SELECT 1 FROM jobs_event
           WHERE name = '{CANCELLED}' AND data ->> 'run_id' = given.id::text
             AND data ->> 'epoch' = given.epoch::text LIMIT 1) IS NULL
)
"""  # noqa: S608
INSERT_LATER = f"""
{UNTOLD}, told AS ({INTO_EVENTS.format(events=EVENTS.format(ts="r.ended_at"))} RETURNING 1)
SELECT count(*) FROM told
"""  # noqa: S608
LIST = f"{UNTOLD} SELECT id, epoch FROM numbered ORDER BY number"  # noqa: S608


class UntoldRow(NamedTuple):
    id: uuid.UUID
    epoch: int


LISTING = Query(LIST, UntoldRow)


class Progress(TypedDict):
    told: int
    at: int  # in the order of ids
    rest: float  # seconds


def tell_later(epochs: Mapping[str, int], error: str | None) -> None:
    """In the set's transaction: each run's id and epoch, and the error as JSON."""
    data = {"runs": dict(epochs), "error": json.loads(error or "null")}
    sent = Event(name=EVENT, data=data, ts=timezone.now() + DELAY)
    intake.start_alone(catalog.get(FUNCTION), sent)


def is_cancelling() -> bool:
    """Whether a bulk action is at work."""
    leased = models.Run.objects.filter(lease_until__isnull=False).order_by("lease_until")
    with statements.reading_by_index():
        return bulk.FUNCTION in leased.values_list("fn_id", flat=True)


def tell(data: dict[str, Any], at: int) -> Progress:
    """Of those from `at` on. In a step's transaction."""
    began = time.monotonic()
    with statements.reading_by_index():
        done = _tell_together(data, at) or _tell_singly(data, at)
        if pace.is_crowded(FUNCTION):
            done["rest"] = pace.rest_after(time.monotonic() - began, SHARE)
    return done


def _tell_together(data: dict[str, Any], at: int) -> Progress | None:
    """None if something listens."""
    if is_listened_to() or is_waited_for():
        return None
    asked = _asked(data, at, len(data["runs"]))
    asked["event_ids"] = as_array(new_keys(len(asked["run_ids"])))
    with transaction.atomic():
        told = statements.only_value(statements.execute(INSERT_LATER, asked))
        if is_waited_for():
            transaction.set_rollback(True)
            return None
    return {"told": told, "at": len(data["runs"]), "rest": 0.0}


def _tell_singly(data: dict[str, Any], at: int) -> Progress:
    """See (3)."""
    untold = LISTING.execute(_asked(data, at, at + SINGLY))
    runs = models.Run.objects.select_related("event").in_bulk([run_id for run_id, _ in untold])
    for run_id, epoch in untold:
        if run := runs.get(run_id):
            told = data["error"] if run.forgotten_at is None else None
            completion.emit(CANCELLED, completion.EndedRun.of_run(run), epoch, told)
    return {"told": len(untold), "at": at + SINGLY, "rest": 0.0}


def _asked(data: dict[str, Any], since: int, until: int) -> dict[str, Any]:
    epochs, error = data["runs"], data["error"]
    run_ids = sorted(epochs)[since:until]
    return {
        "run_ids": run_ids,
        "epochs": [epochs[run_id] for run_id in run_ids],
        "error": None if error is None else json.dumps(error),
    }


def is_listened_to() -> bool:
    """By a function."""
    return bool(catalog.triggered_by(CANCELLED) or catalog.cancelled_by(CANCELLED))


def is_waited_for() -> bool:
    """By a step, which is left to `intake.accept`. Asked after an insertion: a later wait looks by
    itself."""
    return bool(statements.only_value(statements.execute(wake.AWAITED, {"names": [CANCELLED]})))
