"""Whether code has set up a database session for itself: its settings, tables, prepared statements
and locks last as long as the connection, and the next run of the worker would find them.

A time zone, say, in which that reads its times; a timeout of which it dies; a table that hides the
product's. So a connection that code has set up is not the next run's (journal.leave_connection).
What is said here is read off the beginning of each statement that a cursor sends.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import psycopg

from jobs.platform.postgres.transaction_count import Counting

MARK = "jobs_session"  # the connection's attribute
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
    """Together with another cursor's class: notices what lasts, and counts transactions."""

    def execute(self, query: Any, *given: Any, **options: Any) -> Noticing:
        if isinstance(query, str) and LASTS.match(query):
            vars(self.connection)[MARK] = True
        super().execute(query, *given, **options)
        return self


def notice(raw: psycopg.Connection[Any]) -> None:
    """From now on."""
    factory: Any = raw.cursor_factory
    raw.cursor_factory = _noticing(factory)


def forget(raw: psycopg.Connection[Any] | None) -> None:
    """What lasts in this session was there before: a test's, say."""
    if raw is not None:
        notice(raw)
        vars(raw).pop(MARK, None)


@cache
def _noticing(kind: Any) -> Any:
    return kind if issubclass(kind, Noticing) else type(kind.__name__, (Noticing, kind), {})


def is_set_up(raw: psycopg.Connection[Any] | None) -> bool:
    """Whether code has left something in this session, or has made the connection itself."""
    return raw is not None and (MARK in vars(raw) or not issubclass(raw.cursor_factory, Noticing))
