"""What has become of the runs that `send` started."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from jobs.errors import UnknownEvent, UnknownRun
from jobs.ids import as_id
from jobs.lib.excerpts import quoted
from jobs.models import UNFINISHED, Event
from jobs.platform.postgres.query import Query

FORGOTTEN = "What is older than JOBS['RETENTION_DAYS'] is forgotten."
MAX_RUNS = 1_000  # runs of one event


class StateRow(NamedTuple):
    id: uuid.UUID
    fn_id: str
    event_id: uuid.UUID
    status: str
    reason: str
    steps_done: int
    error: str | None  # JSON
    created_at: datetime
    started_at: datetime | None
    due_at: datetime | None
    ended_at: datetime | None


class OutputRow(NamedTuple):
    output: str | None  # JSON; null until completed
    state: StateRow


class EventRow(NamedTuple):
    """An event's run; one row of nulls without any."""

    number: int
    state: StateRow


COLUMNS = ", ".join(f"r.{name}" for name in StateRow._fields)
RUN = Query(
    f"SELECT r.output, {COLUMNS} FROM jobs_run r WHERE r.id = %(run_id)s::uuid",  # noqa: S608
    OutputRow,
)
OF_EVENT = Query(
    f"""
SELECT (row_number() OVER (ORDER BY r.id))::int AS number, {COLUMNS}
  FROM jobs_event e LEFT JOIN LATERAL (
       SELECT * FROM jobs_run WHERE event_id = e.id ORDER BY id LIMIT {MAX_RUNS}) r ON true
 WHERE e.id = %(event_id)s::uuid ORDER BY r.id
""",  # noqa: S608
    EventRow,
)


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as it was read.

    `status` is queued, running, waiting, completed, failed, cancelled or skipped; `reason` says why
    it is queued or waiting (turn, backoff, sleep, fetch, event, invoke, function, paused, aside).
    `due_at` is when it goes on by itself. `error` is the object that `on_failure` gets.
    """

    id: uuid.UUID
    fn_id: str
    event_id: uuid.UUID
    status: str
    reason: str
    steps_done: int
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    due_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of_row(cls, row: StateRow) -> RunState:
        facts = row._asdict()
        return cls(**facts | {"error": None if row.error is None else json.loads(row.error)})

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED


def runs_of(event_id: str | uuid.UUID) -> list[RunState]:
    """The runs of an event, reruns included, oldest first; at most 1,000. `event_id` is what `send`
    returned. Raises UnknownEvent.
    """
    known = as_id(event_id)
    rows = OF_EVENT.execute({"event_id": known}) if known is not None else []
    if not rows:
        raise UnknownEvent(f"There is no event {_named(event_id)}{_no_event(event_id, known)}")
    return [RunState.of_row(row.state) for row in rows if row.state.id is not None]


def status(run_id: str | uuid.UUID) -> RunState:
    """A run's state now. Raises UnknownRun."""
    return RunState.of_row(read(run_id).state)


def read(run_id: str | uuid.UUID) -> OutputRow:
    """Raises UnknownRun."""
    known = as_id(run_id)
    rows = RUN.execute({"run_id": known}) if known is not None else []
    if not rows:
        raise unknown_run(run_id)
    return rows[0]


def unknown_run(given: Any) -> UnknownRun:
    known = as_id(given)
    if known is None:
        return UnknownRun(f"There is no run {_named(given)}: a run's id is allowed, a UUID.")
    if Event.objects.filter(id=known).exists():
        return UnknownRun(
            f"There is no run {_named(given)}: this is an event's id. "
            "runs_of(event_id) has the runs that the event started, each with its id."
        )
    return UnknownRun(f"There is no run {_named(given)}. {FORGOTTEN}")


def _no_event(given: Any, known: uuid.UUID | None) -> str:
    if isinstance(given, list | tuple):
        return ": send() returns a list of ids, one for each event; give one of them."
    if known is not None and RUN.execute({"run_id": known}):
        return ": this is a run's id. status(run_id) and result(run_id) take it."
    return f": give the id that send() returned, not the sender's own. {FORGOTTEN}"


def _named(given: object) -> str:
    return quoted(str(given) if isinstance(given, uuid.UUID) else given)
