"""A long history in seconds: ended runs by the million, each a copy of one that really ran."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from jobs.models import Attempt, Event, Fetch, LogLine, Rollup, Run, Step

TIMES = """
CREATE TEMPORARY TABLE history AS
SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000'
               || lpad(to_hex(n), 12, '0'))::uuid AS id
  FROM (SELECT n, now() - interval '31 days' * (%(count)s - n + 1) / %(count)s AS at
          FROM generate_series(1, %(count)s) n) times
"""
# Foreign keys would be looked up one by one; only a superuser may leave that out.
TRUST_KEYS = """
SELECT set_config('session_replication_role', 'replica', true)
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
"""
# An index that was made beside old snapshots is not read before every transaction has ended that is
# older than it, those of other databases, too.
NOT_YET_READ = """
SELECT count(*) FROM pg_index
 WHERE indcheckxmin AND indrelid IN ('jobs_run'::regclass, 'jobs_event'::regclass)
   AND xmin::text::bigint >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint
"""
PATIENCE = 60.0  # seconds
EVENT = {
    "id": "h.id",
    "name": "'history/' || h.n % 20",
    "dedupe_id": "CASE WHEN h.n % 4 = 0 THEN 'order-' || h.n ELSE '' END",
    "ts": "h.at",
    "received_at": "h.at",
}
RUN = {
    "id": "h.id",
    "event_id": "h.id",
    "fn_id": "CASE WHEN h.n % 2 = 0 THEN t.fn_id ELSE 'history-' || h.n % 20 END",
    "status": "CASE WHEN h.n % 50 = 0 THEN 'failed' ELSE 'completed' END",
    "created_at": "h.at",
    "started_at": "h.at",
    "ended_at": "h.at",
}
STEP = {"id": "h.id", "run_id": "h.id"}


@contextmanager
def off_the_record() -> Iterator[None]:
    """Nothing of these tables is written ahead meanwhile, nor left afterwards: which pages are read
    is the same, and a million rows are there in half the time."""
    tables = [m._meta.db_table for m in (LogLine, Attempt, Fetch, Step, Run, Event)]
    with connection.cursor() as cursor:
        for table in tables:  # who points at others goes first
            cursor.execute(f"ALTER TABLE {table} SET UNLOGGED")
        try:
            yield
        finally:
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
            for table in reversed(tables):
                cursor.execute(f"ALTER TABLE {table} SET LOGGED")


def make_history(like: Run, count: int) -> None:
    """`count` ended runs over the past 31 days, and a step for each tenth of them."""
    with transaction.atomic(), connection.cursor() as cursor:
        indexes = _drop_indexes(cursor)
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        cursor.execute(TRUST_KEYS)
        cursor.execute(TIMES, {"count": count})
        _copy(cursor, Event, like.event_id, EVENT)
        _copy(cursor, Run, like.id, RUN)
        _copy(cursor, Step, like.steps.earliest("id").id, STEP, "WHERE h.n % 10 = 0")
        cursor.execute("DROP TABLE history")
        for definition in indexes:
            cursor.execute(definition)
    tidy_up()
    _until_indexes_are_read()


def tidy_up() -> None:
    """What autovacuum does in its time."""
    with connection.cursor() as cursor:
        for model in (Run, Event, Step, Rollup):
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")


def _drop_indexes(cursor: Any) -> list[str]:
    """Those of the two large tables: making them afterwards is several times faster."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('jobs_run', 'jobs_event')"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    return [definition for _, definition in found]


def _until_indexes_are_read() -> None:
    deadline = time.monotonic() + PATIENCE
    while _not_yet_read():
        assert time.monotonic() < deadline, "A transaction has been open all this time."
        time.sleep(0.1)


def _not_yet_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(NOT_YET_READ)
        ((indexes,),) = cursor.fetchall()
    return int(indexes)


def _copy(cursor: Any, model: Any, like: Any, values: dict[str, str], where: str = "") -> None:
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields]
    selected = ", ".join(values.get(column, f't."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    cursor.execute(f"CREATE TEMPORARY TABLE t AS SELECT * FROM {table} WHERE id = %s", [like])
    cursor.execute(f"INSERT INTO {table} ({names}) SELECT {selected} FROM history h, t {where}")
    cursor.execute("DROP TABLE t")
