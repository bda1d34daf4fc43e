"""A worker's commit, written in one statement: steps, attempts, log lines and the run's own row.

The rows travel as one JSON text a table, which PostgreSQL unfolds (jsonb_populate_recordset): the
statement is always the same, however many rows there are, and it is one round trip. Since they
are one statement, either all of it is written under the lease or nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import connection, models

STEP = ["id", "run_id", "name", "kind", "status", "position", "attempts", "output", "error"]
STEP += ["started_at", "ended_at", "due_at", "awaits", "detail"]
ATTEMPT = ["id", "run_id", "step_name", "number", "status", "started_at", "ended_at", "worker"]
ATTEMPT += ["error_class", "error_message", "traceback", "retry_at"]
LINE = ["run_id", "step_name", "attempt", "level", "at", "message"]


def _insert(table: str, columns: list[str], parameter: str, on_conflict: str = "") -> str:
    names = ", ".join(columns)
    rows = f"jsonb_populate_recordset(NULL::{table}, %({parameter})s::jsonb)"
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows} {on_conflict}"  # noqa: S608


# A step that is noted again (another attempt, an answer) keeps its id.
_AGAIN = ", ".join(f"{name} = excluded.{name}" for name in STEP[3:])
STEPS = _insert("jobs_step", STEP, "steps", f"ON CONFLICT (run_id, name) DO UPDATE SET {_AGAIN}")
ATTEMPTS = _insert("jobs_attempt", ATTEMPT, "attempts")
LINES = _insert("jobs_logline", LINE, "lines")

# What a run's row is told at every commit; RUN_SETTLED adds how the execution came to its end.
RUN = """
UPDATE jobs_run SET steps_done = %(steps_done)s, attempt = %(attempt)s,
       function_errors = %(function_errors)s {settled}
 WHERE id = %(run_id)s AND lease_token = %(token)s
RETURNING stop_requested
"""

# LEAST lets stand what came meanwhile and has set due_at (events.wake_runs); it passes by nulls.
SETTLED = """
     , status = %(status)s, reason = %(reason)s, lease_token = NULL, lease_until = NULL,
       output = %(output)s::jsonb, error = %(error)s::jsonb,
       ended_at = CASE WHEN %(ended)s THEN statement_timestamp() END,
       expires_at = CASE WHEN %(ended)s THEN NULL ELSE expires_at END,
       due_at = CASE WHEN NOT %(ended)s THEN least(due_at, %(until)s::timestamptz,
                statement_timestamp() + make_interval(secs => %(delay)s::double precision)) END
"""


def write(
    run: dict[str, Any],
    steps: Iterable[models.Model],
    attempts: Iterable[models.Model],
    lines: Iterable[models.Model],
    settled: dict[str, Any] | None,
) -> bool | None:
    """Write a commit's records; None if the lease is not ours, else whether the run was asked to
    stop. `run` has run_id, token and the counts; `settled` how it ends, if it does."""
    rows = {
        "steps": _rows(steps, STEP),
        "attempts": _rows(attempts, ATTEMPT),
        "lines": _rows(lines, LINE),
    }
    parts = {"steps": STEPS, "attempts": ATTEMPTS, "lines": LINES}
    inserts = [f"{name} AS ({parts[name]})" for name in parts if rows[name] is not None]
    update = RUN.format(settled=SETTLED if settled is not None else "")
    statement = f"WITH {', '.join(inserts)} {update}" if inserts else update
    with connection.cursor() as cursor:
        cursor.execute(statement, {**run, **rows, **(settled or {})})
        found = cursor.fetchone()
    return None if found is None else bool(found[0])


def _rows(objects: Iterable[models.Model], columns: list[str]) -> str | None:
    rows = [{name: getattr(item, name) for name in columns} for item in objects]
    return json.dumps(rows, default=_plain, ensure_ascii=False) if rows else None


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, uuid.UUID) else value.isoformat()
