"""New events and their runs in one statement: a list as JSON (see execution.records), into which an
event's data is spliced; one event with one run, which is what most senders send, as parameters. The
database takes a sixth less of its time for those.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Value
from django.db.models.functions import Greatest, Now

from jobs import models
from jobs.ids import new_id
from jobs.lib.json_values import ENCODER
from jobs.platform.postgres.statements import Statement

# For one statement, unless one event is larger.
BATCH = 1_000  # events
BATCH_CHARACTERS = 8 * 1024 * 1024


@dataclass(slots=True, eq=False)
class NewEvent:
    """`text` is its data as JSON."""

    name: str
    data: dict[str, Any]
    text: str
    dedupe_id: str = ""
    ts: datetime | None = None
    repeat: dict[str, Any] | None = None
    id: uuid.UUID = field(default_factory=new_id)

    def as_json(self) -> str:
        facts: dict[str, Any] = {"id": self.id.hex, "name": self.name, "dedupe_id": self.dedupe_id}
        if self.ts is not None:
            facts["ts"] = self.ts.isoformat()
        if self.repeat is not None:
            facts["repeat"] = self.repeat
        return f'{ENCODER.encode(facts)[:-1]}, "data": {self.text}}}'

    def facts(self) -> dict[str, Any]:
        return {
            "id": self.id.hex,
            "name": self.name,
            "data": self.text,
            "ts": None if self.ts is None else self.ts.isoformat(),
            "dedupe_id": self.dedupe_id,
            "repeat": None if self.repeat is None else ENCODER.encode(self.repeat),
        }


@dataclass(slots=True, eq=False, kw_only=True)
class NewRun:
    """Due at `planned` or at once, unless paused or parked; cancelled unless started within
    `start_within` seconds.
    """

    fn_id: str
    event_id: uuid.UUID
    turn_keys: list[str]
    turn_limits: list[int]
    planned: datetime | None = None
    start_within: float | None = None
    rerun_of: uuid.UUID | None = None
    asked_by: str = ""
    is_parked: bool = False
    id: uuid.UUID = field(default_factory=new_id)

    def facts(self) -> dict[str, Any]:
        return {
            "id": self.id.hex,
            "fn_id": self.fn_id,
            "event_id": self.event_id.hex,
            "turn_keys": self.turn_keys,
            "turn_limits": self.turn_limits,
            "planned": None if self.planned is None else self.planned.isoformat(),
            "start_within": self.start_within,
            "asked_by": self.asked_by,
            "is_parked": self.is_parked,
        }

    def unsaved(self) -> models.Run:
        run = models.Run(
            id=self.id,
            fn_id=self.fn_id,
            event_id=self.event_id,
            turn_keys=self.turn_keys,
            turn_limits=self.turn_limits,
            rerun_of_id=self.rerun_of,
            asked_by=self.asked_by,
        )
        if self.planned is not None:
            run.due_at = run.ready_at = Greatest(Value(self.planned), Now())
        if self.start_within is not None:
            run.expires_at = (run.ready_at or Now()) + timedelta(seconds=self.start_within)
        return run


EVENT = {
    "id": "uuid",
    "name": "text",
    "data": "jsonb",
    "ts": "timestamptz",
    "dedupe_id": "text",
    "repeat": "jsonb",
}
RUN = {
    "id": "uuid",
    "fn_id": "text",
    "event_id": "uuid",
    "turn_keys": "text[]",
    "turn_limits": "int[]",
    "asked_by": "text",
    "planned": "timestamptz",
    "start_within": "float8",
    "is_parked": "bool",
}


def _listed(columns: dict[str, str], parameter: str) -> str:
    types = ", ".join(f"{name} {type}" for name, type in columns.items())
    return f"json_to_recordset(%({parameter})s::json) AS given({types})"


def _single(columns: dict[str, str], prefix: str) -> str:
    values = ", ".join(f"%({prefix}{name})s::{type} AS {name}" for name, type in columns.items())
    return f"(SELECT {values}) AS given"


INTO_EVENTS = """
INSERT INTO jobs_event (id, name, data, ts, dedupe_id, repeat)
SELECT id, name, data, coalesce(ts, statement_timestamp()), dedupe_id, repeat FROM {events}
"""
INTO_RUNS = """
INSERT INTO jobs_run (
  id, fn_id, event_id, turn_keys, turn_limits, asked_by, status, reason, due_at, ready_at,
  expires_at, ended_at, worker, lost_count, begun, stop_requested, turns_held, attempt,
  function_errors, steps_done)
