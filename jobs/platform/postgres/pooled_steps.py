"""Steps' statements behind a pool in transaction mode, prepared as the engine's are.

psycopg numbers what it prepares, and a session that many clients share may know another statement
by that number. So psycopg uses the pipeline's names, in the sessions that the pipeline trusts
(pooled_pipeline, 2 and 3). Elsewhere a statement goes unprepared, as all do with a psycopg that
takes no names.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import psycopg

from jobs.platform.postgres import psycopg_internals
from jobs.platform.postgres.pooled_pipeline import PooledPipelineConnection
from jobs.platform.postgres.psycopg_internals import Key
from jobs.platform.postgres.step_cursor import PREPARED_AFTER, StepCursor

logger = logging.getLogger("jobs.engine")

# A connection's; as psycopg's defaults. A shared session keeps what each of its clients prepared.
MAX_PREPARED = 100
MAX_COUNTED = 100

_found: str | None = None  # by the probe; None before this process's first step behind a pool


def prepare_often(
    raw: psycopg.Connection[Any], pipeline_connection: PooledPipelineConnection
) -> None:
    """Raises psycopg's errors. No transaction may be open."""
    global _found
    if _found is None:
        _found = psycopg_internals.probe_naming(raw)
        if _found:
            logger.warning("Steps' statements are not prepared behind the pool. %s", _found)
    if not _found:
        raw.cursor_factory = StepCursor
        psycopg_internals.name_prepared(raw, _Names(pipeline_connection).name)


class _Names:
    def __init__(self, pipeline_connection: PooledPipelineConnection) -> None:
        self._pipeline_connection = pipeline_connection
        self._often: set[Key] = set()
        self._counts: Counter[Key] = Counter()

    def name(self, key: Key) -> bytes | None:
        """None: the statement goes unprepared. Raises psycopg's errors."""
        if not self._is_often(key):
            return None
        return self._pipeline_connection.prepare(key)

    def _is_often(self, key: Key) -> bool:
        if key in self._often:
            return True
        if len(self._often) == MAX_PREPARED:
            return False
        self._counts[key] += 1
        if self._counts[key] > PREPARED_AFTER:
            self._often.add(key)
            return True
        if len(self._counts) > MAX_COUNTED:
            self._counts.pop(next(iter(self._counts)))
        return False
