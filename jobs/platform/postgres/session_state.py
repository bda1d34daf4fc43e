"""Whether code set up a database session for itself. A statement's beginning tells.

Settings, temporary tables, prepared statements and session locks outlast a transaction: the next
run would read times in a foreign zone, die of a foreign timeout, or meet a table that hides the
product's. So the worker takes a new connection (unit_of_work.leave_connection).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import psycopg

from jobs.platform.postgres import failed_statement
from jobs.platform.postgres.transaction_count import Counting

MARK = "jobs_session"
LASTS = re.compile(
    r"""\s*(?:
      SET\s+(?!(?:LOCAL|CONSTRAINTS|TRANSACTION)\b) | RESET\b | DISCARD\b | LISTEN\b | LOAD\b
    | PREPARE\s+(?!TRANSACTION\b) | DECLARE\b
    | CREATE\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP
    | SELECT\s+(?:pg_catalog\.)?(?:set_config|pg_(?:try_)?advisory_lock)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


class Noticing(Counting):
    """A cursor mixin that notices what lasts and what fails, and counts transactions."""

    def execute(self, query: Any, *given: Any, **options: Any) -> Noticing:
        if isinstance(query, str) and LASTS.match(query):
            vars(self.connection)[MARK] = True
        try:
            super().execute(query, *given, **options)
        except psycopg.Error as error:
            failed_statement.note(self.connection, error)
            raise
        return self

    def executemany(self, *given: Any, **options: Any) -> None:
        try:
            super().executemany(*given, **options)
        except psycopg.Error as error:
            failed_statement.note(self.connection, error)
            raise


def notice(raw: psycopg.Connection[Any]) -> None:
    factory: Any = raw.cursor_factory
    raw.cursor_factory = _noticing(factory)


def forget(raw: psycopg.Connection[Any] | None) -> None:
    """Take the session's present state for normal."""
    if raw is not None:
        notice(raw)
        failed_statement.forget(raw)
        vars(raw).pop(MARK, None)


@cache
def _noticing(kind: Any) -> Any:
    return kind if issubclass(kind, Noticing) else type(kind.__name__, (Noticing, kind), {})


def is_set_up(raw: psycopg.Connection[Any] | None) -> bool:
    return raw is not None and (MARK in vars(raw) or not issubclass(raw.cursor_factory, Noticing))
