"""Steps' frequent statements, executed as the engine's are: in one trip with what is deferred
(pipeline, 7), prepared, and at two thirds of psycopg's processor time.

1. psycopg executes a text the first PREPARED_AFTER times, what does not fit, and all with a psycopg
   whose cursor takes no answer. A direct connection's are prepared there, too.
2. Behind a pool in transaction mode psycopg's numbers for what it prepares may be another client's.
   So there only these are prepared, by the pipeline's names.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import Format

from jobs.platform.postgres import psycopg_internals
from jobs.platform.postgres.pipeline import PipelineConnection
from jobs.platform.postgres.psycopg_internals import Key
from jobs.platform.postgres.statement_text import Bound, compile_positional

logger = logging.getLogger("jobs.engine")

ATTRIBUTE = "jobs_step_statements"
PREPARED_AFTER = 5  # times, and the most statements of a connection: psycopg's defaults
MAX_PREPARED = 100
MAX_COUNTED = 100
AUTO = PyFormat.AUTO

_found: str | None = None  # by the probe; None before this process's first step


class StepStatements:
    def __init__(self, pipeline_connection: PipelineConnection) -> None:
        self._pipeline_connection = pipeline_connection
        self._often: set[str] = set()
        self._keys: set[Key] = set()  # a text has one for each of its values' types
        self._counts: Counter[str] = Counter()

    def execute(self, cursor: psycopg.Cursor[Any], query: str, values: Sequence[Any]) -> bool:
        """False: psycopg is to. Raises psycopg's errors."""
        if not self._is_often(query) or not self._pipeline_connection.is_free:
            return False
        text, count = compile_positional(query)
        if count != len(values) or cursor.closed or cursor.format == Format.BINARY:
            return False
        adapter = Transformer(cursor)
        dumped: Any = adapter.dump_sequence(values, [AUTO] * len(values))
        statement = Bound((text, tuple(adapter.types or ())), dumped, adapter.formats)
        if not self._has_room_for(statement.key):
            return False
        answer = self._pipeline_connection.execute_for_cursor(statement)
        if answer is None:
            return False
        psycopg_internals.give_answer(cursor, adapter, answer)
        return True

    def _has_room_for(self, key: Key) -> bool:
        if key not in self._keys:
            if len(self._keys) == MAX_PREPARED:
                return False
            self._keys.add(key)
        return True

    def _is_often(self, query: str) -> bool:
        if query in self._often:
            return True
        if len(self._often) == MAX_PREPARED:
            return False
        self._counts[query] += 1
        if self._counts[query] > PREPARED_AFTER:
            self._often.add(query)
            return True
        if len(self._counts) > MAX_COUNTED:
            self._counts.pop(next(iter(self._counts)))
        return False


def install(raw: psycopg.Connection[Any], pipeline_connection: PipelineConnection) -> None:
    """For the connection's life."""
    if _is_fit(raw):
        vars(raw)[ATTRIBUTE] = StepStatements(pipeline_connection)


def of(raw: psycopg.Connection[Any]) -> StepStatements | None:
    return vars(raw).get(ATTRIBUTE)


def _is_fit(raw: psycopg.Connection[Any]) -> bool:
    global _found
    if _found is None:
        _found = psycopg_internals.probe_cursor(raw)
        if _found:
            logger.warning("Steps' statements go by psycopg's own cursors. %s", _found)
    return not _found
