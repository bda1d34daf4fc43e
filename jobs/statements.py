"""The engine's own statements, prepared: PostgreSQL reads and plans each once for a connection.

They are few, always the same, and sent for every run, while planning one takes longer than what it
does. Where prepared statements cannot be had, behind a pool in transaction mode, Django's
`OPTIONS["prepare_threshold"]` is None, and they are sent as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper

Statement = tuple[str, Mapping[str, Any]]  # text, values by name


class _Prepared(psycopg.Cursor[Any]):
    """Django's own cursors put the values into the text, which then is another one every time."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> _Prepared:
        super().execute(query, params, prepare=True, **options)
        return self


def execute(text: str, values: Mapping[str, Any]) -> CursorWrapper:
    """Like a Django cursor's: its wrappers see the statement, its errors are Django's."""
    _connect()
    with connection.wrap_database_errors:
        cursor = _Prepared(connection.connection)
    prepared: CursorWrapper = connection._prepare_cursor(cursor)  # type: ignore[attr-defined]
    prepared.execute(text, values)
    return prepared


def together(*statements: Statement) -> list[CursorWrapper]:
    """Several statements in one trip, each seeing what was committed when its turn came. Outside
    any transaction they are one of their own."""
    _connect()
    with connection.wrap_database_errors, connection.connection.pipeline():
        return [execute(text, values) for text, values in statements]


def _connect() -> None:
    """As `connection.cursor()` does it: a connection that was lost meanwhile is made anew."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
