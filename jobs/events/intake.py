"""Accepting events, in the caller's transaction if there is one (law 1)."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DataError, connection, transaction

from jobs.errors import InvalidEvent
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
from jobs.platform.postgres.statements import Rows, Statement

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
    ids = [event.id for event in events if event.id]
    if not ids:
        return accept_fresh(events)
    are_new = None
    if len(set(ids)) == len(ids) <= deduplication.FEW:
        fresh = [(event, _row(event)) for event in events]
        with contextlib.suppress(InvalidEvent):  # a known event's other data start nothing
            are_new = _insert(fresh, ids=ids)
        if are_new:
            return [row for _, row in fresh]
    is_locked = are_new is False and connection.in_atomic_block
    with transaction.atomic():
        return _accept_once(events, is_locked=is_locked)


def accept_fresh(events: list[Event], *, triggers: bool = True) -> list[NewEvent]:
    """For events without an id; without `triggers` they start no run."""
    fresh = [(event, _row(event)) for event in events]
    _insert(fresh, triggers=triggers)
    return [row for _, row in fresh]


def _accept_once(events: list[Event], *, is_locked: bool) -> Sequence[NewEvent | KnownEvent]:
    known: dict[str, NewEvent | KnownEvent] = {}
    find = deduplication.find if is_locked else deduplication.lock_ids
    known |= find({event.id for event in events if event.id})
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
    _insert(fresh)
    return rows


# Without a transaction: if a step waits for an event, the division by zero undoes the insertion,
# and the sender opens one.
NOT_AWAITED = f"SELECT 1 / (NOT ({AWAITED}))::int"


def _insert(
    fresh: Sequence[tuple[Event, NewEvent]], *, triggers: bool = True, ids: Sequence[str] = ()
) -> bool | None:
    """True, or nothing is inserted because not all `ids` are new (deduplication.are_all_new)."""
    if not fresh:
        return True
    condition_problems.forget()
    pairs = [(row, list(triggered_runs(event, row)) if triggers else []) for event, row in fresh]
    insertion.park_behind(run for _, runs in pairs for run in runs if run.planned is None)
    inserts = list(insertion.insert_statements(pairs))
    if ids:
        if len(inserts) > 1:
            return None
        inserts = deduplication.insert_if_new(inserts[0], ids)
    names = {event.name for event, _ in fresh}
    asked = {"names": sorted(names)}
    answers = None
    if _may_skip_transaction(names):
        answers = _insert_in_one_trip([*inserts, (NOT_AWAITED, asked)])
    if answers is not None:
        are_new = deduplication.are_all_new(*answers[:2]) if ids else True
    else:
        with transaction.atomic(savepoint=False):
            answers = statements.execute_many(*inserts, (AWAITED, asked))
            are_new = deduplication.are_all_new(*answers[:2]) if ids else True
            if are_new and answers[-1][0][0]:
                wake_waiting(names, fresh)
    if are_new:
        condition_problems.report()
        if any(runs for _, runs in pairs):
            notifier.wake_clusters(notifier.RUN_DUE)
    return are_new


def _may_skip_transaction(names: set[str]) -> bool:
    if connection.in_atomic_block or not connection.get_autocommit():
        return False
    now = time.monotonic()
    return not any(awaited_until.get(name, 0.0) > now for name in names)


def _insert_in_one_trip(inserts: Sequence[Statement]) -> list[Rows] | None:
    """None, with nothing inserted, if a step waits for one."""
    try:
        return statements.execute_many(*inserts)
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            return None
        raise


def _row(event: Event) -> NewEvent:
    text = ENCODER.encode(event.data)
    row = NewEvent(name=event.name, data=event.data, text=text, dedupe_id=event.id)
    if event.ts:
        row.ts = datetime.fromtimestamp(milliseconds(event.ts) / 1000, UTC)
    return row
