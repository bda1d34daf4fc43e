"""The statements of steps, prepared: a worker repeats the same few each run.

Django puts values into the text, so PostgreSQL plans each statement anew. With
`JOBS["PREPARE_STEPS"]` a worker's connection binds the values of the ORM's short statements, and
psycopg prepares those that repeat.

1. Not handwritten statements: a value may stand where the server takes none (`interval %s`). Not
   GROUP BY, where the server never takes two values for the same (Django's ticket 34255). Not long
   statements: each length would be a plan, and the server takes at most 65,535 values.
2. Only connections that call a run's steps. Behind a pool in transaction mode: pooled_steps.
3. A migration that changes what a prepared statement returns costs the connection and no attempt
   (connection_state.is_databases_fault), nor does the next worker's connection (executor, 5).
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.db.backends.postgresql.base import ServerBindingCursor

from jobs.platform.postgres.session_state import Noticing

PREPARED_AFTER = 5  # psycopg's default
MAX_VALUES = 50
BY_THE_ORM = re.compile(r'(SELECT (".|1 AS |COUNT\()|INSERT INTO "|UPDATE "|DELETE FROM ")')


class StepCursor(Noticing, ServerBindingCursor, psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> StepCursor:
        if not _is_short_and_the_orms(query, params):  # (1)
            options["prepare"] = False
            if params is not None:
                query = psycopg.ClientCursor(self.connection).mogrify(query, params)
                params = None
        super().execute(query, params, **options)
        return self


def prepare_often(raw: psycopg.Connection[Any]) -> None:
    raw.cursor_factory = StepCursor
    raw.prepare_threshold = PREPARED_AFTER


def _is_short_and_the_orms(query: Any, params: Any) -> bool:
    return (
        bool(params)
        and len(params) <= MAX_VALUES
        and isinstance(query, str)
        and BY_THE_ORM.match(query) is not None
        and " GROUP BY " not in query
    )