SELECT r.id, r.fn_id, r.event_id, r.turn_keys, r.turn_limits, r.asked_by,
       CASE WHEN is_paused THEN 'skipped' ELSE 'queued' END,
       CASE WHEN is_paused THEN 'paused' WHEN is_parked THEN 'turn' ELSE '' END,
       CASE WHEN NOT is_paused AND NOT is_parked
            THEN greatest(planned, statement_timestamp()) END,
       CASE WHEN planned IS NOT NULL THEN greatest(planned, statement_timestamp()) END,
       CASE WHEN NOT is_paused THEN greatest(planned, statement_timestamp())
            + make_interval(secs => start_within) END,
       CASE WHEN is_paused THEN statement_timestamp() END,
       '', 0, false, false, 0, 0, 0, 0
  FROM (SELECT given.*, EXISTS (SELECT FROM jobs_registeredfunction f
                                 WHERE f.fn_id = given.fn_id AND f.paused_at IS NOT NULL)
               AS is_paused
          FROM {runs}) r
"""
INSERT_EVENTS = INTO_EVENTS.format(events=_listed(EVENT, "events"))
INSERT_RUNS = INTO_RUNS.format(runs=_listed(RUN, "runs"))
INSERT_EVENT = INTO_EVENTS.format(events=_single(EVENT, "event_"))
INSERT_RUN = INTO_RUNS.format(runs=_single(RUN, "run_"))


class Parts(NamedTuple):
    events: str
    runs: str = ""


EVENTS = Parts(INSERT_EVENTS)
BOTH = Parts(INSERT_EVENTS, INSERT_RUNS)
SINGLE = Parts(INSERT_EVENT, INSERT_RUN)
TEXT = {
    parts: f"WITH events AS ({parts.events}) {parts.runs}" if parts.runs else parts.events
    for parts in (EVENTS, BOTH, SINGLE)
}

Pair = tuple[NewEvent, list[NewRun]]


def insert_statements(pairs: Sequence[Pair]) -> Iterator[tuple[Parts, dict[str, Any]]]:
    """One, unless the events are many or large; TEXT has the statements of the parts."""
    if len(pairs) == 1 and len(pairs[0][1]) == 1:
        event, (run,) = pairs[0]
        yield SINGLE, _named("event_", event.facts()) | _named("run_", run.facts())
        return
    for batch in _batches(pairs):
        runs = [run for _, runs in batch for run in runs]
        values = {"events": _list([event.as_json() for event, _ in batch])}
        yield (BOTH, values | _runs(runs)) if runs else (EVENTS, values)


def insert_runs_statement(runs: Sequence[NewRun]) -> Statement:
    return INSERT_RUNS, _runs(runs)


def _runs(runs: Sequence[NewRun]) -> dict[str, Any]:
    return {"runs": _list([ENCODER.encode(run.facts()) for run in runs])}


def _named(prefix: str, facts: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in facts.items()}


def _batches(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    start = size = 0
    for number, (event, _) in enumerate(pairs):
        size += len(event.text)
        if number - start >= BATCH or (size > BATCH_CHARACTERS and number > start):
            yield pairs[start:number]
            start, size = number, len(event.text)
    if start < len(pairs):
        yield pairs[start:]


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(texts)}]"


def park_behind(runs: Iterable[NewRun]) -> None:
    """Park new runs, all due at once, behind as many others as their line's limit."""
    ahead: Counter[str] = Counter()
    for run in sorted(runs, key=lambda run: run.id):  # in their line's order
        if not run.turn_keys:
            continue
        key = run.turn_keys[0]
        if ahead[key] < run.turn_limits[0]:
            ahead[key] += 1
        else:
            run.is_parked = True
