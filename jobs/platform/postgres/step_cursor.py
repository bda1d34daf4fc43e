"""The statements of steps, prepared: a worker repeats the same few with every run.

Django puts values into the text, so PostgreSQL plans each statement anew. With
`JOBS["PREPARE_STEPS"]` a worker's connection binds the values of the ORM's short statements, and
psycopg prepares those that repeat.

1. All others go as Django sends them: hand-written ones, where the server may take no value
   (`interval %s`); GROUP BY, where two bound values never count as equal (Django's ticket 34255);
   long ones: each length needs a plan, and the server takes 65,535 values.
2. Only a worker's connection for steps is set up so, never behind a pool.
3. Prepared statements go through the pipeline, with what must precede them.
4. One whose result a migration changed costs the connection and no attempt
   (journal.is_connection_lost).
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.db.backends.postgresql.base import ServerBindingCursor
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer
from psycopg.generators import execute

from jobs.platform.postgres.pooled_pipeline import wire_of
from jobs.platform.postgres.session_state import Noticing

OFTEN = 5  # psycopg's default
MOST_VALUES = 50
BY_THE_ORM = re.compile(r'(SELECT (".|1 AS |COUNT\()|INSERT INTO "|UPDATE "|DELETE FROM ")')


class StepCursor(Noticing, ServerBindingCursor, psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> StepCursor:
        if not _is_short_and_the_orms(query, params):  # see (1)
            options["prepare"] = False
            if params is not None:
                query = psycopg.ClientCursor(self.connection).mogrify(query, params)
                params = None
        elif self._is_answered_by_wire(query, params):
            return self
        super().execute(query, params, **options)
        return self

    def _is_answered_by_wire(self, query: str, params: Any) -> bool:
        """Execute the statement if psycopg prepared it (3)."""
        raw = self._conn
        if self.closed or raw.closed or raw._pipeline is not None:
            return False
        asked = PostgresQuery(Transformer(self))
        asked.convert(query, params)
        name = raw._prepared._names.get((asked.query, asked.types))
        if name is None:
            return False
        wire = wire_of(raw, prepares=True)  # see (2)
        if wire.goes_alone:
            with raw.lock:
                raw.pgconn.send_query_prepared(name, asked.params, asked.formats)
                results = raw.wait(execute(raw.pgconn))
        else:
            results = [wire.ask_prepared(name, asked.params, asked.formats)]
        self._reset()
        self._tx, self._query = asked._tx, asked
        self._check_results(results)
        self._set_results(results)
        return True


def is_for_steps(raw: psycopg.Connection[Any]) -> bool:
    return raw.cursor_factory is StepCursor


def prepare_often(raw: psycopg.Connection[Any]) -> None:
    raw.cursor_factory = StepCursor
    raw.prepare_threshold = OFTEN


def _is_short_and_the_orms(query: Any, params: Any) -> bool:
    return (
        bool(params)
        and len(params) <= MOST_VALUES
        and isinstance(query, str)
        and BY_THE_ORM.match(query) is not None
        and " GROUP BY " not in query
    )
