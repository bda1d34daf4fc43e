"""The engine's statements by psycopg's own cursors, unprepared: for watched connections, and
without the pipeline (pipeline_switch).

1. Several statements travel in one trip, by psycopg's pipeline mode.
2. A trip broken off, say by a signal handler's exception, leaves an unknown state: the connection
   is closed.
3. Behind a pool the engine's settings go ahead of each trip.
4. psycopg's pipeline does not expect that a commit is refused at its sync: it would stay open, with
   another error. So statements outside a transaction get a COMMIT of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from jobs.platform.postgres import django_internals, transaction_count
from jobs.platform.postgres.pipeline import Rows, Statement
from jobs.platform.postgres.pooled_pipeline import settings_of, settings_statements


class _ServerBinding(psycopg.Cursor[Any]):
    """Django's cursors put values into the text."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> _ServerBinding:
        super().execute(query, params, prepare=False, **options)
        return self


def execute(here: BaseDatabaseWrapper, statements: Sequence[Statement]) -> list[Rows]:
    """Through Django's wrappers. Outside a transaction the statements are one."""
    raw = here.connection
    transaction_count.add_if_begins(raw)
    before = settings_statements(settings_of(raw))
    if before and not _is_alone(raw):
        _ServerBinding(raw).execute(before.pop()[0])
    asked = [django_internals.wrapped(here, _ServerBinding(raw)) for _ in statements]
    with _trip(raw, len(before) + len(statements)):
        for text, _ in before:
            _ServerBinding(raw).execute(text)
        for cursor, (text, values) in zip(asked, statements, strict=True):
            cursor.execute(text, values)
    return [cursor.fetchall() if cursor.description else [] for cursor in asked]


def _is_alone(raw: psycopg.Connection[Any]) -> bool:
    """Whether the next trip is its own transaction."""
    return raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE


@contextlib.contextmanager
def _trip(raw: psycopg.Connection[Any], statements: int) -> Iterator[None]:
    """psycopg's pipeline waits for the answers at its end, unless the connection is closed."""
    if statements == 1:
        with _whole(raw):
            yield
        return
    scope = raw.transaction() if _is_alone(raw) else contextlib.nullcontext()  # see (4)
    with _whole(raw), raw.pipeline(), scope, _whole(raw):
        yield


@contextlib.contextmanager
def _whole(raw: psycopg.Connection[Any]) -> Iterator[None]:
    """Only PostgreSQL's errors leave the connection usable."""
    try:
        yield
    except (psycopg.Error, DatabaseError, InterfaceError):
        raise
    except BaseException:
        raw.close()
        raise
