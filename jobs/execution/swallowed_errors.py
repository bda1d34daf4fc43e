"""A transaction that code has broken without telling: in PostgreSQL's own words."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.transaction import TransactionManagementError

from jobs.errors import SwallowedDatabaseError, TransactionBroken
from jobs.lib.error_report import is_a
from jobs.platform.postgres import connection_state, failed_statement
from jobs.platform.postgres.outages import sqlstate_of

Broken = TypeVar("Broken", TransactionBroken, SwallowedDatabaseError)


def error_with_cause(kind: type[Broken], here: Any) -> Broken:
    """The error that tells what broke the transaction, noting the failed statement's traceback."""
    if not connection_state.is_aborted(here):
        return kind(kind.marked)
    failed = failed_statement.last(here.connection)
    if failed is None:
        return kind()
    error = kind(f"{kind()} {failed.sentence}")
    error.add_note(failed.traceback)
    return error


def explained(error: BaseException, kind: type[Broken], here: Any) -> BaseException:
    """An error that only follows an earlier statement's, told by that one."""
    is_later = is_a(error, TransactionManagementError) or (
        is_a(error, DatabaseError) and sqlstate_of(error) == failed_statement.AFTERWARDS
    )
    if not is_later or not connection_state.is_failed(here):
        return error
    explanation = error_with_cause(kind, here)
    explanation.__cause__ = error
    return explanation
