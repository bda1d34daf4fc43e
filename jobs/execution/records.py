"""A worker reads a run and writes a commit by one statement each.

A table's rows travel as one JSON text (jsonb_populate_recordset), so all is written under the
lease, or nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import DataError

from jobs.errors import LeaseLost
from jobs.fetch.request import FetchRecord
from jobs.ids import new_id
from jobs.models import REMEMBERED, in_sql
from jobs.platform.postgres import statements
from jobs.platform.postgres.connection_state import DivisionByZero
from jobs.platform.postgres.query import Query, columns_of
from jobs.platform.postgres.statements import Rows, Statement
from jobs.runs.lease import releasing
from jobs.runs.step_record import StepRecord

Row = dict[str, Any]  # by column name


STEP = columns_of(StepRecord)
FETCH = columns_of(FetchRecord)
IN_TABLE = ["response" if name == "response_head" else name for name in FETCH]
JSON = {"output", "error", "detail", "headers", "response_head"}  # read as their text
JSON_OF_STEP = [name for name in STEP if name in JSON]
JSON_OF_FETCH = [name for name in FETCH if name in JSON]
ATTEMPT = ["id", "step_name", "number", "status", "started_at", "ended_at", "worker"]
ATTEMPT += ["error_class", "error_message", "traceback", "retry_at"]
LOG_LINE = ["step_name", "attempt", "level", "at", "message"]

# Bytes of outputs that come with the rows, in order, without those larger alone (outputs). Rows
# older than output_bytes tell their stored size.
OUTPUTS_AT_ONCE = 256 * 1024
SIZE = """CASE WHEN output IS NOT NULL THEN coalesce(output_bytes, pg_column_size(output)) END"""
EXPRESSIONS = {
    "s.output": """
       CASE WHEN s.size <= %(at_once)s AND sum(s.size) FILTER (WHERE s.size <= %(at_once)s)
                      OVER (ORDER BY s.position, s.id) <= %(at_once)s
            THEN s.output END""",
    "s.output_bytes": "s.size",
    "f.body": "''",  # a sent body is not needed
    "f.response_head": "f.response",
}
COLUMNS = [*(f"s.{name}" for name in STEP), *(f"f.{name}" for name in FETCH)]

# Only open steps need requests.
READ_STEPS = f"""
SELECT {", ".join(f"{EXPRESSIONS.get(name, name)} AS {name.split('.')[1]}" for name in COLUMNS)}
  FROM (SELECT *, {SIZE} AS size FROM jobs_step WHERE run_id = %(run_id)s) s
       LEFT JOIN jobs_fetch f ON s.kind = 'fetch'
       AND s.status NOT IN {in_sql(REMEMBERED)} AND f.run_id = s.run_id AND f.step_name = s.name
 ORDER BY s.position, s.id
"""  # noqa: S608


class StoredStep(NamedTuple):
    """A step and its request, or nulls if that is over."""

    step: StepRecord
    request: FetchRecord


STORED_STEPS = Query(READ_STEPS, StoredStep)

# As their text.
READ_OUTPUTS = """
SELECT name, output FROM jobs_step
 WHERE run_id = %(run_id)s AND name = ANY(%(names)s) AND output IS NOT NULL
"""


COPIED = [name for name in STEP if name != "id"]
COPY_STEPS = f"""
INSERT INTO jobs_step (id, run_id, {", ".join(COPIED)})
SELECT a_copy.id, %(into)s, {", ".join(f"s.{name}" for name in COPIED)}
  FROM unnest(%(ids)s::uuid[], %(names)s::text[]) AS a_copy(id, name)
  JOIN jobs_step s ON s.run_id = %(run_id)s AND s.name = a_copy.name
"""  # noqa: S608


def _insert(table: str, columns: list[str], parameter: str, on_conflict: str = "") -> str:
    names = ", ".join(columns)
    rows = f"jsonb_populate_recordset(NULL::{table}, %({parameter})s::jsonb)"
    into = f"INSERT INTO {table} (run_id, {names}) SELECT %(run_id)s, {names}"
    return f"{into} FROM {rows} {on_conflict}"


def _again(key: str, columns: list[str]) -> str:
    """A rewritten row keeps its id."""
    kept = {"id", key, "idempotency_key"}
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
    return f"ON CONFLICT (run_id, {key}) DO UPDATE SET {changes}"


INSERT_STEPS = _insert("jobs_step", STEP, "steps", _again("name", STEP))
INSERT_FETCHES = _insert("jobs_fetch", IN_TABLE, "fetches", _again("step_name", IN_TABLE))
INSERT_ATTEMPTS = _insert("jobs_attempt", ATTEMPT, "attempts")
INSERT_LOG_LINES = _insert("jobs_logline", LOG_LINE, "lines")

# Without the lease no row matches, and the division by zero ends the transaction, even with COMMIT
# in the trip.
UPDATE_RUN = """
UPDATE jobs_run SET steps_done = %(steps_done)s, attempt = %(attempt)s,
       function_errors = %(function_errors)s,
       requeue_count = CASE WHEN steps_done < %(steps_done)s THEN 0 ELSE requeue_count END
       {settled}
 WHERE id = %(run_id)s AND lease_token = %(token)s
