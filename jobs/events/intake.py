"""Accepting events, in the caller's transaction if there is one (law 1)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DataError, connection, transaction

from jobs.events import condition_problems, deduplication, id_conflicts, insertion
from jobs.events.deduplication import KnownEvent
from jobs.events.event import Event, milliseconds
from jobs.events.fan_out import triggered_runs
from jobs.events.insertion import NewEvent
from jobs.events.validation import as_list, refuse_reserved, validate
from jobs.events.wake import AWAITED, awaited_until, wake_waiting
from jobs.lib.json_values import ENCODER
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.connection_state import DivisionByZero
from jobs.platform.postgres.statements import Statement

logger = logging.getLogger("jobs.events")


def send(events: Event[Any] | Iterable[Event[Any]]) -> list[str]:
    """Accept events and start the functions that they trigger; returns the events' ids in order.

    An `id` of the last 24 hours starts nothing and returns the earlier event's id; other data under
    it are logged as a warning. Raises InvalidEvent, also for that id under another name, before any
    write.
    """
    batch = [events] if isinstance(events, Event) else as_list(events)
    clean = [validate(event) for event in batch]
    for event in clean:
        refuse_reserved(event)
    return [str(row.id) for row in accept(clean)]


def accept(events: list[Event]) -> Sequence[NewEvent | KnownEvent]:
    """A repeated id yields the stored event, under a lock on the id (id_conflicts). Of runs that
    start at once in a line, only the first are due (parking). Clusters are told after the commit
    (notifier).
    """
    if not any(event.id for event in events):
        return accept_fresh(events)
    with transaction.atomic():
        return _accept_once(events)


def accept_fresh(events: list[Event], *, triggers: bool = True) -> list[NewEvent]:
    """For events without an id; without `triggers` they start no run."""
    fresh = [(event, _row(event)) for event in events]
    _insert(fresh, triggers=triggers)
    return [row for _, row in fresh]


def _accept_once(events: list[Event]) -> Sequence[NewEvent | KnownEvent]:
    known: dict[str, NewEvent | KnownEvent] = {}
    known |= deduplication.lock_ids({event.id for event in events if event.id})
    rows: list[NewEvent | KnownEvent] = []
    fresh: list[tuple[Event, NewEvent]] = []
    for event in events:
        row = known.get(event.id)
        if row is not None:
            id_conflicts.check_repeat(row, event.name, event.data)
        else:
            row = _row(event)
            fresh.append((event, row))
            if event.id:
                known[event.id] = row
        rows.append(row)
    _insert(fresh, triggers=True)
    return rows


# Without a transaction: if a step waits for an event, the division by zero undoes the insertion,
# and the sender opens one.
NOT_AWAITED = f"SELECT 1 / (NOT ({AWAITED}))::int"


def _insert(fresh: Sequence[tuple[Event, NewEvent]], *, triggers: bool) -> None:
    if not fresh:
        return
    condition_problems.forget()
    pairs = [(row, list(triggered_runs(event, row)) if triggers else []) for event, row in fresh]
    insertion.park_behind(run for _, runs in pairs for run in runs if run.planned is None)
    inserts = list(insertion.insert_statements(pairs))
    names = {event.name for event, _ in fresh}
    asked = {"names": sorted(names)}
    if not _may_skip_transaction(names) or not _insert_in_one_trip(
        [*inserts, (NOT_AWAITED, asked)]
    ):
        with transaction.atomic(savepoint=False):
            ((is_awaited,),) = statements.execute_many(*inserts, (AWAITED, asked))[-1]
            if is_awaited:
                wake_waiting(names, fresh)
    condition_problems.report()
    if any(runs for _, runs in pairs):
        notifier.wake_clusters(notifier.RUN_DUE)


def _may_skip_transaction(names: set[str]) -> bool:
    if connection.in_atomic_block or not connection.get_autocommit():
        return False
    now = time.monotonic()
    return not any(awaited_until.get(name, 0.0) > now for name in names)


def _insert_in_one_trip(inserts: Sequence[Statement]) -> bool:
    """False, with nothing inserted, if a step waits for one."""
    try:
        statements.execute_many(*inserts)
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            return False
        raise
    return True


def _row(event: Event) -> NewEvent:
    text = ENCODER.encode(event.data)
    row = NewEvent(name=event.name, data=event.data, text=text, dedupe_id=event.id)
    if event.ts:
        row.ts = datetime.fromtimestamp(milliseconds(event.ts) / 1000, UTC)
    return row
