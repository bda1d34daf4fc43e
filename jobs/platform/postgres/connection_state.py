"""What a function's code did to the worker's connection, and how the worker gets a clean one.

Code may close or replace the connection, end its transaction or leave one open. Unknown to the
wrapper, the engine's next statement would run in a transaction that never commits, or in none.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Error
from psycopg.errors import DivisionByZero
from psycopg.pq import ConnStatus, TransactionStatus

from jobs.lib.error_report import cause_of, is_a
from jobs.platform.postgres import django_internals, plan_changes
from jobs.platform.postgres.outages import is_unavailable, sqlstate_of

__all__ = ["DivisionByZero"]  # other wings do not import psycopg


def is_bad(here: BaseDatabaseWrapper) -> bool:
    raw = here.connection
    return raw is None or bool(raw.closed) or raw.pgconn.status == ConnStatus.BAD


def is_lost(here: BaseDatabaseWrapper, raw: Any) -> bool:
    return is_bad(here) or here.connection is not raw or not here.in_atomic_block


def is_failed(here: BaseDatabaseWrapper) -> bool:
    """Whether a statement outside savepoints failed or code marked a rollback: PostgreSQL or Django
    refuses more.
    """
    if here.connection is None:
        return False
    is_marked = here.in_atomic_block and django_internals.is_marked_for_rollback(here)
    return is_marked or is_aborted(here)


def is_aborted(here: BaseDatabaseWrapper) -> bool:
    """Whether PostgreSQL refuses statements until a rollback."""
    raw = here.connection
    return raw is not None and raw.pgconn.transaction_status == TransactionStatus.INERROR


def is_idle(here: BaseDatabaseWrapper) -> bool:
    raw = here.connection
    return raw is not None and raw.pgconn.transaction_status == TransactionStatus.IDLE


def has_written(here: BaseDatabaseWrapper) -> bool:
    """PostgreSQL numbers a transaction that writes."""
    if not is_in_transaction(here):
        return False
    asked = "SELECT pg_current_xact_id_if_assigned()::text"
    (number,) = here.connection.execute(asked).fetchone()
    return number is not None


def is_in_transaction(here: BaseDatabaseWrapper) -> bool:
    raw = here.connection
    return raw is not None and raw.pgconn.transaction_status == TransactionStatus.INTRANS


def is_left_open(here: BaseDatabaseWrapper) -> bool:
    if here.connection is None:
        return bool(here.in_atomic_block)
    return bool(here.in_atomic_block) or not here.get_autocommit() or is_in_transaction(here)


def is_databases_fault(here: BaseDatabaseWrapper, error: BaseException) -> bool:
    """Whether the database broke off the work. Without an SQLSTATE only a broken connection counts:
    code may close it, or raise such an error.
    """
    if not is_a(error, DatabaseError, InterfaceError):
        return False
    if _is_of_an_old_plan(error):
        here.close()
        return True
    if not is_unavailable(error):
        return False
    return bool(sqlstate_of(error)) or (is_bad(here) and not _is_closed_by_code(here))


def _is_of_an_old_plan(error: BaseException) -> bool:
    """A migration changed a prepared result, or the server forgot the statement."""
    cause = cause_of(error)
    if not isinstance(cause, Error):
        return False
    return plan_changes.is_old_plan(cause.sqlstate, cause.diag.source_function)


def _is_closed_by_code(here: BaseDatabaseWrapper) -> bool:
    raw = here.connection
    if django_internals.is_closed_in_transaction(here):
        return True
    return raw is not None and raw.closed and not raw.broken


def drop(here: BaseDatabaseWrapper) -> None:
    """The next statement connects again."""
    with contextlib.suppress(Exception):
        here.close()
    django_internals.forget_connection(here)
