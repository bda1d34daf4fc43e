"""The engine's own statements, prepared once per connection: planning takes longer than executing.

Behind a pool in transaction mode (`DISABLE_SERVER_SIDE_CURSORS`) pooled_pipeline prepares them.
Without the pipeline (pipeline_switch) none is prepared. Steps' own statements: step_cursor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import PipelineStatus, TransactionStatus

from jobs import conf
from jobs.platform.postgres import (
    django_internals,
    plain_statements,
    step_cursor,
)
from jobs.platform.postgres.pipeline import NOTHING, PipelineConnection, Rows, Statement
from jobs.platform.postgres.pooled_pipeline import (
    is_pooled,
    known_pipeline_of,
    pipeline_of,
    settings_of,
)
from jobs.platform.postgres.step_cursor import StepCursor

__all__ = [
    "BY_INDEX",
    "Rows",
    "Statement",
    "begin_step",
    "defer",
    "disable_synchronous_commit",
    "execute",
    "execute_by_index",
    "execute_many",
    "execute_nowait",
    "has_pool",
    "keep_connections",
    "read_by_index",
    "reading_by_index",
    "take_deferred",
]

# For the rest of a transaction. A plan that was kept from when a table was empty would read all of
# it, and one from a quiet hour's statistics would sort it.
BY_INDEX: tuple[Statement, ...] = (
    ("SET LOCAL enable_bitmapscan = off", NOTHING),
    ("SET LOCAL enable_seqscan = off", NOTHING),
)

PLANNING = "SELECT current_setting('enable_bitmapscan'), current_setting('enable_seqscan')"
AS_BEFORE = """
SELECT set_config('enable_bitmapscan', %(bitmap_scan)s, true),
       set_config('enable_seqscan', %(seq_scan)s, true)
"""

_by_index: WeakSet[psycopg.Connection[Any]] = WeakSet()


def execute(text: str, values: Mapping[str, Any]) -> Rows:
    return execute_many((text, values))[0]


def execute_many(*statements: Statement, commits: bool = False) -> list[Rows]:
    """Execute statements in one trip, each with its own snapshot; outside a transaction, as one.
    Raises Django's errors.

    With `commits` the trip may include COMMIT; Django's own must follow.
    """
    if not statements:
        return []
    here = _ready()
    with here.wrap_database_errors:
        pipeline_connection = _pipeline(here)
        if pipeline_connection is None:
            return plain_statements.execute(here, statements)
        return pipeline_connection.execute_pipeline(statements, commits=commits)


def execute_nowait(text: str, values: Mapping[str, Any] = NOTHING) -> Rows:
    """For a statement that waits for no lock: cheaper, but no signal interrupts it."""
    here = _ready()
    with here.wrap_database_errors:
        pipeline_connection = _pipeline(here)
        if pipeline_connection is None:
            return plain_statements.execute(here, [(text, values)])[0]
        return pipeline_connection.execute_nowait(text, values)


@contextmanager
def reading_by_index() -> Iterator[None]:
    """For the ORM's statements with an index for each table, in a transaction; see BY_INDEX. One
    that was open before reads on as it did."""
    here = connections[DEFAULT_DB_ALIAS]
    before = execute(PLANNING, NOTHING) if here.in_atomic_block else None
    with transaction.atomic():
        execute_many(*BY_INDEX)
        yield
        if before is not None and not transaction.get_rollback():
            ((bitmap_scan, seq_scan),) = before
            execute(AS_BEFORE, {"bitmap_scan": bitmap_scan, "seq_scan": seq_scan})


@transaction.atomic
def execute_by_index(text: str, values: Mapping[str, Any]) -> Rows:
    """For a statement with an index for each table, outside transactions; see BY_INDEX."""
    *_, rows = execute_many(*BY_INDEX, (text, values))
    return rows


def only_value(rows: Rows) -> Any:
    """Of one row with one column."""
    ((value,),) = rows
    return value


def begin_step() -> None:
    """Before its first statement, which opens the transaction that Django wants."""
    here = _ready()
    pipeline_connection = _pipeline(here)
    with here.wrap_database_errors:
        _prepare_steps(here, pipeline_connection)
        if pipeline_connection is not None:
            pipeline_connection.begin_step()


def defer(*texts: str) -> None:
    """They return no rows, and go with the transaction's next statement; by plain cursors now."""
    here = _ready()
    pipeline_connection = _pipeline(here)
    if pipeline_connection is not None:
        pipeline_connection.defer(texts)
        return
    with here.wrap_database_errors:
        plain_statements.execute(here, [("; ".join(texts), NOTHING)])


def take_deferred() -> list[str]:
    """What has not been sent, and is not going to be."""
    raw = connections[DEFAULT_DB_ALIAS].connection
    pipeline_connection = None if raw is None else known_pipeline_of(raw)
    return [] if pipeline_connection is None else pipeline_connection.take_deferred()


def _prepare_steps(
    here: BaseDatabaseWrapper, pipeline_connection: PipelineConnection | None
) -> None:
    """Once for a connection, unless the site has psycopg prepare statements by itself."""
    raw = here.connection
    if raw.cursor_factory is StepCursor or raw.prepare_threshold is not None:
        return
    if raw.pgconn.transaction_status != TransactionStatus.IDLE or not conf.prepare_steps():
        return
    if pipeline_connection is not None or not is_pooled(here):
        step_cursor.prepare_often(raw, pipeline_connection, is_pooled=is_pooled(here))


def _ready() -> BaseDatabaseWrapper:
    here = connections[DEFAULT_DB_ALIAS]
    here.close_if_health_check_failed()
    here.ensure_connection()
    here.validate_no_broken_transaction()
    return here


def read_by_index() -> None:
    """By the planner's figure for the queue's size, always old, sorting all due runs can look
    cheap.
    """
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    if here.connection not in _by_index:
        _set(here, enable_seqscan="off", enable_bitmapscan="off")
        _by_index.add(here.connection)


def disable_synchronous_commit() -> None:
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    _set(here, synchronous_commit="off")


def keep_connections(seconds: int) -> None:
    """By the site's `CONN_MAX_AGE` a worker would close its connection after each shift."""
    there = connections[DEFAULT_DB_ALIAS].settings_dict
    if there["CONN_MAX_AGE"] is not None:
        there["CONN_MAX_AGE"] = max(there["CONN_MAX_AGE"], seconds)


def _set(here: BaseDatabaseWrapper, **settings: str) -> None:
    """Behind a pool, for the engine's statements alone."""
    if is_pooled(here):
        settings_of(here.connection).update(settings)
        return
    with here.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SET {name} = {value}")


def has_pool() -> bool:
    return is_pooled(connections[DEFAULT_DB_ALIAS])


def _is_watched(here: BaseDatabaseWrapper) -> bool:
    """Whether Django's wrappers must see statements, or the setup needs psycopg."""
    return bool(
        django_internals.is_watched(here)
        or here.connection.pgconn.pipeline_status != PipelineStatus.OFF
        or here.connection.isolation_level is not None
    )


def _pipeline(here: BaseDatabaseWrapper) -> PipelineConnection | None:
    """None: plain cursors."""
    if _is_watched(here):
        return None
    return pipeline_of(here.connection, prepares=not is_pooled(here))
