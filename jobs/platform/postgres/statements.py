"""The engine's own statements: a few, sent for every run, and prepared once per connection, because
planning takes longer than executing.

A step's may be prepared too (step_cursor); behind a pool in transaction mode pooled_pipeline takes
over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakSet

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import PipelineStatus

from jobs import conf
from jobs.platform.postgres import pipeline
from jobs.platform.postgres.pipeline import NOTHING, Rows, Statement, Wire
from jobs.platform.postgres.pooled_pipeline import PooledWire, is_pooled, wire_of
from jobs.platform.postgres.step_cursor import is_for_steps, prepare_often

__all__ = [
    "Rows",
    "Statement",
    "at_once",
    "before_next",
    "begin",
    "do_not_wait_for_the_disk",
    "execute",
    "forget_what_waits",
    "has_pool",
    "keep_connections",
    "read_by_index",
    "together",
    "transactions_begun",
]

_by_index: WeakSet[psycopg.Connection[Any]] = WeakSet()


def execute(text: str, values: Mapping[str, Any]) -> Rows:
    return together((text, values))[0]


def together(*statements: Statement, commits: bool = False) -> list[Rows]:
    """Execute statements in one trip, each with its own snapshot. Outside a transaction they are a
    transaction of their own. Raises Django's errors.

    With `commits` the trip may include COMMIT; Django's own must follow.
    """
    if not statements:
        return []
    here = _ready()
    with here.wrap_database_errors:
        if _is_watched(here):
            return _by_cursor(here, statements)
        return _wire(here).converse(statements, commits=commits)


def at_once(text: str, values: Mapping[str, Any] = NOTHING) -> Rows:
    """Execute a statement that waits for no lock: cheaper, but no signal interrupts it."""
    here = _ready()
    with here.wrap_database_errors:
        if _is_watched(here):
            return _by_cursor(here, [(text, values)])[0]
        return _wire(here).ask_at_once(text, values)


def begin() -> None:
    """Open a step's transaction at half of psycopg's cost; a connection for steps opens it with the
    first statement."""
    here = _ready()
    raw = here.connection
    if raw.prepare_threshold is None and conf.prepare_steps() and not is_pooled(here):
        prepare_often(raw)
    if not is_for_steps(raw) and not _is_watched(here):
        with here.wrap_database_errors:
            _wire(here).begin()


def before_next(*texts: str) -> None:
    """Execute these before the transaction's next statement: in its trip on a connection for steps,
    else now."""
    here = _ready()
    if is_for_steps(here.connection) and not _is_watched(here):
        _wire(here).ahead += texts
    else:
        at_once("; ".join(texts))


def transactions_begun() -> int:
    here = _ready()
    return _wire(here).begun


def forget_what_waits() -> None:
    """Drop what `before_next` left: its transaction is over."""
    raw = connections[DEFAULT_DB_ALIAS].connection
    if raw is not None:
        pipeline.forget_what_waits(raw)


def _ready() -> BaseDatabaseWrapper:
    here = connections[DEFAULT_DB_ALIAS]
    here.close_if_health_check_failed()
    here.ensure_connection()
    here.validate_no_broken_transaction()
    return here


def read_by_index() -> None:
    """Let this thread's connection read by indexes alone. The planner's figure for the queue's size
    is always old; by it, sorting all due runs can look as cheap as reading the first few."""
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    if here.connection not in _by_index:
        _set(here, enable_seqscan="off", enable_bitmapscan="off")
        _by_index.add(here.connection)


def do_not_wait_for_the_disk() -> None:
    """Let this thread's connection commit without waiting for the disk."""
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    _set(here, synchronous_commit="off")


def keep_connections(seconds: int) -> None:
    """Let connections live for so long at least: by the site's `CONN_MAX_AGE` a worker would close
    its connection after each shift."""
    there = connections[DEFAULT_DB_ALIAS].settings_dict
    if there["CONN_MAX_AGE"] is not None:
        there["CONN_MAX_AGE"] = max(there["CONN_MAX_AGE"], seconds)


def _set(here: BaseDatabaseWrapper, **settings: str) -> None:
    """For the session; behind a pool, for the engine's statements alone."""
    wire = _wire(here)
    if isinstance(wire, PooledWire):
        wire.settings |= settings
        return
    with here.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SET {name} = {value}")


def has_pool() -> bool:
    return is_pooled(connections[DEFAULT_DB_ALIAS])


def _is_watched(here: BaseDatabaseWrapper) -> bool:
    """Whether Django's wrappers must see each statement, or the setup needs psycopg."""
    return bool(
        here.execute_wrappers
        or here.queries_logged
        or here.connection.pgconn.pipeline_status != PipelineStatus.OFF
        or here.connection.isolation_level is not None
    )


def _wire(here: BaseDatabaseWrapper) -> Wire:
    return wire_of(here.connection, prepares=not is_pooled(here))


class _ServerBinding(psycopg.Cursor[Any]):
    """Django's cursors would put the values into the text."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> _ServerBinding:
        super().execute(query, params, prepare=False, **options)
        return self


def _by_cursor(here: BaseDatabaseWrapper, statements: Sequence[Statement]) -> list[Rows]:
    prepare = here._prepare_cursor  # type: ignore[attr-defined]
    asked = [prepare(_ServerBinding(here.connection)) for _ in statements]
    with here.connection.pipeline() if statements[1:] else contextlib.nullcontext():
        for cursor, (text, values) in zip(asked, statements, strict=True):
            cursor.execute(text, values)
    return [cursor.fetchall() if cursor.description else [] for cursor in asked]
