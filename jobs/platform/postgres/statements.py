"""The engine's own statements: a few, always the same, sent for every run.

They are prepared, so that PostgreSQL reads and plans each once for a connection: planning one takes
longer than what it does. So may be those of steps (see step_cursor.py). Behind a pool in
transaction mode, as `DISABLE_SERVER_SIDE_CURSORS` says, they are prepared in another way
(pooled_pipeline), and those of steps are not. Where the pipeline is not used (pipeline_switch),
nothing of the engine's is prepared (plain_statements).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import PipelineStatus

from jobs import conf
from jobs.platform.postgres import plain_statements, transaction_count
from jobs.platform.postgres.pipeline import NOTHING, Rows, Statement, Wire
from jobs.platform.postgres.pooled_pipeline import is_pooled, settings_of, wire_of
from jobs.platform.postgres.step_cursor import prepare_often

__all__ = [
    "Rows",
    "Statement",
    "at_once",
    "begin",
    "do_not_wait_for_the_disk",
    "execute",
    "has_pool",
    "keep_connections",
    "read_by_index",
    "together",
    "transactions_begun",
]

_by_index: WeakSet[psycopg.Connection[Any]] = WeakSet()


def execute(text: str, values: Mapping[str, Any]) -> Rows:
    """What it returns; its errors are Django's."""
    return together((text, values))[0]


def together(*statements: Statement, commits: bool = False) -> list[Rows]:
    """Several statements in one trip, each seeing what was committed when its turn came. Outside
    any transaction they are one of their own.

    With `commits` the trip may end the transaction: Django's own COMMIT, which has to follow, is
    then done already.
    """
    if not statements:
        return []
    here = _ready()
    with here.wrap_database_errors:
        wire = _wire(here)
        if wire is None:
            return plain_statements.converse(here, statements)
        return wire.converse(statements, commits=commits)


def at_once(text: str, values: Mapping[str, Any] = NOTHING) -> Rows:
    """As `execute`, for what waits for nobody's lock: cheaper, and no signal interrupts it."""
    here = _ready()
    with here.wrap_database_errors:
        wire = _wire(here)
        if wire is None:
            return plain_statements.converse(here, [(text, values)])[0]
        return wire.ask_at_once(text, values)


def begin() -> None:
    """Open the transaction that Django wants, for a step; psycopg would before the first statement,
    but at twice the cost."""
    here = _ready()
    raw = here.connection
    if raw.prepare_threshold is None and conf.prepare_steps() and not is_pooled(here):
        prepare_often(raw)
    wire = _wire(here)
    if wire is not None:
        with here.wrap_database_errors:
            wire.begin()


def transactions_begun() -> int:
    """How many transactions this thread's connection has begun up to now."""
    return transaction_count.begun(_ready().connection)


def _ready() -> BaseDatabaseWrapper:
    here = connections[DEFAULT_DB_ALIAS]  # `connection` would look it up for every attribute
    here.close_if_health_check_failed()
    here.ensure_connection()
    here.validate_no_broken_transaction()
    return here


def read_by_index() -> None:
    """Have this thread's connection read tables by their indexes alone, and in their order, as long
    as it lives: what is known of a queue's size is always of another time, and by that it can seem
    as cheap to collect and sort all that is due as to read the first few."""
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    if here.connection not in _by_index:
        _set(here, enable_seqscan="off", enable_bitmapscan="off")
        _by_index.add(here.connection)


def do_not_wait_for_the_disk() -> None:
    """Have what this thread's connection commits not wait for the disk, as long as it lives."""
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    _set(here, synchronous_commit="off")


def keep_connections(seconds: int) -> None:
    """Have connections of this process, and of those that it forks, live for so long at least: a
    site closes them after each request (`CONN_MAX_AGE`), a worker would after each shift."""
    there = connections[DEFAULT_DB_ALIAS].settings_dict
    if there["CONN_MAX_AGE"] is not None:
        there["CONN_MAX_AGE"] = max(there["CONN_MAX_AGE"], seconds)


def _set(here: BaseDatabaseWrapper, **settings: str) -> None:
    """For this connection's session; behind a pool, for the engine's own statements alone."""
    if is_pooled(here):
        settings_of(here.connection).update(settings)
        return
    with here.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SET {name} = {value}")


def has_pool() -> bool:
    """Whether the site's connections go through a pool in transaction mode."""
    return is_pooled(connections[DEFAULT_DB_ALIAS])


def _is_watched(here: BaseDatabaseWrapper) -> bool:
    """Whether somebody wants to see each statement, or has set this connection up in a way that
    psycopg knows and we do not."""
    return bool(
        here.execute_wrappers
        or here.queries_logged
        or here.connection.pgconn.pipeline_status != PipelineStatus.OFF
        or here.connection.isolation_level is not None
    )


def _wire(here: BaseDatabaseWrapper) -> Wire | None:
    """None: the statements go by plain cursors."""
    if _is_watched(here):
        return None
    return wire_of(here.connection, prepares=not is_pooled(here))
