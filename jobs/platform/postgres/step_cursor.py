"""The statements of steps, prepared: a worker repeats the same few each run.

Django puts values into the text, so PostgreSQL plans each statement anew. With
`JOBS["PREPARE_STEPS"]` a worker's connection binds the values of the ORM's short statements, and
those that repeat are prepared (step_statements).

1. Not handwritten statements, nor those with values in other places than beside a column
   (value_places). Not long ones: each length would be a plan, and the server takes at most 65,535
   values.
2. Only connections that call a run's steps.
3. A migration that changes what a prepared statement returns costs the connection and no attempt
   (connection_state.is_databases_fault), nor does the next worker's connection (executor, 5).
"""

from __future__ import annotations

import re
from typing import Any

import psycopg
from django.db.backends.postgresql.base import ServerBindingCursor

from jobs.platform.postgres import failed_statement, step_statements, value_places
from jobs.platform.postgres.pipeline import PipelineConnection
from jobs.platform.postgres.session_state import Noticing
from jobs.platform.postgres.step_statements import PREPARED_AFTER

MAX_VALUES = 50
BY_THE_ORM = re.compile(r'(SELECT (".|1 AS |COUNT\()|INSERT INTO "|UPDATE "|DELETE FROM ")')


class StepCursor(Noticing, ServerBindingCursor, psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> StepCursor:
        if _is_short_and_the_orms(query, params):
            if not options and self._is_executed_by_the_engine(query, params):
                return self
        else:  # (1)
            options["prepare"] = False
            if params is not None:
                query = psycopg.ClientCursor(self.connection).mogrify(query, params)
                params = None
        super().execute(query, params, **options)
        return self

    def _is_executed_by_the_engine(self, query: str, params: Any) -> bool:
        ours = step_statements.of(self.connection)
        if ours is None:
            return False
        try:
            return ours.execute(self, query, params)
        except psycopg.Error as error:
            failed_statement.note(self.connection, error)
            raise


def prepare_often(
    raw: psycopg.Connection[Any],
    pipeline_connection: PipelineConnection | None,
    *,
    is_pooled: bool,
) -> None:
    raw.cursor_factory = StepCursor
    if pipeline_connection is not None:
        step_statements.install(raw, pipeline_connection)
    if not is_pooled:
        raw.prepare_threshold = PREPARED_AFTER


def _is_short_and_the_orms(query: Any, params: Any) -> bool:
    return (
        isinstance(params, list | tuple)
        and 0 < len(params) <= MAX_VALUES
        and isinstance(query, str)
        and BY_THE_ORM.match(query) is not None
        and value_places.are_bindable(query, params)
    )
