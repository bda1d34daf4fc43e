"""Accepting events: validate, drop repeats, fan out into runs. One transaction, the caller's if
there is one: the event, its runs and whatever the caller wrote are one fact (law 1)."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db import DataError, connection, transaction
from psycopg.errors import DivisionByZero

from jobs import (
    askers,
    conflicts,
    expressions,
    intake,
    models,
    notifier,
    parking,
    registry,
    repeats,
    statements,
)
from jobs.errors import InvalidEvent, InvalidExpression
from jobs.excerpts import quoted
from jobs.intake import NewEvent, NewRun
from jobs.options import seconds
from jobs.repeats import KnownEvent
from jobs.secrets import mask
from jobs.statements import Statement
from jobs.validation import EVENT_LIMIT, is_event_name
from jobs.values import ENCODER, Unfit, is_text, plain, read_back, size_of, written

logger = logging.getLogger(__name__)

CANCELLER = "jobs-cancel-on"  # the engine's own function behind cancel_on
RESERVED = ("jobs/", "inngest/")
NAME_LIMIT = EVENT_LIMIT
SIZE_LIMIT = 512 * 1024
MOST_EVENTS = 5000
EARLIEST, LATEST = 315_532_800_000, 4_102_444_800_000  # 1980 and 2100, in ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact to send, or the one that a run was started by.

    `data` is a JSON object; `id` the sender's own, by which a repeat within 24 h is recognised;
    `ts` the time it happened in Unix milliseconds (or an aware datetime): in the future, its runs
    wait until then.
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    ts: int | datetime = 0

    def as_json(self) -> dict[str, Any]:
        """The shape that expressions and `on_failure` see."""
        return {"name": self.name, "data": self.data, "id": self.id, "ts": milliseconds(self.ts)}


def milliseconds(ts: int | datetime) -> int:
    return round(ts.timestamp() * 1000) if isinstance(ts, datetime) else ts


def send(events: Event | Iterable[Event]) -> list[str]:
    """Accept events and start the functions that they trigger; returns the events' ids in order.

    Raises InvalidEvent before anything is written. An event whose `id` came within the last
    24 hours starts nothing: the id of that earlier event is returned. If that had another name, it
    is no repeat but another fact, and InvalidEvent; with other data it is a repeat with a warning.
    """
    batch = [events] if isinstance(events, Event) else _listed(events)
    clean = [validated(event) for event in batch]
    for event in clean:
        _refuse_reserved(event)
    return [str(row.id) for row in accept(clean)]


def _listed(events: Any) -> list[Event]:
    if isinstance(events, str | bytes | dict) or not isinstance(events, Iterable):
        given = type(events).__name__
        raise InvalidEvent(f"send() takes an Event or a list of them, not {given}.")
    batch = list(islice(events, MOST_EVENTS + 1))  # it may have no end
    if len(batch) > MOST_EVENTS:
        count = f"{len(events):,}" if isinstance(events, Sized) else f"More than {MOST_EVENTS:,}"
        raise InvalidEvent(f"{count} events at once; at most {MOST_EVENTS:,} are allowed.")
    return batch


def validated(event: Event) -> Event:
    """The event as it will be stored: data through JSON, secrets masked; or InvalidEvent."""
    if not isinstance(event, Event):
        given = f"{type(event).__module__}.{type(event).__qualname__}"
        raise InvalidEvent(f"send() takes jobs.api.Event(name=…, data=…), not {given}.")
    name, dedupe_id = plain(event.name), plain(event.id)
    if not is_event_name(name):
        raise InvalidEvent(
            f"An event's name must be 1 to {NAME_LIMIT} characters that can be stored and hold no "
            f"secret, not {quoted(name)}."
        )
    if not isinstance(event.data, dict):
        kind = type(event.data).__name__
        raise InvalidEvent(f"Event “{name}”: data must be a JSON object (a dict), not {kind}.")
    if not isinstance(dedupe_id, str) or len(dedupe_id) > 256 or not _is_clean(dedupe_id):
        raise InvalidEvent(
            f"Event “{name}”: id must be a text of at most 256 characters that can be stored and "
            f"hold no secret, not {quoted(dedupe_id)}."
        )
    return Event(name=name, data=_json(event), id=dedupe_id, ts=_time(event))


def _is_clean(text: str) -> bool:
    """No NUL, no half of a character, no secret."""
    return is_text(text) and mask(text) == text


def _json(event: Event) -> dict[str, Any]:
    try:
        text = written(event.data)
        size = size_of(text)
        if size > SIZE_LIMIT:
            raise Unfit(f"has {size:,} bytes; at most {SIZE_LIMIT:,} are allowed.")
        data: dict[str, Any] = read_back(text)
    except Unfit as unfit:
        raise InvalidEvent(f"Event “{event.name}”: data {unfit}") from None
    return data


def _time(event: Event) -> int:
    if isinstance(event.ts, datetime) and event.ts.utcoffset() is None:
        raise InvalidEvent(f"Event “{event.name}”: ts must be an aware datetime or milliseconds.")
    if isinstance(event.ts, bool) or not isinstance(event.ts, int | datetime):
        raise InvalidEvent(f"Event “{event.name}”: ts must be Unix milliseconds or a datetime.")
    ts = milliseconds(event.ts)
    if ts and not EARLIEST <= ts < LATEST:
        raise InvalidEvent(
            f"Event “{event.name}”: ts={quoted(ts)} is not between 1980 and 2100 (in ms)."
        )
    return ts


def is_reserved(name: str) -> bool:
    """Whether only the engine itself may send it."""
    return name.lower().startswith(RESERVED)


def _refuse_reserved(event: Event) -> None:
    if is_reserved(event.name):
        names = " and ".join(f"“{prefix}”" for prefix in RESERVED)
        raise InvalidEvent(f"Event “{event.name}”: names that begin with {names} are reserved.")


def accept(events: list[Event]) -> Sequence[NewEvent | KnownEvent]:
    """Store events and their runs, inside the caller's transaction if there is one.

    1. An event whose id came within 24 hours is replaced by the stored one (a lock on the id
       makes two senders of it take turns); one of another name is refused (conflicts).
    2. All new events are inserted with all their runs, in one statement (intake): of those that
       are to start at once and stand in one line only the first are due (parking).
    3. Clusters are told after the commit (notifier).
    """
    if not any(event.id for event in events):
        return accept_fresh(events)
    with transaction.atomic():
        return _accept_once(events)


def accept_fresh(events: list[Event], *, triggers: bool = True) -> list[NewEvent]:
    """The same for events without an id of their sender's, of which none is a repeat; without
    `triggers` they start no run."""
    fresh = [(event, _row(event)) for event in events]
    _insert(fresh, triggers=triggers)
    return [row for _, row in fresh]


def _accept_once(events: list[Event]) -> Sequence[NewEvent | KnownEvent]:
    known: dict[str, NewEvent | KnownEvent] = {}
    known |= repeats.take_turns({event.id for event in events if event.id})
    rows: list[NewEvent | KnownEvent] = []
    fresh: list[tuple[Event, NewEvent]] = []
    for event in events:
        row = known.get(event.id)
        if row is not None:
            conflicts.look_at(row, event.name, event.data)
        else:
            row = _row(event)
            fresh.append((event, row))
            if event.id:
                known[event.id] = row
        rows.append(row)
    _insert(fresh, triggers=True)
    return rows


# Whether a step waits for an event of one of these names: looked at after the events are inserted,
# so that of a sender and a run that begins to wait one sees the other.
AWAITED = """
SELECT EXISTS (SELECT FROM jobs_step WHERE status = 'waiting' AND awaits = ANY(%(names)s))
"""
# The same for a sender without a transaction: its statements are one of their own, which ends with
# the last of them. The division by zero takes it back, and the sender opens one.
NOT_AWAITED = f"SELECT 1 / (NOT ({AWAITED}))::int"
LATELY = 60.0  # seconds for which a sender opens a transaction at once for a name that was awaited
MOST_AWAITED = 1_000  # names
_awaited_until: dict[str, float] = {}  # monotonic


def _insert(fresh: Sequence[tuple[Event, NewEvent]], *, triggers: bool) -> None:
    """Insert events and their runs, wake the runs that wait for one of them, tell the clusters."""
    if not fresh:
        return
    pairs = [(row, list(_runs(event, row)) if triggers else []) for event, row in fresh]
    parking.park_behind(run for _, runs in pairs for run in runs if run.planned is None)
    inserting = list(intake.inserting(pairs))
    names = {event.name for event, _ in fresh}
    asked = {"names": sorted(names)}
    if not _may_go_at_once(names) or not _insert_at_once([*inserting, (NOT_AWAITED, asked)]):
        with transaction.atomic(savepoint=False):
            ((is_awaited,),) = statements.together(*inserting, (AWAITED, asked))[-1]
            if is_awaited:
                _wake_waiting(names, fresh)
    if any(runs for _, runs in pairs):
        notifier.wake_clusters(notifier.RUN_DUE)


def _may_go_at_once(names: set[str]) -> bool:
    if connection.in_atomic_block or not connection.get_autocommit():
        return False
    now = time.monotonic()
    return not any(_awaited_until.get(name, 0.0) > now for name in names)


def _insert_at_once(inserting: Sequence[Statement]) -> bool:
    """In one trip that is a transaction; False if a step waits for one of the events, and nothing
    is inserted."""
    try:
        statements.together(*inserting)
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            return False
        raise
    return True


def start(runs: Sequence[NewRun]) -> None:
    """Insert new runs of events that are there: due, or skipped where their function is paused."""
    if runs:
        statements.execute(*intake.inserting_runs(runs))
        notifier.wake_clusters(notifier.RUN_DUE)


def hold_if_paused(run: models.Run) -> None:
    """Let a run that another one waits for not start as long as its function is paused: it is not
    skipped, but is queued until that is resumed (claims.BEFORE)."""
    paused = models.RegisteredFunction.objects.filter(paused_at__isnull=False)
    if paused.filter(fn_id=run.fn_id).exists():
        run.reason, run.expires_at = models.Reason.PAUSED, None


def _wake_waiting(names: set[str], fresh: Sequence[tuple[Event, NewEvent]]) -> None:
    """Wake the runs whose step.wait_for_event one of these events may satisfy; the step itself
    looks for its event when the run is looked at."""
    _remember_awaited(names)
    waiting = models.Step.objects.filter(status=models.StepStatus.WAITING, awaits__in=names)
    woken = []
    for step in waiting.select_related("run__event").order_by("run_id"):
        variables = {"event": as_json(step.run.event)}
        where = f"sending to step “{step.name}” of run {step.run_id}"
        arrived = (stored(event, row) for event, row in fresh if event.name == step.awaits)
        if any(satisfies(step.detail, variables | {"async": event}, where) for event in arrived):
            woken.append(step.run_id)
    wake_runs(woken)


def _remember_awaited(names: set[str]) -> None:
    if len(_awaited_until) > MOST_AWAITED:
        _awaited_until.clear()
    _awaited_until.update(dict.fromkeys(names, time.monotonic() + LATELY))


def satisfies(detail: dict[str, Any], variables: dict[str, Any], where: str) -> bool:
    """Whether the event `async` is one that a step waits for; `where` names the step."""
    condition = detail.get("if")
    if not condition:
        return True
    return expressions.holds(condition, variables, f"{where}, event {variables['async']['id']}")


def as_json(row: models.Event) -> dict[str, Any]:
    """A stored event as functions and expressions see it."""
    return {
        "name": row.name,
        "data": row.data,
        "id": row.dedupe_id or str(row.id),
        "ts": milliseconds(row.ts),
    }


def _row(event: Event) -> NewEvent:
    text = ENCODER.encode(event.data)
    row = NewEvent(name=event.name, data=event.data, text=text, dedupe_id=event.id)
    if event.ts:
        row.ts = datetime.fromtimestamp(milliseconds(event.ts) / 1000, UTC)
    return row


def _runs(event: Event, row: NewEvent) -> Iterable[NewRun]:
    """One run for each function with a trigger that matches, however many of them do."""
    variables: dict[str, Any] | None = None
    for function, triggers in registry.triggered_by(event.name):
        if variables is None:
            variables = {"event": stored(event, row)}
        if any(_fires(trigger, function, variables) for trigger in triggers):
            yield new_run(function, row, variables["event"])
    if registry.cancelled_by(event.name) and registry.knows(CANCELLER):
        canceller = new_run(registry.get(CANCELLER), row, stored(event, row))
        canceller.asked_by = askers.current_id()
        yield canceller


def _fires(
    trigger: registry.TriggerEvent, function: registry.Function, variables: dict[str, Any]
) -> bool:
    if trigger.if_exp is None:
        return True
    where = f"trigger of “{function.fn_id}”, event {variables['event']['id']}"
    return expressions.holds(trigger.if_exp, variables, where)


def stored(event: Event, row: NewEvent | models.Event) -> dict[str, Any]:
    """An accepted event as expressions and functions see it: its id and time filled in."""
    ts = milliseconds(event.ts) or time.time_ns() // 1_000_000
    return {"name": event.name, "data": event.data, "id": event.id or str(row.id), "ts": ts}


def new_run(
    function: registry.Function,
    row: NewEvent | models.Event,
    event: dict[str, Any],
    rerun_of: uuid.UUID | None = None,
) -> NewRun:
    """A new run, at the end of its lines: due when its event has happened, or at once if a person
    runs it again. `timeouts.start` counts from then."""
    start = function.timeouts.start
    return NewRun(
        fn_id=function.fn_id,
        event_id=row.id,
        turn_keys=turn_keys(function, event),
        turn_limits=[entry.limit for entry in function.concurrency],
        planned=row.ts if isinstance(row.ts, datetime) and rerun_of is None else None,
        start_within=None if start is None else seconds(start),
        rerun_of=rerun_of,
        asked_by=askers.named_id(),
    )


def turn_keys(function: registry.Function, event: dict[str, Any]) -> list[str]:
    """The lines that a run stands in, one for each Concurrency, in their order."""
    keys = []
    for number, entry in enumerate(function.concurrency):
        value = None
        if entry.key:
            try:
                value = expressions.evaluate(entry.key, {"event": event})
            except InvalidExpression as error:
                logger.warning(
                    "concurrency key of “%s”, event %s, taken as null: %s",
                    function.fn_id,
                    event["id"],
                    error,
                )
        keys.append(f"{function.fn_id}:{number}:{expressions.key_text(value)}")
    return keys


WAKE = """
WITH woken AS (
  UPDATE jobs_run SET due_at = statement_timestamp()
   WHERE id = ANY(%(run_ids)s)
     AND (status IN ('waiting', 'running') OR status = 'queued' AND due_at IS NOT NULL)
  RETURNING id)
SELECT 'run' FROM woken LIMIT 1
"""


def waking(run_ids: Sequence[uuid.UUID]) -> Statement:
    """Something that these runs wait for has come: have them looked at again.

    1. A run that a worker has in hand keeps the word in its row until it suspends (see
       records.SETTLED), so that it cannot be lost between the two.
    2. So does one that is due and in nobody's hands: its row is ours until we commit, so nobody
       takes it up before he can see what we have written.
    3. A parked one is left to its line: it looks when it has its turn.
    """
    return WAKE, {"run_ids": list(run_ids)}


def wake_runs(run_ids: Sequence[uuid.UUID]) -> None:
    if run_ids:
        notifier.pass_on(statements.together(waking(run_ids)))
