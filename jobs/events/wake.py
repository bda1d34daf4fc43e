"""Makes runs due that wait for an event, an answer, an invoked run or their turn."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobs.events.event import Event, EventPayload
from jobs.events.insertion import NewEvent
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.query import Query
from jobs.platform.postgres.statements import Statement
from jobs.registry import expressions

# After the insertion: a sender and a beginning wait must not miss each other.
AWAITED = """
SELECT EXISTS (SELECT FROM jobs_step
               WHERE status = 'waiting' AND awaits <> '' AND awaits = ANY(%(names)s))
"""

# Each run and event is looked up: by figures of an emptied table they would be joined whole.
WAITING = f"""
SELECT s.run_id, s.name, s.awaits, s.detail, e.event FROM jobs_step s
 CROSS JOIN LATERAL (SELECT event_id FROM jobs_run WHERE id = s.run_id LIMIT 1) r
 CROSS JOIN LATERAL (
       SELECT {EventPayload.SQL} AS event FROM jobs_event WHERE id = r.event_id LIMIT 1) e
 WHERE s.status = 'waiting' AND s.awaits <> '' AND s.awaits = ANY(%(names)s)
 ORDER BY s.run_id
"""  # noqa: S608


class WaitingRow(NamedTuple):
    run_id: uuid.UUID
    name: str
    awaits: str
    detail: str  # JSON
    event: str  # JSON


WAITING_STEPS = Query(WAITING, WaitingRow)

AWAITED_FOR = 60.0  # seconds for which an awaited name's senders open a transaction at once
MAX_AWAITED = 1_000  # names
awaited_until: dict[str, float] = {}  # monotonic


def wake_waiting(names: set[str], fresh: Sequence[tuple[Event, NewEvent]]) -> None:
    """Each run looks for its event itself."""
    _remember_awaited(names)
    woken = []
    for step in WAITING_STEPS.execute({"names": sorted(names)}):
        detail, variables = json.loads(step.detail), {"event": json.loads(step.event)}
        where = f"sending to step “{step.name}” of run {step.run_id}"
        arrived = (EventPayload.of_event(*pair) for pair in fresh if pair[0].name == step.awaits)
        if any(satisfies(detail, variables | {"async": e.as_json()}, where) for e in arrived):
            woken.append(step.run_id)
    wake_runs(woken)


def _remember_awaited(names: set[str]) -> None:
    if len(awaited_until) > MAX_AWAITED:
        awaited_until.clear()
    awaited_until.update(dict.fromkeys(names, time.monotonic() + AWAITED_FOR))


def why_not(detail: dict[str, Any], variables: dict[str, Any]) -> expressions.WhyNot | None:
    """None if the event `async` fits."""
    condition = detail.get("if")
    return expressions.why_not(condition, variables) if condition else None


def satisfies(detail: dict[str, Any], variables: dict[str, Any], where: str) -> bool:
    """`where` names the step."""
    condition = detail.get("if")
    if not condition:
        return True
    return expressions.holds(condition, variables, f"{where}, event {variables['async']['id']}")


def waking(which: str) -> str:
    """SQL that wakes runs `r` and returns their ids."""
    return f"UPDATE jobs_run r SET due_at = statement_timestamp() WHERE {which} RETURNING r.id"  # noqa: S608


def waking_parked(which: str) -> str:
    """As `waking`, for runs that wait for their turn."""
    now = "due_at = statement_timestamp(), reason = ''"
    return f"UPDATE jobs_run r SET {now} WHERE {which} RETURNING r.id"  # noqa: S608


# Runs `r` that an answer wakes. A leased run keeps the wake in its row until it suspends
# (records.SETTLED). A parked run looks when it has its turn.
CAN_BE_WOKEN = """
(r.status IN ('waiting', 'running') OR r.status = 'queued' AND r.due_at IS NOT NULL)"""
THESE_RUNS = f"r.id = ANY(%(run_ids)s) AND {CAN_BE_WOKEN}"
# Several are locked newest first, so that transactions that wake the same runs do not deadlock: an
# invoked run that ends is locked before its invoker. outbox.STORE_RESPONSES does so, too.
IN_ORDER = f"""r.id = ANY(ARRAY(
         SELECT r.id FROM jobs_run r WHERE {THESE_RUNS} ORDER BY r.id DESC FOR NO KEY UPDATE))"""  # noqa: S608

# What the notifier sends after the commit; nothing if none was `woken`.
WORD = f"SELECT '{notifier.RUN_DUE}' FROM woken LIMIT 1"  # noqa: S608
WAKE, WAKE_MANY = (
    f"""
WITH woken AS ({waking(which)})
{WORD}
"""
    for which in (THESE_RUNS, IN_ORDER)
)


def wake_statement(run_ids: Sequence[uuid.UUID]) -> Statement:
    """A due run's row is locked until this commit, so a claiming cluster sees what was written."""
    return WAKE if len(run_ids) == 1 else WAKE_MANY, {"run_ids": list(run_ids)}


def wake_runs(run_ids: Sequence[uuid.UUID]) -> None:
    if run_ids:
        notifier.tell_if_due(statements.execute_many(wake_statement(run_ids)))
