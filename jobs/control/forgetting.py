"""Forgetting the words of events and their runs, while the runs are kept (README, “Forgetting”).

`forget` only asks, in the caller's transaction, by a run of the engine's own: the process may die
on the next line. That run works in batches, a transaction each, and passes by locked rows.

1. To an event belong its runs, their reruns, invoked runs and hooks, and the events of all these.
2. A run is forgotten when it has ended, none of its requests is in flight, and its invoker, which
   reads its answer, has ended too. Until then the engine's run looks again, ever less often.
3. An event is forgotten after all its runs. Until then it leads to them, as do the ids in hooks'
   events, which stay.
4. A forgotten run cannot be rerun: the lock of its row decides which comes first.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import TypedDict

from django.db import transaction

from jobs.control import scrubbing
from jobs.events import intake, validation
from jobs.events.event import Event
from jobs.events.event_ids import event_ids_of
from jobs.platform.postgres import statements
from jobs.registry import catalog
from jobs.runs import pace
from jobs.runs.hook_events import NAMES_IN_SQL

FUNCTION = "jobs-forget"
EVENT = "jobs/forget.requested"
MAX_ASKED = 500  # events of one run
BATCH = 100  # runs, or events, of one transaction
BATCHES = 20  # of one round
SHARE = 0.25  # of the time, beside other runs
SOON, LATE = 5.0, 6 * 3_600.0  # seconds between looks at what has not ended

# By events; `root` is the one asked for. Each step is an index's.
OFFSPRING = f"""
WITH RECURSIVE offspring(root, is_run, id) AS (
  SELECT id, false, id FROM unnest(%(roots)s::uuid[]) AS id
  UNION
  SELECT f.root, found.is_run, found.id FROM offspring f CROSS JOIN LATERAL (
    SELECT true AS is_run, id FROM jobs_run WHERE NOT f.is_run AND event_id = f.id
    UNION ALL
    SELECT true, id FROM jobs_run WHERE f.is_run AND rerun_of_id = f.id
    UNION ALL
    SELECT true, id FROM jobs_run WHERE f.is_run AND invoked_by_id = f.id
    UNION ALL
    SELECT false, event_id FROM jobs_run WHERE f.is_run AND id = f.id
    UNION ALL
    SELECT false, id FROM jobs_event
     WHERE f.is_run AND name IN ({NAMES_IN_SQL}) AND data ->> 'run_id' = f.id::text) found)
"""  # noqa: S608
REMEMBERED_RUNS = f"""
{OFFSPRING}
SELECT DISTINCT f.root, r.id FROM offspring f JOIN jobs_run r ON r.id = f.id
 WHERE f.is_run AND r.forgotten_at IS NULL ORDER BY r.id
"""  # noqa: S608
REMEMBERED_EVENTS = f"""
{OFFSPRING}
SELECT DISTINCT f.root, e.id FROM offspring f JOIN jobs_event e ON e.id = f.id
 WHERE NOT f.is_run AND e.forgotten_at IS NULL ORDER BY e.id
"""  # noqa: S608
UNFINISHED_RUNS = f"""
{OFFSPRING}
SELECT DISTINCT r.id FROM offspring f JOIN jobs_run r ON r.id = f.id
 WHERE f.is_run AND r.ended_at IS NULL AND r.fn_id = %(fn_id)s ORDER BY r.id
"""  # noqa: S608


class Round(TypedDict):
    """`left` are the events asked for of which something is left."""

    runs: int
    events: int
    left: list[str]
    rest: float  # seconds until the next round


def forget(event_ids: Iterable[str | uuid.UUID]) -> list[str]:
    """Have the words of these events, and of all that came of them, forgotten, once it has ended.

    Payloads, outputs, requests, answers, log lines and error texts go; runs, steps, attempts, times
    and figures stay. Unknown and forgotten events are passed over. Returns the ids of the runs that
    do it. Raises InvalidEvent for what is no id.
    """
    asked = sorted({str(known) for known in event_ids_of(event_ids, "forget")})
    with transaction.atomic():
        return [_start(asked[at : at + MAX_ASKED]) for at in range(0, len(asked), MAX_ASKED)]


def _start(asked: list[str]) -> str:
    sent = validation.validate(Event(name=EVENT, data={"events": asked}))
    return str(intake.start_alone(catalog.get(FUNCTION), sent))


def go_on(left: list[str]) -> None:
    """Leave the rest to another run. In a transaction."""
    _start(left)


def unfinished_runs(event_ids: Iterable[str | uuid.UUID], *, fn_id: str) -> list[str]:
    """A function's unfinished runs for these events, reruns included."""
    values = {"roots": event_ids_of(event_ids, "unfinished_runs"), "fn_id": fn_id}
    return [str(run_id) for (run_id,) in statements.execute(UNFINISHED_RUNS, values)]


def round_of(roots: Sequence[str], idle: int = 0) -> Round:
    """Forget up to BATCHES batches now. Call it outside a transaction, again while anything is
    left; `idle` counts the earlier rounds that found nothing."""
    began = time.monotonic()
    done: Round = {"runs": 0, "events": 0, "left": [], "rest": 0.0}
    asked = {"roots": list(roots)}
    runs = statements.execute(REMEMBERED_RUNS, asked)
    for batch in _batches([run_id for _, run_id in runs]):
        done["runs"] += scrubbing.forget_runs(batch)
    events = statements.execute(REMEMBERED_EVENTS, asked)
    for batch in _batches([event_id for _, event_id in events]):
        done["events"] += scrubbing.forget_events(batch)
    left = statements.execute_many((REMEMBERED_RUNS, asked), (REMEMBERED_EVENTS, asked))
    done["left"] = sorted({str(root) for rows in left for root, _ in rows})
    done["rest"] = _rest(done, idle, time.monotonic() - began)
    return done


def _batches(ids: list[uuid.UUID]) -> Iterable[list[uuid.UUID]]:
    distinct = list(dict.fromkeys(ids))[: BATCH * BATCHES]
    return (distinct[at : at + BATCH] for at in range(0, len(distinct), BATCH))


def _rest(done: Round, idle: int, busy: float) -> float:
    """After work, by the needs of other runs; else until something may have ended."""
    if not done["runs"] + done["events"]:
        return min(SOON * 2.0 ** min(idle, 30), LATE)
    return pace.rest_after(busy, SHARE) if pace.is_crowded(FUNCTION) else 0.0
