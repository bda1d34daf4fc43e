"""The statements of steps, prepared: a worker repeats the same few with every run.

Django puts values into the text, so PostgreSQL plans each statement anew. With
`JOBS["PREPARE_STEPS"]` a worker's connection binds the values of the ORM's short statements, and
psycopg prepares those that repeat.

1. Not handwritten ones, where a value may stand for which the server takes none (`interval %s`);
   not GROUP BY, where two of the server's values are never the same one (Django's ticket 34255);
   not long ones: each length would be a plan, and the server takes at most 65,535 values.
2. Only connections in which a run's steps are called, and none behind a pool in transaction mode.
3. A migration may change what a prepared statement returns. Its error costs the connection and no
   attempt: see unit_of_work.is_connection_lost.
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.db.backends.postgresql.base import ServerBindingCursor

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
        super().execute(query, params, **options)
        return self


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