RETURNING stop_requested
"""
WRITE_ALL = """WITH {records}
SELECT bool_or(stop_requested) AS is_to_stop, 1 / count(*) AS asserts_the_lease FROM {all}
"""
NO_WAIT = "SELECT set_config('synchronous_commit', 'off', true)"

# LEAST keeps an earlier due_at (wake.wake_runs) and skips nulls.
SETTLED = releasing(
    status="%(status)s",
    reason="%(reason)s",
    due_at="""CASE WHEN NOT %(ended)s THEN least(due_at, %(until)s::timestamptz,
              statement_timestamp() + make_interval(secs => %(delay)s::double precision)) END""",
    output="%(output)s::jsonb",
    error="%(error)s::jsonb",
    ended_at="CASE WHEN %(ended)s THEN statement_timestamp() END",
    epoch="CASE WHEN %(ended)s THEN epoch + 1 ELSE epoch END",
    expires_at="CASE WHEN %(ended)s THEN NULL ELSE expires_at END",
)


def read(run_id: uuid.UUID) -> list[tuple[StepRecord, FetchRecord | None]]:
    """An unread output is None, with its output_bytes."""
    found: list[tuple[StepRecord, FetchRecord | None]] = []
    asked = {"run_id": run_id, "at_once": OUTPUTS_AT_ONCE}
    for step, request in STORED_STEPS.execute_nowait(asked):
        _load(step, JSON_OF_STEP)
        step.is_new = False
        if request.id is None:
            found.append((step, None))
        else:
            _load(request, JSON_OF_FETCH)
            found.append((step, request))
    return found


def _load(record: StepRecord | FetchRecord, columns: Sequence[str]) -> None:
    for name in columns:
        text = getattr(record, name)
        if text is not None:
            setattr(record, name, json.loads(text))


def outputs(run_id: uuid.UUID, names: list[str]) -> dict[str, str]:
    found = statements.execute_nowait(READ_OUTPUTS, {"run_id": run_id, "names": names})
    return dict(found)


def copy_steps(run_id: uuid.UUID, names: Sequence[str], into: uuid.UUID) -> None:
    """Copy these steps, in this order."""
    ids = [new_id() for _ in names]
    copied = {"run_id": run_id, "names": list(names), "ids": ids, "into": into}
    statements.execute(COPY_STEPS, copied)


class NewRecords(NamedTuple):
    """Of one commit: `run` and `settled` have parameters of UPDATE_RUN."""

    run: dict[str, Any]
    steps: Iterable[StepRecord]
    fetches: Iterable[FetchRecord]
    attempts: list[Row]
    log_lines: list[Row]
    settled: dict[str, Any] | None


def write(
    new: NewRecords,
    then: Sequence[Statement] = (),
    *,
    commits: bool = False,
    waits: bool = True,
) -> tuple[bool, list[Rows]]:
    """Returns whether the run was asked to stop, and the rows of `then`. Raises LeaseLost: the
    transaction has failed.

    `then` and, with `commits`, the COMMIT go in the same trip. `waits` is for the disk.
    """
    rows = {
        "steps": _rows(new.steps, STEP, STEP),
        "fetches": _rows(new.fetches, FETCH, IN_TABLE),
        "attempts": _as_json(new.attempts),
        "lines": _as_json(new.log_lines),
    }
    kinds = tuple(name for name in rows if rows[name])
    query = _query(kinds, new.settled is not None, waits)
    values = {**new.run, **rows, **(new.settled or {})}
    try:
        written, *more = statements.execute_many(query.asked(values), *then, commits=commits)
    except DataError as error:
        if isinstance(error.__cause__, DivisionByZero):
            raise LeaseLost(new.run["run_id"]) from None
        raise
    (row,) = query.rows(written)
    return bool(row.is_to_stop), more


class WrittenRow(NamedTuple):
    is_to_stop: bool
    asserts_the_lease: int


@cache
def _query(kinds: tuple[str, ...], is_settled: bool, waits: bool) -> Query[WrittenRow]:
    parts = {
        "steps": INSERT_STEPS,
        "fetches": INSERT_FETCHES,
        "attempts": INSERT_ATTEMPTS,
        "lines": INSERT_LOG_LINES,
    }
    parts = {kind: parts[kind] for kind in kinds}
    parts["run"] = UPDATE_RUN.format(settled=f", {SETTLED}" if is_settled else "")
    if not waits:
        parts["no_wait"] = NO_WAIT
    records = ", ".join(f"{name} AS ({part})" for name, part in parts.items())
    text = WRITE_ALL.format(records=records, all="run" if waits else "run, no_wait")
    return Query(text, WrittenRow)


def _rows(
    records: Iterable[StepRecord | FetchRecord], names: list[str], columns: list[str]
) -> str | None:
    get = attrgetter(*names)
    found = [zip(columns, get(record), strict=True) for record in records]
    return _as_json([{name: v for name, v in row if v is not None} for row in found])


def _as_json(rows: list[Row]) -> str | None:
    return ENCODER.encode(rows) if rows else None


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, uuid.UUID) else value.isoformat()


ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False)
