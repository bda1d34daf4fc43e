"""What a worker reads of a run, and what it writes at a commit: a statement each.

A commit is steps, requests, attempts, log lines and the run's own row.

The rows travel as one JSON text a table, which PostgreSQL unfolds (jsonb_populate_recordset): the
statement is always the same, however many rows there are, and it is one round trip. Since they
are one statement, either all of it is written under the lease or nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, DataError, models
from psycopg.errors import DivisionByZero

from jobs import statements
from jobs.errors import LeaseLost
from jobs.models import Fetch, Step
from jobs.statements import Rows, Statement

Row = dict[str, Any]  # of a table, by the columns' names
Record = TypeVar("Record", Step, Fetch)

STEP = ["id", "run_id", "name", "kind", "status", "position", "attempts", "output", "error"]
STEP += ["started_at", "ended_at", "due_at", "awaits", "detail"]
ATTEMPT = ["id", "run_id", "step_name", "number", "status", "started_at", "ended_at", "worker"]
ATTEMPT += ["error_class", "error_message", "traceback", "retry_at"]
LINE = ["run_id", "step_name", "attempt", "level", "at", "message"]
FETCH = ["id", "run_id", "step_name", "idempotency_key", "status", "attempt", "lease_token"]
FETCH += ["lease_until", "response", "error", "sent_at", "ended_at", "result_url", "method", "url"]
FETCH += ["headers", "body", "timeout"]


def _columns(model: type[models.Model]) -> dict[str, bool]:
    """Every column, and whether it is JSON, which is read as its text."""
    fields = model._meta.concrete_fields
    return {field.attname: isinstance(field, models.JSONField) for field in fields}


COLUMNS = {model: _columns(model) for model in (Step, Fetch)}
WIDTH = len(COLUMNS[Step])

# Steps that are over have no use for their requests any more.
READ = f"""
SELECT {", ".join(f"s.{name}" for name in COLUMNS[Step])},
       {", ".join(f"f.{name}" for name in COLUMNS[Fetch])}
  FROM jobs_step s LEFT JOIN jobs_fetch f ON s.kind = 'fetch'
       AND s.status NOT IN ('completed', 'failed') AND f.run_id = s.run_id AND f.step_name = s.name
 WHERE s.run_id = %(run_id)s ORDER BY s.position, s.id
"""  # noqa: S608


def _insert(table: str, columns: list[str], parameter: str, on_conflict: str = "") -> str:
    names = ", ".join(columns)
    rows = f"jsonb_populate_recordset(NULL::{table}, %({parameter})s::jsonb)"
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows} {on_conflict}"  # noqa: S608


def _again(key: str, columns: list[str]) -> str:
    """A row that is noted again (another attempt, an answer) keeps its id."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return f"ON CONFLICT (run_id, {key}) DO UPDATE SET {changes}"


STEPS = _insert("jobs_step", STEP, "steps", _again("name", STEP[3:]))
FETCHES = _insert("jobs_fetch", FETCH, "fetches", _again("step_name", FETCH[4:]))
ATTEMPTS = _insert("jobs_attempt", ATTEMPT, "attempts")
LINES = _insert("jobs_logline", LINE, "lines")

# What a run's row is told at every commit; SETTLED adds how the execution came to its end. If the
# lease is in other hands, no row is changed, and the division by zero ends the transaction: that
# also holds where its COMMIT follows in the same trip.
RUN = """
UPDATE jobs_run SET steps_done = %(steps_done)s, attempt = %(attempt)s,
       function_errors = %(function_errors)s {settled}
 WHERE id = %(run_id)s AND lease_token = %(token)s
RETURNING stop_requested
"""
WRITE = "WITH {records} SELECT bool_or(stop_requested), 1 / count(*) FROM run"

# LEAST lets stand what came meanwhile and has set due_at (events.wake_runs); it passes by nulls.
SETTLED = """
     , status = %(status)s, reason = %(reason)s, lease_token = NULL, lease_until = NULL,
       output = %(output)s::jsonb, error = %(error)s::jsonb,
       ended_at = CASE WHEN %(ended)s THEN statement_timestamp() END,
       expires_at = CASE WHEN %(ended)s THEN NULL ELSE expires_at END,
       due_at = CASE WHEN NOT %(ended)s THEN least(due_at, %(until)s::timestamptz,
                statement_timestamp() + make_interval(secs => %(delay)s::double precision)) END
"""


def read(run_id: uuid.UUID) -> list[tuple[Step, Fetch | None]]:
    """A run's steps in their order, each with its request if that is not over."""
    rows = statements.execute(READ, {"run_id": run_id})
    return [
        (_object(Step, row[:WIDTH]), _object(Fetch, row[WIDTH:]) if row[WIDTH] else None)
        for row in rows
    ]


def _object(model: type[Record], values: Sequence[Any]) -> Record:
    columns = COLUMNS[model]
    found = [
        json.loads(value) if is_json and value is not None else value
        for is_json, value in zip(columns.values(), values, strict=True)
    ]
    return model.from_db(DEFAULT_DB_ALIAS, columns, found)


def write(
    run: dict[str, Any],
    steps: Iterable[models.Model],
    fetches: Iterable[models.Model],
    attempts: list[Row],
    lines: list[Row],
    settled: dict[str, Any] | None,
    then: Sequence[Statement] = (),
    *,
    commits: bool = False,
) -> tuple[bool, list[Rows]]:
    """Write a commit's records; whether the run was asked to stop, and what `then` returned.
    LeaseLost if it is in other hands: the transaction has failed then.

    `run` has run_id, token and the counts; `settled` how it ends, if it does; `then` is what
    follows in the same trip, and so does the transaction's end with `commits`.
    """
    rows = {
        "steps": _rows(steps, STEP),
        "fetches": _rows(fetches, FETCH),
        "attempts": _as_json(attempts),
        "lines": _as_json(lines),
    }
    statement = _statement(tuple(name for name in rows if rows[name]), settled is not None)
    values = {**run, **rows, **(settled or {})}
    try:
        written, *more = statements.together((statement, values), *then, commits=commits)
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            raise LeaseLost(f"run {run['run_id']} is in other hands") from None
        raise
    ((is_to_stop, _),) = written
    return bool(is_to_stop), more


@cache
def _statement(kinds: tuple[str, ...], is_settled: bool) -> str:
    parts = {"steps": STEPS, "fetches": FETCHES, "attempts": ATTEMPTS, "lines": LINES}
    parts = {kind: parts[kind] for kind in kinds}
    parts["run"] = RUN.format(settled=SETTLED if is_settled else "")
    return WRITE.format(records=", ".join(f"{name} AS ({part})" for name, part in parts.items()))


def _rows(objects: Iterable[models.Model], columns: list[str]) -> str | None:
    return _as_json([{name: getattr(item, name) for name in columns} for item in objects])


def _as_json(rows: list[Row]) -> str | None:
    return ENCODER.encode(rows) if rows else None


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, uuid.UUID) else value.isoformat()


ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False)
