"""Accepting events, in the caller's transaction if there is one (law 1)."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DataError, connection, transaction

from jobs.errors import InvalidEvent
from jobs.events import condition_problems, deduplication, fan_out, id_conflicts, insertion
from jobs.events.deduplication import InsertionOutcome, KnownEvent
from jobs.events.event import Event, EventPayload, milliseconds
from jobs.events.insertion import NewEvent
from jobs.events.validation import as_list, refuse_reserved, validate
from jobs.events.wake import AWAITED, awaited_until, wake_waiting
from jobs.lib.json_values import ENCODER
from jobs.platform.postgres import notifier, statements
from jobs.platform.postgres.connection_state import DivisionByZero
from jobs.platform.postgres.statements import Rows, Statement
from jobs.registry.function import Function

Lock = Callable[[Collection[str]], dict[str, KnownEvent]]


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
    outcome = InsertionOutcome.NOT_TRIED
    if len(set(ids)) == len(ids) <= deduplication.MAX_OWN_LOCKS:
        fresh = [(event, _row(event)) for event in events]
        with contextlib.suppress(InvalidEvent):  # a known event's other data start nothing
            outcome = _insert(fresh, ids=ids)
        if outcome is InsertionOutcome.INSERTED:
            return [row for _, row in fresh]
    lock: Lock = deduplication.lock_ids
    if _is_in_transaction():  # what was locked or counted still is
        lock = LOCK_AFTER.get(outcome, lock)
    with transaction.atomic():
        return _accept_once(events, lock)


LOCK_AFTER: dict[InsertionOutcome, Lock] = {
    InsertionOutcome.KNOWN: deduplication.find,
    InsertionOutcome.MANY: deduplication.lock_many,
}


def accept_fresh(events: list[Event], *, triggers: bool = True) -> list[NewEvent]:
    """For events without an id; without `triggers` they start no run."""
    fresh = [(event, _row(event)) for event in events]
    _insert(fresh, triggers=triggers)
    return [row for _, row in fresh]


def start_alone(
    function: Function, event: Event, *, triggers: bool = False, asked_by: str | None = None
) -> uuid.UUID:
    """Start this function by an event of its own, which starts no other one unless `triggers`;
    returns the run's id. In a transaction.
    """
    (row,) = accept_fresh([event], triggers=triggers)
    run = fan_out.new_run(function, row, EventPayload.of_event(event, row))
    run.asked_by = run.asked_by if asked_by is None else asked_by
    fan_out.start([run])
    return run.id


def _accept_once(events: list[Event], lock: Lock) -> Sequence[NewEvent | KnownEvent]:
    known: dict[str, NewEvent | KnownEvent] = {}
    known |= lock({event.id for event in events if event.id})
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
) -> InsertionOutcome:
    """With `ids` only if all are new."""
    if not fresh:
        return InsertionOutcome.INSERTED
    condition_problems.forget()
    runs_of = fan_out.triggered_runs if triggers else fan_out.no_runs
    pairs = [(row, list(runs_of(event, row))) for event, row in fresh]
    insertion.park_behind(run for _, runs in pairs for run in runs if run.planned is None)
    batches = list(insertion.insert_statements(pairs))
    if ids and len(batches) > 1:
        return InsertionOutcome.NOT_TRIED
    if ids:
        inserts = deduplication.insert_if_new(*batches[0], ids)
    else:
        inserts = [(insertion.TEXT[parts], values) for parts, values in batches]
    outcome = _insert_and_wake(inserts, fresh, ids)
    if outcome is InsertionOutcome.INSERTED:
        condition_problems.report()
        if any(runs for _, runs in pairs):
            notifier.tell_clusters(notifier.RUN_DUE)
    return outcome


def _insert_and_wake(
    inserts: Sequence[Statement], fresh: Sequence[tuple[Event, NewEvent]], ids: Sequence[str]
) -> InsertionOutcome:
    names = {event.name for event, _ in fresh}
    asked = {"names": sorted(names)}
    if _may_skip_transaction(names):
        answers = _insert_in_one_trip([*inserts, (NOT_AWAITED, asked)])
        if answers is not None:
            return _outcome_of(answers, ids)
    with transaction.atomic(savepoint=False):
        answers = statements.execute_many(*inserts, (AWAITED, asked))
        outcome = _outcome_of(answers, ids)
        is_awaited = statements.only_value(answers[-1])
        if outcome is InsertionOutcome.INSERTED and is_awaited:
            wake_waiting(names, fresh)
    return outcome


def _outcome_of(answers: Sequence[Rows], ids: Sequence[str]) -> InsertionOutcome:
    return deduplication.outcome_of(*answers[:2]) if ids else InsertionOutcome.INSERTED


def _is_in_transaction() -> bool:
    return connection.in_atomic_block or not connection.get_autocommit()


def _may_skip_transaction(names: set[str]) -> bool:
    if _is_in_transaction():
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
